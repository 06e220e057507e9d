"""From a `Candidate` to an opened camera: in the capture process, or in this one.

In two steps, since they may take their time for different reasons: importing a library waits for a slow card,
opening a camera waits for the camera.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from waste_edge.device.cameras.camera import Camera
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError

Opener = Callable[[str, Clock], Camera]


def load(kind: str) -> Opener:
    """Import what this kind of camera needs, and return what opens one.

    Raises:
        CameraError: there is no such kind, or its library is missing.
    """
    if kind not in KINDS:
        raise CameraError(f"no kind of camera is called {kind!r}; expected one of {', '.join(KINDS)}")
    try:
        return KINDS[kind]()
    except ImportError as error:
        raise CameraError(f"{kind}: cannot be used here ({error}); install what is missing") from error


def _picamera() -> Opener:
    from waste_edge.device.cameras.picamera import PiCamera, import_picamera2

    library = import_picamera2()
    return lambda argument, clock: PiCamera(library, argument, clock)


def _first_picamera() -> Opener:
    from waste_edge.device.cameras.picamera import PiCamera, import_picamera2

    library = import_picamera2()
    return lambda argument, clock: PiCamera(library, "0", clock, usb=False)  # libcamera lists ribbon cameras first


def _v4l2() -> Opener:
    from waste_edge.device.cameras.v4l2 import open_v4l2

    return open_v4l2


def _first_v4l2() -> Opener:
    from waste_edge.device.cameras.v4l2 import open_first_v4l2

    return lambda argument, clock: open_first_v4l2(clock)


def _video() -> Opener:
    from waste_edge.device.cameras.video import VideoFile

    return lambda argument, clock: VideoFile(Path(argument), clock)


def _stream() -> Opener:
    from waste_edge.device.cameras.stream import NetworkStream

    return NetworkStream


def _synthetic() -> Opener:
    from waste_edge.device.cameras.rate import parse_rate
    from waste_edge.device.cameras.synthetic import SyntheticCamera

    return lambda argument, clock: SyntheticCamera(*parse_rate(argument), clock)


KINDS: dict[str, Callable[[], Opener]] = {
    "picamera": _picamera,
    "first-picamera": _first_picamera,
    "v4l2": _v4l2,
    "first-v4l2": _first_v4l2,
    "film": _video,
    "stream": _stream,
    "synthetic": _synthetic,
}
