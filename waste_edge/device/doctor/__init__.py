"""Checks of `waste-edge doctor`: whether this board is fit to be a station.

One small function a check, one file a group of them.

setting.py   what is examined: root, state folder, camera, bundle
camera.py    devices and who may open them, picamera2, one frame (grab_frame.py, in a process of its own)
engines.py   golden outputs, speed, INT8 instructions
board.py     heat, power, memory, 64 bits, disk; Python and its libraries
sinks.py     whom the station tells
service.py   systemd's view of the station, the clock
examine.py   runs them
"""

from waste_edge.device.doctor.examine import Check, Checks, Examination, all_checks, examine
from waste_edge.device.doctor.setting import Setting

__all__ = ["Check", "Checks", "Examination", "Setting", "all_checks", "examine"]
