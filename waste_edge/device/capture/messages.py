"""Messages from a source to the loop: frames, and news in their place among the frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from waste_edge.device.clock import RetryPolicy

if TYPE_CHECKING:
    from waste_edge.imaging.frames import Frame

# A camera that comes back is in use within 10 s: the longest wait, and what starting and opening take.
CAMERA_RETRY = RetryPolicy(longest_s=4.0)


@dataclass(frozen=True)
class Opened:
    """A camera was opened; `title` says which.

    Attributes:
        title: for people.
        identity: the same as long as its pictures are of the same kind: device, size. Empty if nobody knows.
    """

    title: str
    identity: str = field(default="", compare=False)


@dataclass(frozen=True)
class Absent:
    """News that there is no camera, or no longer; another attempt follows after `retry_s`."""

    reason: str
    retry_s: float


@dataclass(frozen=True)
class BadPicture:
    """One picture could not be read; the rest follow."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """The source has no more frames."""


@dataclass(frozen=True)
class Failed:
    """Reading is over because of `error`."""

    error: Exception


Message: TypeAlias = "Frame | Opened | Absent | BadPicture | Ended | Failed"


class Messages(Protocol):
    """Source of frames and news for the loop.

    Attributes:
        dropped_frames: frames that were replaced by a newer one before they were taken.
        abandoned: processes that could not be ended and are still there.
    """

    @property
    def dropped_frames(self) -> int: ...

    @property
    def abandoned(self) -> int: ...

    def take(self, timeout_s: float) -> Message | None:
        """The next message, or None if none came within `timeout_s`."""
        ...

    def close(self) -> None:
        """Stop reading and give the camera back."""
        ...
