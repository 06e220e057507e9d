"""From frames to items: each is decided once, from the frames in which it lies still."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.decision.policy import Decision, Judge
from waste_edge.device.vision.camera_health import CameraHealth, Fault
from waste_edge.device.vision.presence import Presence, State
from waste_edge.device.vision.scene import Grid, small
from waste_edge.engines.classifier import Prediction
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.imaging.preprocess import cut

MIN_FRAMES = 3  # settled frames that a decision is the mean of, at least
MIN_SECONDS = 0.5  # and the time they span, at least


@dataclass(frozen=True)
class Event:
    """One item, decided.

    Attributes:
        id: unique, 32 hexadecimal digits.
        opened_ns: monotonic clock when the item came into view.
        decided_ns: capture time of the last frame that counted.
        decision: what becomes of it.
        frames: how many settled frames the decision is the mean of.
        picture: the file it was decided from; empty for a camera.
    """

    id: str
    opened_ns: int
    decided_ns: int
    decision: Decision
    frames: int
    picture: str = ""

    def __post_init__(self) -> None:
        if self.decided_ns < self.opened_ns or self.frames < 1:
            raise ValueError(f"an event is decided after it is opened, from at least one frame; got {self}")


def new_id() -> str:
    """A fresh event id."""
    return uuid.uuid4().hex


class Items(Protocol):
    """Finds the items among the frames.

    Attributes:
        fault: why the camera's pictures cannot be classified at present; None while they can.
        scene_changes: when it moves, `remember` has something new to say.
    """

    @property
    def fault(self) -> Fault | None: ...

    @property
    def scene_changes(self) -> int: ...

    def see(self, frame: Frame, prediction: Prediction | None) -> tuple[State, Event | None]:
        """Take in one frame with its prediction, if it was classified; the event, if this frame completes one."""
        ...

    def remember(self) -> bytes:
        """The scene, to be kept over a restart; empty if there is none to keep."""
        ...


class PassingItems:
    """Items before a camera: they come, rest, are decided once, and go.

    Attributes:
        presence: the scene; `remember` and `recall` keep it over a restart.
    """

    def __init__(
        self,
        judge: Judge,
        presence: Presence | None = None,
        health: CameraHealth | None = None,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self.presence = presence or Presence()
        self._judge = judge
        self._health = health or CameraHealth()
        self._make_id = make_id
        self._settled: list[Prediction] = []
        self._settled_ns = 0

    @property
    def fault(self) -> Fault | None:
        """See `Items`."""
        return self._health.fault

    @property
    def scene_changes(self) -> int:
        """See `Items`."""
        return self.presence.pile_changes

    def remember(self) -> bytes:
        """See `Items.remember`."""
        return self.presence.remember()

    def see(self, frame: Frame, prediction: Prediction | None) -> tuple[State, Event | None]:
        """See `Items.see`. A decision needs MIN_FRAMES settled frames in a row that span MIN_SECONDS.

        The event's id is also the item's in the pile, so that `presence.item_id` names it as long as it lies there.
        A frame that the camera's health suspects goes no further.
        """
        watched = cut(frame.pixels, self._judge.site.region)
        look = small(watched)  # once a frame, for health and presence
        if self._is_unfit(watched, look, frame.captured_ns) or prediction is None:
            self._settled.clear()
            return self.presence.state, None
        state = self.presence.see(look, frame.captured_ns)
        if state is not State.SETTLED:
            self._settled.clear()
            return state, None
        if not self._settled:
            self._settled_ns = frame.captured_ns
        self._settled.append(prediction)
        if len(self._settled) < MIN_FRAMES or frame.captured_ns - self._settled_ns < MIN_SECONDS * NS_PER_S:
            return state, None
        return State.DECIDED, self._decide(frame.captured_ns)

    def _is_unfit(self, watched: Pixels, look: Grid, captured_ns: int) -> bool:
        """Whether this frame's picture is not to be believed; a camera that was moved for good is learned anew."""
        health, presence = self._health, self.presence
        resting = presence.state is State.EMPTY
        health.see(watched, look, captured_ns, presence.empty_look, resting)
        if health.wants_new_scene:
            health.learn_anew()
            presence.learn_anew()
        return health.suspects or health.fault is not None

    def _decide(self, now_ns: int) -> Event:
        event = Event(
            id=self._make_id(),
            opened_ns=self.presence.arrived_ns,
            decided_ns=now_ns,
            decision=self._judge.decide(self._settled),
            frames=len(self._settled),
        )
        self.presence.decided(event.id)
        self._settled.clear()
        return event


class SingleItems:
    """Pictures: each one is an item by itself, and there is no scene."""

    fault: Fault | None = None
    scene_changes = 0

    def __init__(self, judge: Judge, make_id: Callable[[], str] = new_id) -> None:
        self._judge = judge
        self._make_id = make_id

    def remember(self) -> bytes:
        """See `Items.remember`."""
        return b""

    def see(self, frame: Frame, prediction: Prediction | None) -> tuple[State, Event | None]:
        """See `Items.see`: each classified frame completes an event."""
        if prediction is None:
            return State.DECIDED, None
        decision = self._judge.decide([prediction])
        time_ns = frame.captured_ns
        return State.DECIDED, Event(self._make_id(), time_ns, time_ns, decision, frames=1, picture=frame.name)
