"""The Raspberry Pi's own camera, through picamera2 (libcamera), which comes with Raspberry Pi OS.

Written against picamera2 0.3.36. Imported only where a Pi camera is asked for, and then with nothing but numpy and
picamera2: no other machine has it, and the interpreter that does may have nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import pwd
import re
import threading
import time
from typing import Any

from waste_edge.device.cameras.age import Ages, newest
from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.cameras.libcamera.devices import why_closed
from waste_edge.device.cameras.libcamera.formats import ACCEPTED, MJPEG, RGB, YUV, Stream
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
_CLOSING_S = 1.0
_APART = "\t"  # between a camera's number and libcamera's name for it, in what opens it again
_CLOSED = (errno.EACCES, errno.ENOENT, errno.EPERM)
_OF_MEMORY = re.compile(r"dma|heap|alloc|permission").search
STALL_S = 3  # a camera that gives nothing for so long is taken for lost


class PiCamera:
    """One camera on the ribbon connector, running.

    Attributes:
        identity: which camera it is and how it is mounted, as libcamera tells.
        again: what opens this very camera again, whatever its number is by then.
    """

    still_images = False

    def __init__(self, library: Any, which: str, clock: Clock, usb: bool = True) -> None:
        """Open a camera and start it.

        Args:
            library: picamera2.
            which: its number as `rpicam-hello --list-cameras` counts, perhaps with libcamera's name for it (`again`).
            clock: what its frames are dated by, where libcamera does not.
            usb: a USB camera will do; V4L2 knows those better.

        Raises:
            CameraError: the camera is missing, busy or does not start.
        """
        number, _, name = which.partition(_APART)
        index, told = _find(library, int(number), name)
        if _is_usb(told) and not usb:
            raise CameraError(f"picamera:{index}: is a USB camera; name it by its /dev/videoN instead")
        self.title = f"picamera:{index} ({told.get('Model', 'unknown model')})"
        name = str(told["Id"])
        self.identity = f"{name} turned {told.get('Rotation', 0)}"
        self.again = ("picamera", f"{index}{_APART}{name}")
        self._clock = clock
        self._ages = Ages(0)
        try:
            self._camera = library.Picamera2(index)
        except Exception as error:  # libcamera's bindings raise what they like
            raise CameraError(f"picamera:{index}: does not open ({_line(error)}){_others(error)}") from error
        try:
            self._start(usb=_is_usb(told))
            clock.sleep(0)  # in the capture process a sign of life: starting and the first frame each take their time
            self.read()  # only now it is known to give frames
        except CameraError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise CameraError(f"picamera:{index}: does not start ({_line(error)}){_others(error)}") from error

    def _start(self, usb: bool) -> None:
        self._stream, wanted = _configuration(self._camera, usb)
        self._camera.configure(wanted)
        # libcamera may have adjusted size and format to what the hardware can do.
        given = self._camera.camera_configuration()[self._stream]
        if given["format"] not in ACCEPTED:
            raise CameraError(f"{self.title}: gives {given['format']}; expected one of {', '.join(ACCEPTED)}")
        width_px, height_px = given["size"]
        self._pictures = Stream(given["format"], width_px, height_px, given["stride"])
        self._camera.start()

    def read(self) -> RawFrame:
        """See `Camera.read`; a camera never ends. What waited in libcamera's queue is passed over."""
        return newest(self._next, self._ages, self._clock)

    def _next(self) -> RawFrame:
        try:
            # Copies out of the camera's buffers, with their padding, and what libcamera knows of that frame.
            (pixels,), told = self._camera.capture_buffers([self._stream], wait=float(STALL_S))
        except Exception as error:  # a timeout, or whatever libcamera raises
            raise CameraError(f"{self.title}: stopped giving frames ({_line(error)}); check its cable") from error
        now_ns = self._clock.now_ns()
        self._ages.set_rate(1e6 / told["FrameDuration"] if told.get("FrameDuration") else 0)  # longer in the dark
        captured_ns = self._ages.captured_ns(_sensor_ns(told.get("SensorTimestamp") or 0, now_ns) / 1e6, now_ns)
        try:
            return self._pictures.frame(pixels, captured_ns)
        except CameraError as error:
            raise CameraError(f"{self.title}: {error}; check its cable") from error

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


