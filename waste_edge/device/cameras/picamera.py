"""The Raspberry Pi's own camera, through picamera2 (libcamera), which comes with Raspberry Pi OS.

picamera2 is imported only when a Pi camera is asked for: no other machine has it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from typing import Any

import numpy as np

from waste_edge.device.cameras.opencv import STALL_S
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError
from waste_edge.frames import Frame

SIZE_PX = (640, 480)
# libcamera names formats from the most significant byte down: "BGR888" lies in memory as R, G, B, which is
# what a Frame holds, while "RGB888" is B, G, R.
FORMAT = "BGR888"


class PiCamera:
    """One camera on the ribbon connector, running."""

    stills = False

    def __init__(self, index: int, clock: Clock) -> None:
        """Open the camera number `index`, counted as `rpicam-hello --list-cameras` does, and start it.

        Raises:
            CameraError: picamera2 or the camera is missing, busy or does not start.
        """
        library = _import_picamera2()
        self.title = f"picamera:{index} ({_model(library, index)})"
        self._clock = clock
        try:
            self._camera = library.Picamera2(index)
        except Exception as error:  # libcamera's bindings raise what they like
            raise CameraError(
                f"picamera:{index}: does not open ({_line(error)}); does another program use it?"
            ) from error
        try:
            self._start()
        except CameraError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise CameraError(f"picamera:{index}: does not start ({_line(error)})") from error

    def _start(self) -> None:
        # queue=False: a capture waits for a fresh frame instead of taking the one that was kept ready.
        wanted = self._camera.create_video_configuration(main={"size": SIZE_PX, "format": FORMAT}, queue=False)
        self._camera.configure(wanted)
        given = self._camera.camera_configuration()["main"]["format"]
        if given != FORMAT:
            raise CameraError(f"{self.title}: gives {given} instead of {FORMAT}; update picamera2 and libcamera")
        self._camera.start()

    def read(self) -> Frame:
        """See `Camera.read`; a camera never ends."""
        try:
            # capture_array copies out of the camera's buffer and drops the row padding.
            pixels = self._camera.capture_array("main", wait=float(STALL_S))
        except Exception as error:  # a timeout, or whatever libcamera raises
            raise CameraError(f"{self.title}: stopped giving frames ({_line(error)}); check its cable") from error
        return Frame(np.ascontiguousarray(pixels, np.uint8), self._clock.now_ns())

    def close(self) -> None:
        # A capture that timed out still waits in picamera2's list and would be served first: drop it.
        with contextlib.suppress(Exception):
            self._camera.cancel_all_and_flush()
        with contextlib.suppress(Exception):
            self._camera.close()


def ribbon_cameras() -> int:
    """How many cameras hang on the board's own connectors.

    Raises:
        CameraError: picamera2 does not import.
    """
    return sum(not _is_usb(camera) for camera in _import_picamera2().Picamera2.global_camera_info())


def _import_picamera2() -> Any:
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # else it greets each start on stderr
    try:
        return importlib.import_module("picamera2")
    except ImportError as error:
        raise CameraError(f"no Pi camera: picamera2 is not installed for this Python ({_line(error)})") from error
    except Exception as error:  # a picamera2 built against another numpy raises ValueError
        raise CameraError(f"no Pi camera: picamera2 is installed but does not load ({_line(error)})") from error


def _model(library: Any, index: int) -> str:
    cameras = library.Picamera2.global_camera_info()
    if index >= len(cameras):
        raise CameraError(f"picamera:{index}: libcamera finds {len(cameras)} cameras; check the ribbon cable")
    if _is_usb(cameras[index]):
        raise CameraError(f"picamera:{index}: is a USB camera; name it by its /dev/videoN instead")
    return str(cameras[index].get("Model", "unknown model"))


def _is_usb(camera: dict[str, Any]) -> bool:
    """As picamera2 itself tells them apart; a USB camera cannot give our format."""
    return "/usb" in str(camera["Id"])


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
