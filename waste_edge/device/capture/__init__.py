"""Capture: reading a source apart from inference, so that a camera that hangs costs seconds and not the station.

messages.py  frames and news, as the loop gets them
process.py   a capture process (`child.py`) that is watched and replaced; link.py is its near end
thread.py    for pictures in files
convert.py   from a camera's own layout to RGB
"""

from waste_edge.device.capture.messages import (
    CAMERA_RETRY,
    Absent,
    BadPicture,
    Ended,
    Failed,
    Message,
    Messages,
    Opened,
)
from waste_edge.device.capture.supervisor import ProcessCapture, Timeouts, start_capture

__all__ = [
    "CAMERA_RETRY",
    "Absent",
    "BadPicture",
    "Ended",
    "Failed",
    "Message",
    "Messages",
    "Opened",
    "ProcessCapture",
    "Timeouts",
    "start_capture",
]  # fmt: skip
