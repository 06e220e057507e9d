"""The loop: camera → newest frame → health and presence → the network, for what lies still → decision → listeners.

It owns the only thread that touches the engine. It waits for messages and nowhere else, takes its clock as an
argument, and ends after the frame in hand: at the source's end, a limit, or when it is asked to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from waste_edge.device.capture import Absent, BadPicture, Ended, Failed, Message, Messages, Opened
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.decision.item_tracker import Event, ItemTracker
from waste_edge.device.signals import Stop
from waste_edge.device.statistics import Statistics, Summary
from waste_edge.device.system.condition import Condition
from waste_edge.device.system.health import Health
from waste_edge.device.vision.camera_health import Fault
from waste_edge.device.vision.inspection import ItemView
from waste_edge.device.vision.presence import State
from waste_edge.engines.classifier import Prediction
from waste_edge.imaging.frames import Frame

_LOOK_UP_S = 0.1  # how often limits and signals are looked at while no frame comes


@dataclass(frozen=True)
class Seen:
    """One frame, looked at. `statistics` go on counting after this frame.

    Attributes:
        prediction: the network's newest answer about this frame; None if it was not asked, as for most frames.
        fault: why the camera's picture cannot be trusted; None while it can.
        item: where a settled item lies, and its crop; None where the frame was not looked at so closely.
    """

    frame: Frame
    prediction: Prediction | None
    state: State
    statistics: Statistics
    dropped_frames: int
    fault: Fault | None = None
    item: ItemView | None = None


@dataclass(frozen=True)
class ModelChange:
    """Change of the models that are installed at the station.

    Attributes:
        number: 1, 2, 3, … of the store's changes.
        time_utc: of the wall clock, ISO 8601.
        action: `proposed`, `withdrawn`, `activated`, `rolled_back` or `confirmed`; see `models.roles.Change`.
        model, digest: name and version of the one that it is about, and SHA-256 of its manifest; of the bundle that
            the configuration names the digest is empty.
        before: name and version of the one that was in charge.
        reason: one sentence for people.
    """

    number: int
    time_utc: str
    action: str
    model: str
    digest: str
    before: str
    reason: str


class Listener:
    """Listener to the loop, called in its thread: it must not block. Each kind overrides the methods it needs."""

    def news(self, message: Opened | Absent | BadPicture) -> None:
        """A camera was opened or is missing, or a picture cannot be read."""

    def seen(self, seen: Seen) -> None:
        """A frame was looked at."""

    def decided(self, event: Event) -> None:
        """An item was decided; comes after the `seen` of the frame that completed it. `event.crop` is its picture."""

    def health(self, conditions: Sequence[Condition]) -> None:
        """These parts of the station fare differently from before."""

    def model(self, change: ModelChange) -> None:
        """A model was proposed or withdrawn, put in charge or taken back."""

    def ended(self, summary: Summary) -> None:
        """The loop has ended; nothing follows."""


class Recorder(Protocol):
    """Keeps events and the scene, before anyone is told."""

    def keep(self, frame: Frame, event: Event | None) -> None:
        """A frame was seen, and perhaps it completed an event."""
        ...

    def tend(self) -> None:
        """Called between messages, often."""
        ...


class Models(Protocol):
    """Exchanges the model between two items; in a station, `models.keeper.ModelKeeper`."""

    def step(self, tell: Callable[[ModelChange], None]) -> str:
        """Called between frames, often; tells what changed, and returns why the loop must end, or an empty string."""
        ...


@dataclass(frozen=True)
class Limits:
    """Limits after which the loop ends: frames, and seconds (waiting included)."""

    frames: int | None = None
    duration_s: float | None = None


@dataclass(frozen=True)
class LoopControl:
    """Limits and signals that end a loop, or have it read its configuration again.

    Attributes:
        limits: when to end at the latest.
        stop: ends the loop from outside.
        reload: called between frames when `stop` asks for it; returns why the loop ends, or an empty string.
    """

    limits: Limits = field(default_factory=Limits)
    stop: Stop = field(default_factory=Stop)
    reload: Callable[[], str] = str


@dataclass(frozen=True)
class LoopServices:
    """Recorder and health beside a station's loop.

    Attributes:
        recorder: keeps events and the scene; None keeps nothing.
        health: whose news the listeners are told, and whose pace is kept.
        models: exchanges the model; None: it stays as it is.
    """

    recorder: Recorder | None = None
    health: Health = field(default_factory=Health)
    models: Models | None = None


class Loop:
    """One run over one source.

    Args:
        messages: frames and news; closed at the end.
        items: finds the items among the frames and decides them; used in the thread that calls `run`, and in no
            other.
        listeners: told in this order.
        clock: times the run; frames bring their own time.
        control: what ends it.
        services: what is beside it.
    """

    def __init__(
        self,
        messages: Messages,
        items: ItemTracker,
        listeners: Sequence[Listener],
        clock: Clock,
        control: LoopControl | None = None,
        services: LoopServices | None = None,
    ) -> None:
        control, services = control or LoopControl(), services or LoopServices()
        self._messages = messages
        self._items = items
        self._listeners = listeners
        self._clock = clock
        self._limits, self._stop, self._reload = control.limits, control.stop, control.reload
        self._recorder, self._health, self._models = services.recorder, services.health, services.models
        self._looked_ns = -1

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
                self._look_around()
                ended = ended or self._exchange_models()
        finally:
            ended_ns = self._clock.now_ns()  # seeing a camera off may take most of a second
            self._messages.close()
            dropped = self._messages.dropped_frames
            summary = statistics.summary(ended_ns, dropped, ended or "an error")
            self._tell(lambda listener: listener.ended(summary))
        return summary

    def _why_end(self, statistics: Statistics) -> str:
        """Give the reason for which the loop must end now; empty if it need not."""
        if self._stop.reason:
            return self._stop.reason
        if self._stop.reload:
            self._stop.reload = False
            if ended := self._reload():
                return ended
        if self._limits.frames is not None and statistics.looked_at >= self._limits.frames:
            return f"{statistics.looked_at} frames, as asked"
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
        if self._too_soon(frame):
            statistics.shed_frames += 1
            return
        shown = self._items.see(frame, spare=self._health.least_gap_s > 0)
        fault, event = self._items.fault, shown.event
        now_ns = self._clock.now_ns()
        statistics.count_frame(now_ns, trusted=fault is None)
        if not frame.name:  # a picture of a folder has no age
            statistics.count_age(now_ns - frame.captured_ns)
        for answer in shown.answers:
            statistics.count_answer(answer.latency_ms)
        if event is not None:
            statistics.count_item(event)
        if self._recorder is not None:
            self._recorder.keep(frame, event)
        if event is not None:  # listeners hold events for long, and what they were decided from is large
            event = replace(event, evidence=None)
        prediction = shown.answers[-1] if shown.answers else None
        dropped = self._messages.dropped_frames
        seen = Seen(frame, prediction, shown.state, statistics, dropped, fault, shown.item)
        self._tell(lambda listener: listener.seen(seen))
        if event is not None:
            self._tell(lambda listener: listener.decided(event))

    def _look_around(self) -> None:
        """Do the recurring work that does not depend on frames."""
        if self._recorder is not None:
            self._recorder.tend()
        if changed := self._health.news(self._clock.now_ns()):
            self._tell(lambda listener: listener.health(changed))

    def _exchange_models(self) -> str:
        """Let another model take over if one is ready; returns why the loop ends, or an empty string."""
        if self._models is None:
            return ""
        return self._models.step(lambda change: self._tell(lambda listener: listener.model(change)))

    def _too_soon(self, frame: Frame) -> bool:
        """Return whether load is shed, and this is not a picture of a folder, of which none may be dropped."""
        gap_ns = 0 if frame.name else self._health.least_gap_s * NS_PER_S
        if gap_ns and self._looked_ns >= 0 and frame.captured_ns - self._looked_ns < gap_ns:
            return True
        self._looked_ns = frame.captured_ns
        return False

    def _tell(self, say: Callable[[Listener], None]) -> None:
        for listener in self._listeners:
            say(listener)
