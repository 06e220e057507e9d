"""USB cameras, and whatever else Linux shows as /dev/videoN, through OpenCV."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2

from waste_edge.device.cameras.age import Ages, newest
from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.cameras.query import hardware_of, look_of, why_silent
from waste_edge.device.cameras.video import next_frame, prepare_opencv
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError

_APART = "\t"  # between a device and its hardware, in what opens it again
_VIDEO4LINUX = 81  # the kernel's number of this kind of device
SIZE_PX = (640, 480)
DEVICES = Path("/dev")
NAMES = Path("/sys/class/video4linux")

# Nodes of a Raspberry Pi that are no cameras: codecs, scalers and raw sensors. Some let themselves be opened
# and then never give a frame.
NOT_CAMERAS = ("bcm2835-", "unicam", "rp1-cfe", "pispbe", "rpivid", "rpi-hevc")


class V4l2Camera:
    """One /dev/videoN, already known to give frames."""

    still_images = False

    def __init__(self, device: str, clock: Clock) -> None:
        """Open `device` and wait for its first frame.

        Raises:
            CameraError: it is absent, busy, or gives no frame.
        """
        if fault := _no_video_device(device):
            raise CameraError(f"{device}: {fault}")
        prepare_opencv()
        self.title = device
        self.identity = hardware = hardware_of(device, NAMES)
        self.again = ("v4l2", f"{device}{_APART}{hardware}") if hardware else ("v4l2", device)
        self._clock = clock
        self._capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, SIZE_PX[0])
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, SIZE_PX[1])
        # Without this the driver hands over up to four old frames before the newest one.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if not self._capture.isOpened() or next_frame(self._capture, clock) is None:
            self.close()
            raise CameraError(f"{device}: {why_silent(device)}")
        self.identity = f"{self.identity or device} {look_of(device)}".strip()
        self._ages = Ages(self._capture.get(cv2.CAP_PROP_FPS))

    def read(self) -> RawFrame:
        """See `Camera.read`; a camera never ends. What waited in the driver's queue is passed over."""
        return newest(self._next, self._ages, self._clock)

    def _next(self) -> RawFrame:
        frame = next_frame(self._capture, self._clock)
        if frame is None:
            raise CameraError(f"{self.title}: stopped giving frames; check its plug")
        stamp_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        return replace(frame, captured_ns=self._ages.captured_ns(stamp_ms, frame.captured_ns))

    def close(self) -> None:
        self._capture.release()


def open_v4l2(device: str, clock: Clock) -> V4l2Camera:
    """Open one device by its path, e.g. `/dev/video0`; with a piece of hardware behind it (`again`), that very one.

    Raises:
        CameraError: see `V4l2Camera`; or another camera is there now.
    """
    path, _, hardware = device.partition(_APART)
    return V4l2Camera(_where_it_is(path, hardware) if hardware else path, clock)


def _where_it_is(device: str, hardware: str) -> str:
    """The device that this piece of hardware has now; it may have come back under another number."""
    found = [each for each in dict.fromkeys([device, *camera_devices()]) if hardware_of(each, NAMES) == hardware]
    if found:
        return found[0]
    there = "another camera is there now" if Path(device).exists() else "there is no such device"
    raise CameraError(f"{device}: {there}; waiting for the one that was opened first ({hardware})")


def open_first_v4l2(clock: Clock, opened: Callable[[str, Clock], V4l2Camera] = open_v4l2) -> V4l2Camera:
    """Open the first device that gives a frame.

    Raises:
        CameraError: none does; the message says what was tried.
    """
    devices = camera_devices()
    if not devices:
        raise CameraError("no USB camera: there is no /dev/videoN that could be one")
    silent = []
    for device in devices:
        clock.sleep(0)  # in the capture process a sign of life: each device may take its time
        try:
            return opened(device, clock)
        except CameraError as error:
            silent.append(str(error))
    raise CameraError("no USB camera: " + "; ".join(silent))


def camera_devices() -> list[str]:
    """Paths of the video devices that may be cameras, by number."""
    found = [(int(path.name[5:]), path) for path in DEVICES.glob("video*") if re.fullmatch(r"video\d+", path.name)]
    return [str(path) for _, path in sorted(found) if not _driver_name(path).startswith(NOT_CAMERAS)]


def _driver_name(device: Path) -> str:
    try:
        return (NAMES / device.name / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _no_video_device(device: str) -> str:
    """Explain a device name that does not lead to a video device; such a file is never opened."""
    try:
        status = Path(device).stat()
    except OSError:
        return ""  # not plugged in, or not to be looked at: said later
    if stat.S_ISREG(status.st_mode) or (stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == _VIDEO4LINUX):
        return ""
    return "is no video device; expected /dev/videoN or a link to one, as in /dev/v4l/by-id"


def open_first_camera(argument: str, clock: Clock) -> V4l2Camera:
    """Open the first camera that gives a frame; raises CameraError."""
    return open_first_v4l2(clock)
