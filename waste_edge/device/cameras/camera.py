"""What a camera is. The next kind of camera is one more file beside this one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from waste_edge.frames import Frame


class Camera(Protocol):
    """An opened camera, or anything that gives frames like one. One thread owns it.

    Attributes:
        title: for people, e.g. `picamera:0 (imx708)`.
        stills: each frame is a picture by itself and none may be dropped, as in a folder of photographs.
    """

    title: str
    stills: bool

    def read(self) -> Frame | None:
        """Wait for the next frame and return it; None when there will be no more.

        Raises:
            CameraError: the camera has gone; close it and open it anew.
            PictureError: this one picture cannot be read; the next call goes on with the next picture.
        """
        ...

    def close(self) -> None:
        """Give the device back. Harmless when called twice."""
        ...


@dataclass(frozen=True)
class Source:
    """Something that can be opened as a camera, again and again.

    Attributes:
        title: what the user asked for, in words.
        open: gives a `Camera` or raises CameraError; slow, since it waits for a first frame.
        live: it may come and go, and is worth waiting for; a file that is missing stays missing.
        stills: see `Camera`.
    """

    title: str
    open: Callable[[], Camera]
    live: bool
    stills: bool = False