def _sensor_ns(stamp_ns: int, now_ns: int) -> int:
    """Convert libcamera's SensorTimestamp to the monotonic clock; some drivers count since boot, sleep included."""
    if stamp_ns <= now_ns:
        return stamp_ns
    return stamp_ns - (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC))


def _configuration(camera: Any, usb: bool) -> tuple[str, dict[str, Any]]:
    """Choose the stream to read, and the camera's configuration.

    queue=False: a capture waits for a fresh frame instead of taking the one that was kept ready.
    """
    if usb or "ColorFilterArrangement" not in camera.camera_properties:
        # No raw sensor behind the board's own image processor: one stream, in whatever libcamera makes of the wish.
        main = {"size": SIZE_PX, "format": MJPEG if usb else YUV}
        return "main", camera.create_video_configuration(main=main, queue=False)
    if _is_pi_5():
        main = {"size": SIZE_PX, "format": RGB}
        return "main", camera.create_video_configuration(main=main, raw={"size": SENSOR_PX}, queue=False)
    # Up to the Pi 4 the second, smaller output gives YUV only; it is half the memory of RGB, and free. The colour
    # space is said because picamera2 chooses by the size of `main`, and SD's is what YUV420 is converted by.
    configuration = camera.create_video_configuration(
        main={"size": SENSOR_PX, "format": YUV},
        lores={"size": SIZE_PX, "format": YUV},
        colour_space=importlib.import_module("libcamera").ColorSpace.Smpte170m(),
        buffer_count=4,
        queue=False,
    )
    return "lores", configuration


def _is_pi_5() -> bool:
    """A Pi 5, told as picamera2 tells it; releases from before the Pi 5 have no such module."""
    try:
        platform = importlib.import_module("picamera2.platform")
    except ImportError:
        return False
    return bool(platform.get_platform() == platform.Platform.PISP)


def import_picamera2() -> Any:
    """Import picamera2.

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


def _find(library: Any, index: int, name: str) -> tuple[int, dict[str, Any]]:
    """A camera's number now, and what libcamera tells of it."""
    cameras = library.Picamera2.global_camera_info()
    if name:
        found = [each for each, camera in enumerate(cameras) if camera["Id"] == name]
        if not found:
            raise CameraError(f"picamera:{index}: is not there; waiting for the one that was opened first ({name})")
        return found[0], cameras[found[0]]
    if index >= len(cameras):
        remedy = why_closed(_user()) or "check the ribbon cable"
        raise CameraError(f"picamera:{index}: libcamera finds {len(cameras)} cameras; {remedy}")
    return index, cameras[index]


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _is_usb(camera: dict[str, Any]) -> bool:
    """Return whether picamera2 lists it as a USB camera."""
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
    """Name another program or missing rights as the possible cause, for an error that says so; else empty."""
    first = _first(error)
    said, number = f"{error} {first}".lower(), getattr(first, "errno", None)
    if number == errno.EBUSY or "busy" in said:
        return "; another program uses it"
    if (number in _CLOSED or _OF_MEMORY(said)) and (found := why_closed(_user())):
        return f"; {found}"
    return ""


def open_picamera(which: str, clock: Clock) -> PiCamera:
    """Open the camera of this number; raises CameraError."""
    return PiCamera(import_picamera2(), which, clock)


def open_first_picamera(argument: str, clock: Clock) -> PiCamera:
    """Open the first ribbon camera, which libcamera lists before all others; raises CameraError."""
    return PiCamera(import_picamera2(), "0", clock, usb=False)
