"""A film through the very loop that a station runs, as fast as this machine can: frames bring their own time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from waste_edge.device.capture.messages import Ended, Message
from waste_edge.device.decision.item_tracker import CameraItemTracker, Event
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Listener, Loop, Seen
from waste_edge.device.vision.camera_health import CameraHealth, CameraHealthConfig
from waste_edge.device.vision.inspection import Inspector
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.rehearsal.film import Video

THUMBNAIL_PX = 112


@dataclass(frozen=True, eq=False)
class PlayedEvent:
    """Decision of the loop with the event's small picture.

    Attributes:
        event: as listeners of a station get it; its crop is kept here only.
        thumbnail: JPEG bytes of the crop, at most THUMBNAIL_PX wide and high.
    """

    event: Event
    thumbnail: bytes


@dataclass(frozen=True)
class Played:
    """Result of playing one video.

    Attributes:
        events: in their order.
        frames: how many the loop saw.
        untrusted: how many of them the camera's health held to be unfit.
        last_ns: time of the last one, from the film's start.
    """

    events: list[PlayedEvent]
    frames: int
    untrusted: int
    last_ns: int


class VideoClock:
    """A clock that stands where the film is: what sleeps by it returns at once."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        """See `Clock`."""
        return self._now_ns

    def sleep(self, seconds: float, interrupt: threading.Event | None = None) -> None:
        """Advance the video's time, and none of ours."""

    def goes_to(self, time_ns: int) -> None:
        """The film has come to this time."""
        self._now_ns = max(self._now_ns, time_ns)


@dataclass(frozen=True)
class Player:
    """A station without a camera: plays films through its loop.

    Attributes:
        policy: of the bundle and the site.
        inspector: shows items to the network.
    """

    policy: DecisionPolicy
    inspector: Inspector

    def play(self, video: Video) -> Played:
        """Play one film with a loop of its own, from an empty scene on.

        Raises:
            CameraError, EngineError: see `Loop.run`.
        """
        clock = VideoClock()
        # A film may rightly repeat a picture; a camera never does.
        health = CameraHealth(CameraHealthConfig(watch_frozen=False))
        numbers = iter(range(1, 1 << 62))
        items = CameraItemTracker(self.policy, self.inspector, health=health, make_id=lambda: f"{next(numbers):032x}")
        audience = _Audience()
        Loop(Reel(video.frames(), clock), items, [audience], clock).run()
        return Played(audience.events, audience.frames, audience.untrusted, clock.now_ns())


class Reel:
    """Frames of films as the loop's messages, on one clock; none is ever dropped."""

    dropped_frames = 0
    abandoned = 0

    def __init__(self, frames: Iterator[Frame], clock: VideoClock) -> None:
        self._frames = frames
        self._clock = clock

    def take(self, timeout_s: float) -> Message | None:
        """See `Messages.take`."""
        frame = next(self._frames, None)
        if frame is None:
            return Ended()
        self._clock.goes_to(frame.captured_ns)
        return frame

    def close(self) -> None:
        """See `Messages.close`."""


class _Audience(Listener):
    """Keeps what was decided."""

    def __init__(self) -> None:
        self.events: list[PlayedEvent] = []
        self.frames = 0
        self.untrusted = 0

    def seen(self, seen: Seen) -> None:
        self.frames += 1
        self.untrusted += seen.fault is not None

    def decided(self, event: Event) -> None:
        self.events.append(PlayedEvent(event, b"" if event.crop is None else _thumbnail(event.crop)))


def _thumbnail(crop: Pixels) -> bytes:
    scale = min(1.0, THUMBNAIL_PX / max(crop.shape[:2]))
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    small = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    return data.tobytes()
