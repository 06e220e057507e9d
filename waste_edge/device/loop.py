"""The loop: camera → newest frame → classifier → presence and decision → listeners.

It owns the only thread that touches the engine. It waits for messages and nowhere else, takes its clock as an
argument, and ends after the frame in hand: at the source's end, a limit, or when it is asked to.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from waste_edge.device.capture import Absent, BadPicture, Ended, Failed, Message, Messages, Opened
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.items import Event, Items
from waste_edge.device.presence import State
from waste_edge.device.statistics import Statistics, Summary
from waste_edge.engines.classifier import Prediction
from waste_edge.frames import Frame, Pixels

_LOOK_UP_S = 0.1  # how often limits and signals are looked at while no frame comes


Classify = Callable[[Pixels], Prediction]  # `Classifier.classify`, with the site's region


@dataclass(frozen=True)
class Seen:
    """One frame, classified. `statistics` go on counting after this frame."""

    frame: Frame
    prediction: Prediction
    state: State
    statistics: Statistics
    dropped_frames: int


class Listener(Protocol):
    """Is told what happens, in the loop's thread: it must not linger."""

    def news(self, message: Opened | Absent | BadPicture) -> None:
        """A camera was opened or is missing, or a picture cannot be read."""
        ...

    def seen(self, seen: Seen) -> None:
        """A frame was classified."""
        ...

    def decided(self, event: Event) -> None:
        """An item was decided; comes after the `seen` of the frame that completed it."""
        ...

    def ended(self, summary: Summary) -> None:
        """The loop has ended; nothing follows."""
        ...


@dataclass(frozen=True)
class Limits:
    """When to end at the latest: after so many frames, after so many seconds (waiting included)."""

    frames: int | None = None
    duration_s: float | None = None


class Stop:
    """Asks the loop to end. A plain attribute, since a signal handler must not wait for a lock."""

    reason = ""

    def request(self, reason: str) -> None:
        """End after the frame in hand."""
        self.reason = reason


class Loop:
    """One run over one source.

    Args:
        messages: frames and news; closed at the end.
        classify: called in the thread that calls `run`, and in no other.
        items: finds the items among the frames and decides them.
        listeners: told in this order.
        clock: times the run; frames bring their own time.
        limits: when to end at the latest.
        stop: ends the loop from outside.
    """

    def __init__(
        self,
        messages: Messages,
        classify: Classify,
        items: Items,
        listeners: Sequence[Listener],
        clock: Clock,
        limits: Limits | None = None,
        stop: Stop | None = None,
    ) -> None:
        self._messages = messages
        self._classify = classify
        self._items = items
        self._listeners = listeners
        self._clock = clock
        self._limits = limits or Limits()
        self._stop = stop or Stop()

    def run(self) -> Summary:
        """Run to the end.

        Returns:
            The summary that the listeners were told.

        Raises:
            CameraError: there is no camera, or it was lost, and nobody wants to wait; after the summary.
            EngineError: the engine failed; after the summary.
        """
        statistics = Statistics(self._clock.now_ns())
        ended = ""
        try:
            while not ended:
                message = self._messages.take(self._patience_s(statistics))
                ended = self._handle(message, statistics) or self._why_end(statistics)
        finally:
            self._messages.close()
            dropped = self._messages.dropped_frames
            summary = statistics.summary(self._clock.now_ns(), dropped, ended or "an error")
            self._tell(lambda listener: listener.ended(summary))
        return summary

    def _why_end(self, statistics: Statistics) -> str:
        """Why the loop must end now; empty if it need not."""
        if self._stop.reason:
            return self._stop.reason
        if self._limits.frames is not None and statistics.frames >= self._limits.frames:
            return f"{statistics.frames} frames, as asked"
        if self._left_s(statistics) <= 0:
            return f"{self._limits.duration_s:g} s, as asked"
        return ""

    def _left_s(self, statistics: Statistics) -> float:
        if self._limits.duration_s is None:
            return math.inf
        return self._limits.duration_s - (self._clock.now_ns() - statistics.started_ns) / NS_PER_S

    def _patience_s(self, statistics: Statistics) -> float:
        return max(0.0, min(_LOOK_UP_S, self._left_s(statistics)))

    def _handle(self, message: Message | None, statistics: Statistics) -> str:
        """Act on one message; returns why the loop ends, or an empty string."""
        match message:
            case Frame():
                self._look_at(message, statistics)
            case Opened() | Absent() | BadPicture():
                statistics.bad_pictures += isinstance(message, BadPicture)
                self._tell(lambda listener: listener.news(message))
            case Ended():
                return "the source ended"
            case Failed(error):
                raise error
            case None:
                pass
        return ""

    def _look_at(self, frame: Frame, statistics: Statistics) -> None:
        prediction = self._classify(frame.pixels)
        state, event = self._items.see(frame, prediction)
        statistics.count_frame(self._clock.now_ns(), prediction.latency_ms)
        if event is not None:
            statistics.count_item(event)
        seen = Seen(frame, prediction, state, statistics, self._messages.dropped_frames)
        self._tell(lambda listener: listener.seen(seen))
        if event is not None:
            self._tell(lambda listener: listener.decided(event))

    def _tell(self, say: Callable[[Listener], None]) -> None:
        for listener in self._listeners:
            say(listener)


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """A `Stop` that SIGINT (Ctrl-C) and SIGTERM (systemd) set. The second signal acts as if this were not here."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request(number: int, frame: FrameType | None) -> None:
        stop.request("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)
        restore()

    for number in before:
        signal.signal(number, request)
    try:
        yield stop
    finally:
        restore()
