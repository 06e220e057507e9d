"""The table of cameras, and from a `Candidate` to an opened one: in the capture process, or in this one.

In two steps, since they may take their time for different reasons: importing a library waits for a slow card,
opening a camera waits for the camera. A camera from another distribution is an entry point of the group
`waste_edge.cameras` that leads to a `CameraKind` (docs/extend.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from waste_edge.device.cameras.camera import Camera, CameraKind, Candidate
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError
from waste_edge.plugins import resolve

Opener = Callable[[str, Clock], Camera]

_HERE = "waste_edge.device.cameras"
KINDS: dict[str, CameraKind] = {
    "picamera": CameraKind(
        opener=f"{_HERE}.libcamera.picamera:open_picamera",
        importer=f"{_HERE}.libcamera.picamera:import_picamera2",
        argument=r"[0-9]{1,3}",
        programs=True,  # libcamera starts one for image processing that is not its own
        system_library="picamera2",
    ),
    "first-picamera": CameraKind(
        opener=f"{_HERE}.libcamera.picamera:open_first_picamera",
        importer=f"{_HERE}.libcamera.picamera:import_picamera2",
        by_name=False,
        programs=True,
        system_library="picamera2",
    ),
    "v4l2": CameraKind(opener=f"{_HERE}.v4l2:open_v4l2", by_name=False),
    "first-v4l2": CameraKind(opener=f"{_HERE}.v4l2:open_first_camera", by_name=False),
    "film": CameraKind(opener=f"{_HERE}.video:open_video", by_name=False, reads_file=True),
    "stream": CameraKind(opener=f"{_HERE}.stream:NetworkStream", by_name=False, network=True),
    "synthetic": CameraKind(opener=f"{_HERE}.synthetic:open_synthetic", check=f"{_HERE}.address:parse_rate"),
}


def kind_of(candidate: Candidate) -> CameraKind:
    """Return the table's row of a candidate's kind.

    Raises:
        CameraError: there is no such kind.
    """
    kind = candidate.plugin or KINDS.get(candidate.kind)
    if kind is None:
        raise CameraError(f"no kind of camera is called {candidate.kind!r}; expected one of {', '.join(KINDS)}")
    return kind


def load(name: str, kind: CameraKind) -> Opener:
    """Import what a kind of camera needs, and return what opens one.

    Raises:
        CameraError: its library is missing.
    """
    try:
        opener = resolve(kind.opener)
        if kind.importer:
            cast(Callable[[], object], resolve(kind.importer))()
    except ImportError as error:
        raise CameraError(f"{name}: cannot be used here ({error}); install what is missing") from error
    return cast(Opener, opener)
