"""The Raspberry Pi's own camera, through picamera2 (libcamera), which comes with Raspberry Pi OS.

Written against picamera2 0.3.36. Imported only where a Pi camera is asked for, and then with nothing but numpy and
picamera2: no other machine has it, and the interpreter that does may have nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waste_edge.device.cameras.camera import RawFrame, packed
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError

# What picamera2 imports, where Debian's package is not called by the module's name.
_PACKAGES = {
    "pykms": "python3-kms++", "v4l2": "python3-v4l2", "PIL": "python3-pil", "libarchive": "python3-libarchive-c",
}  # fmt: skip
SIZE_PX = (640, 480)
# Asked of the sensor: small modes of some sensors (the imx219's 640x480) show only the middle of the view, while
# from this size on libcamera chooses one that bins the whole of it.
SENSOR_PX = (1280, 960)
# libcamera names formats from the most significant byte down: "BGR888" lies in memory as R, G, B, which is
# what a Frame holds, while "RGB888" is B, G, R.
RGB = "BGR888"
YUV = "YUV420"
_CLOSING_S = 1.0
STALL_S = 3  # a camera that gives nothing for so long is taken for lost


class PiCamera:
    """One camera on the ribbon connector, running."""

    still_images = False

    def __init__(self, library: Any, index: int, clock: Clock) -> None:
        """Open the camera number `index`, counted as `rpicam-hello --list-cameras` does, and start it.

        Raises:
            CameraError: the camera is missing, busy or does not start.
        """
        self.title = f"picamera:{index} ({_model(library, index)})"
        self._clock = clock
        try:
            self._camera = library.Picamera2(index)
        except Exception as error:  # libcamera's bindings raise what they like
            raise CameraError(f"picamera:{index}: does not open ({_line(error)}){_others(error)}") from error
        try:
            self._start()
            clock.sleep(0)  # in the capture process a sign of life: starting and the first frame each take their time
            self.read()  # only now it is known to give frames
        except CameraError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise CameraError(f"picamera:{index}: does not start ({_line(error)}){_others(error)}") from error

    def _start(self) -> None:
        self._stream, format_, wanted = _configuration(self._camera)
        self._camera.configure(wanted)
        given = self._camera.camera_configuration()[self._stream]
        if given["format"] != format_:
            message = f"gives {given['format']} instead of {format_}; update picamera2 and libcamera"
            raise CameraError(f"{self.title}: {message}")
        # libcamera may have adjusted the size to what the hardware can do.
        self._width_px, self._height_px = given["size"]
        self._camera.start()

    def read(self) -> RawFrame:
        """See `Camera.read`; a camera never ends."""
        try:
            # A copy out of the camera's buffer. RGB comes without the row padding, YUV420 with it.
            pixels = self._camera.capture_array(self._stream, wait=float(STALL_S))
        except Exception as error:  # a timeout, or whatever libcamera raises
            raise CameraError(f"{self.title}: stopped giving frames ({_line(error)}); check its cable") from error
        captured_ns = self._clock.now_ns()
        data = self._checked(pixels)
        if self._stream == "main":
            return packed(data, "rgb", captured_ns)
        return RawFrame(data, "yuv420", self._width_px, self._height_px, captured_ns)

    def _checked(self, pixels: Any) -> NDArray[np.uint8]:
        """A whole picture: half of one would otherwise be taken for a smaller one, squeezed into the scene."""
        if self._stream == "main":
            whole = np.shape(pixels) == (self._height_px, self._width_px, 3)
        else:
            whole = np.ndim(pixels) == 2 and len(pixels) == self._height_px * 3 // 2
        if not whole:
            size = f"{self._width_px}x{self._height_px}"
            raise CameraError(f"{self.title}: gives a picture of {np.shape(pixels)} for {size}; check its cable")
        return np.ascontiguousarray(pixels, np.uint8)

    def close(self) -> None:
        """See `Camera.close`; a camera that hangs in it is left to the end of the process."""
        ending = threading.Thread(target=self._close, daemon=True)
        ending.start()
        ending.join(_CLOSING_S)

    def _close(self) -> None:
        # A capture that timed out still waits in picamera2's list and would be served first: drop it.
        with contextlib.suppress(Exception):
            self._camera.cancel_all_and_flush()
        with contextlib.suppress(Exception):
            self._camera.close()


def _configuration(camera: Any) -> tuple[str, str, dict[str, Any]]:
    """Which stream to read, its format, and how to configure the camera for it.

    queue=False: a capture waits for a fresh frame instead of taking the one that was kept ready.
    """
    if _is_pi_5():
        main = {"size": SIZE_PX, "format": RGB}
        return "main", RGB, camera.create_video_configuration(main=main, raw={"size": SENSOR_PX}, queue=False)
    # Up to the Pi 4 the second, smaller output gives YUV only; it is half the memory of RGB, and free. The colour
    # space is said because picamera2 chooses by the size of `main`, and SD's is what YUV420 is converted by.
    configuration = camera.create_video_configuration(
        main={"size": SENSOR_PX, "format": YUV},
        lores={"size": SIZE_PX, "format": YUV},
        colour_space=importlib.import_module("libcamera").ColorSpace.Smpte170m(),
        buffer_count=4,
        queue=False,
    )
    return "lores", YUV, configuration


def _is_pi_5() -> bool:
    """A Pi 5, told as picamera2 tells it; releases from before the Pi 5 have no such module."""
    try:
        platform = importlib.import_module("picamera2.platform")
    except ImportError:
        return False
    return bool(platform.get_platform() == platform.Platform.PISP)


def import_picamera2() -> Any:
    """The library.

    Raises:
        CameraError: it is missing, or does not load.
    """
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # else it greets each start on stderr
    try:
        return importlib.import_module("picamera2")
    except ModuleNotFoundError as error:
        raise CameraError(f"no Pi camera: {_missing(error.name or '')}") from error
    except Exception as error:  # a picamera2 built against another numpy raises ValueError
        raise CameraError(f"no Pi camera: picamera2 is installed but does not load ({_line(error)})") from error


def _missing(module: str) -> str:
    """A module that is missing, with the package that has it."""
    name = module.partition(".")[0]
    if name in ("", "picamera2"):
        return "picamera2 is not installed for this Python; sudo apt-get install python3-picamera2"
    package = _PACKAGES.get(name, f"python3-{name.lower()}")
    return f"picamera2 is installed, but {name}, which it needs, is not; sudo apt-get install {package}"


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
    """The first error of a chain, in one line: picamera2 wraps libcamera's own into others that say less."""
    return (str(first := _first(error)) or type(first).__name__).splitlines()[0]


def _first(error: BaseException) -> BaseException:
    seen = {id(error)}
    while (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        if id(cause) in seen:
            break
        seen.add(id(cause))
        error = cause
    return error


def _others(error: BaseException) -> str:
    """Whether another program may have it: only for an error that says so."""
    first = _first(error)
    busy = getattr(first, "errno", None) == errno.EBUSY or "busy" in f"{error} {first}".lower()
    return "; another program uses it" if busy else ""


def open_picamera(index: str, clock: Clock) -> PiCamera:
    """Open the camera of this index; raises CameraError."""
    return PiCamera(import_picamera2(), int(index), clock)
