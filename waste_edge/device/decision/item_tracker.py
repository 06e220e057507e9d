"""From frames to items: each is decided once, from the frames in which it lies still.

Whether something lies there is asked of every frame; the network only of an item that lies still, and of pictures.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.decision.answer import Candidate
from waste_edge.device.decision.policy import Decision, DecisionPolicy
from waste_edge.device.vision.camera_health import CameraHealth, Fault
from waste_edge.device.vision.inspection import Classify, Inspector, ItemView, Visibility, inspector_of
from waste_edge.device.vision.presence import Presence, State
from waste_edge.device.vision.scene import Grid, small
from waste_edge.engines.classifier import Classifier, Prediction
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.imaging.preprocess import Region, cut
from waste_edge.site import Site

MIN_FRAMES = 3  # settled frames that a decision is made from, at least
MIN_SECONDS = 0.5  # and the time they span, at least


@dataclass(frozen=True, eq=False)
class Evidence:
    """Predictions that an item's decision was made from, and its setting: enough to decide again without a picture.

    Attributes:
        predictions: of the network, one a look; those of a decision that does without them may be there, too.
        parts: how many things lay apart.
        site: whose streams and costs decided, and whose region was watched.
    """

    predictions: tuple[Prediction, ...]
    parts: int
    site: Site


@dataclass(frozen=True)
class Event:
    """Decided item.

    Attributes:
        id: unique, 32 hexadecimal digits.
        opened_ns: monotonic clock when the item came into view.
        decided_ns: capture time of the last frame that counted.
        decision: what becomes of it.
        frames: how many settled frames the decision is made from.
        picture: the file it was decided from; empty for a camera.
        frame: number of the frame that completed it, from 1, as the frame lines of `run --json` count.
        looks: how many answers of the network the decision is the mean of; 0 if it was not asked.
        item_box: where it lay, in shares of the frame; None for a picture, which it fills.
        visibility: how well it was seen.
        candidates: the likeliest labels, best first; none if the network was not asked.
        expires_s: how long after the commit a person's answer is awaited; None if nobody is asked.
        audit: a person is asked although the decision was sure.
        crop: the picture of the item, uint8 (S, S, 3), for listeners in this process; in no event.
        evidence: what the decision was made from, for the outbox; in no event, and listeners are not told.
    """

    id: str
    opened_ns: int
    decided_ns: int
    decision: Decision
    frames: int
    picture: str = ""
    frame: int = 0
    looks: int = 0
    item_box: Region | None = None
    visibility: Visibility = Visibility.WELL
    candidates: tuple[Candidate, ...] = ()
    expires_s: float | None = None
    audit: bool = False
    crop: Pixels | None = field(default=None, repr=False, compare=False)
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.decided_ns < self.opened_ns or self.frames < 1:
            raise ValueError(f"an event is decided after it is opened, from at least one frame; got {self}")


Mark = Callable[[Event], Event]  # adds to an event what the station asks about it; `Asking.marked` does


def new_id() -> str:
    """Make a new event id."""
    return uuid.uuid4().hex


def asks_nobody(event: Event) -> Event:
    """The event as it is: where no answers are taken."""
    return event


@dataclass(frozen=True, eq=False)
class Observation:
    """State of the scene after one frame.

    Attributes:
        state: of the scene.
        event: the item that this frame completed; None if it did none.
        answers: of the network about this frame; nearly always none.
        item: what was seen of a settled item; None where the frame was not looked at so closely.
    """

    state: State
    event: Event | None = None
    answers: tuple[Prediction, ...] = ()
    item: ItemView | None = None


class ItemTracker(Protocol):
    """Finds the items among the frames.

    Attributes:
        fault: why the camera's pictures cannot be trusted at present; None while they can.
        scene_changes: when it moves, `remember` has something new to say.
    """

    @property
    def fault(self) -> Fault | None: ...

    @property
    def scene_changes(self) -> int: ...

    @property
    def between_items(self) -> bool:
        """Return whether no item is being looked at, so that another model may take over."""
        ...

    def take_up(self, policy: DecisionPolicy, classifier: Classifier, looks: int) -> None:
        """Decide with another model from the next item on; to be called between two items."""
        ...

    def see(self, frame: Frame, spare: bool = False) -> Observation:
        """Take in one frame; `spare`: the board suffers, so the network is asked no more than it must be."""
        ...

    def remember(self) -> bytes:
        """The scene, to be kept over a restart; empty if there is none to keep."""
        ...


@dataclass
class _Visit:
    """An item that lies still: since when, and what the network said so far."""

    since_ns: int
    frames: int = 0
    answers: list[Prediction] = field(default_factory=list)

    def is_complete(self, now_ns: int) -> bool:
        return self.frames >= MIN_FRAMES and now_ns - self.since_ns >= MIN_SECONDS * NS_PER_S

    def looks_due(self, now_ns: int, looks: int) -> int:
        """Count the looks that are due by now: spread over the time in which the item must lie still anyway."""
        share = 1.0 if self.is_complete(now_ns) else (now_ns - self.since_ns) / (MIN_SECONDS * NS_PER_S)
        return min(looks, 1 + int((looks - 1) * min(1.0, share)))


class CameraItemTracker:
    """Items before a camera: they come, rest, are decided once, and go.

    Attributes:
        presence: the scene; `remember` and `recall` keep it over a restart.
    """

    def __init__(
        self,
        policy: DecisionPolicy,
        inspector: Inspector,
        presence: Presence | None = None,
        health: CameraHealth | None = None,
        make_id: Callable[[], str] = new_id,
        mark: Mark = asks_nobody,
    ) -> None:
        self.presence = presence or Presence()
        self._policy = policy
        self._inspector = inspector
        self._health = health or CameraHealth()
        self._make_id = make_id
        self._mark = mark
        self._visit: _Visit | None = None
        self._number = 0

    @property
    def fault(self) -> Fault | None:
        """See `ItemTracker`."""
        return self._health.fault

    @property
    def scene_changes(self) -> int:
        """See `ItemTracker`."""
        return self.presence.pile_changes

    def remember(self) -> bytes:
        """See `ItemTracker.remember`."""
        return self.presence.remember()

    @property
    def between_items(self) -> bool:
        """See `ItemTracker.between_items`."""
        return self._visit is None

    def take_up(self, policy: DecisionPolicy, classifier: Classifier, looks: int) -> None:
        """See `ItemTracker.take_up`; the scene stays as it is."""
        self._policy, self._inspector = policy, inspector_of(classifier, looks)

    def learn_anew(self) -> None:
        """Forget everything learned of the scene, since another camera is looking."""
        self._health.learn_anew()
        self.presence.learn_anew()
        self._visit = None

    def learn_light(self) -> None:
        """Learn the empty scene once more, in another light, beside those that are known."""
        self._health.learn_light()
        self.presence.learn_light()
        self._visit = None

    def see(self, frame: Frame, spare: bool = False) -> Observation:
        """See `ItemTracker.see`. A decision needs MIN_FRAMES settled frames in a row that span MIN_SECONDS.

        The event's id is also the item's in the pile, so that `presence.item_id` names it as long as it lies there.
        A frame that the camera's health suspects goes no further.
        """
        self._number += 1
        watched = cut(frame.pixels, self._policy.site.region)
        look = small(watched)  # once a frame, for health and presence
        if self._is_unfit(watched, look, frame.captured_ns):
            self._visit = None
            return Observation(self.presence.state)
        state = self.presence.see(look, frame.captured_ns)
        if self.presence.relit_ns == frame.captured_ns:
            self._health.note_light(frame.captured_ns, self.presence.light)
        if state is State.SETTLED:
            return self._look_closely(watched, frame.captured_ns, spare)
        self._visit = None
        self.presence.keep_ground(watched)
        return Observation(state)

    def _is_unfit(self, watched: Pixels, look: Grid, captured_ns: int) -> bool:
        """Return whether this frame's picture cannot be trusted; learn a camera anew that was moved for good."""
        health, presence = self._health, self.presence
        resting = presence.state is State.EMPTY
        health.see(watched, look, captured_ns, presence.empty_in_light(look), resting)
        if health.wants_new_scene:
            health.learn_anew()
            presence.learn_anew()
        return health.suspects or health.fault is not None

    def _look_closely(self, watched: Pixels, now_ns: int, spare: bool) -> Observation:
        """An item lies still: look at it as often as is due, and decide it in the end."""
        visit = self._visit = self._visit or _Visit(now_ns)
        visit.frames += 1
        complete = visit.is_complete(now_ns)
        looks = 1 if spare else self._inspector.looks
        due = range(len(visit.answers), visit.looks_due(now_ns, looks))
        if not due and not complete:
            return Observation(State.SETTLED)
        region = self.presence.find_item(watched)
        if region is None:  # the scene's grid saw something, and this frame does not
            return Observation(State.SETTLED)
        if visit.frames == 1 and self.presence.forget_ghost(watched, region):
            self._visit = None
            return Observation(self.presence.state)
        site = self._policy.site
        item = self._inspector.see(watched, region, site.region, largest=site.on_several == "largest")
        answers: tuple[Prediction, ...] = ()
        if self._policy.needs_answers(item.visibility):
            answers = tuple(self._inspector.predict(watched, item, number) for number in due)
        visit.answers += answers
        if not complete:
            return Observation(State.SETTLED, None, answers, item)
        return Observation(State.DECIDED, self._decide(visit, item, now_ns), answers, item)

    def _decide(self, visit: _Visit, item: ItemView, now_ns: int) -> Event:
        decision = self._policy.decide_seen(visit.answers, item.visibility, item.parts)
        event = Event(
            id=self._make_id(),
            opened_ns=self.presence.arrived_ns,
            decided_ns=now_ns,
            decision=decision,
            frames=visit.frames,
            frame=self._number,
            looks=len(visit.answers) if self._policy.needs_answers(item.visibility) else 0,
            item_box=item.box,
            visibility=item.visibility,
            candidates=self._policy.candidates(visit.answers),
            crop=item.crop,
            evidence=Evidence(tuple(visit.answers), item.parts, self._policy.site),
        )
        self.presence.decided(event.id)
        self._visit = None
        return self._mark(event)


class PictureItemTracker:
    """Pictures: each one is an item by itself, and there is no scene."""

    fault: Fault | None = None
    scene_changes = 0

    def __init__(
        self,
        policy: DecisionPolicy,
        classify: Classify,
        make_id: Callable[[], str] = new_id,
        mark: Mark = asks_nobody,
    ) -> None:
        self._policy = policy
        self._classify = classify
        self._make_id = make_id
        self._mark = mark
        self._number = 0

    def remember(self) -> bytes:
        """See `ItemTracker.remember`."""
        return b""

    @property
    def between_items(self) -> bool:
        """See `ItemTracker.between_items`: always, since each picture is an item."""
        return True

    def take_up(self, policy: DecisionPolicy, classifier: Classifier, looks: int) -> None:
        """See `ItemTracker.take_up`; a picture gets one look."""
        self._policy, self._classify = policy, classifier.classify

    def see(self, frame: Frame, spare: bool = False) -> Observation:
        """See `ItemTracker.see`: each picture completes an event."""
        self._number += 1
        watched = cut(frame.pixels, self._policy.site.region)
        prediction = self._classify(watched)
        time_ns = frame.captured_ns
        event = Event(
            id=self._make_id(),
            opened_ns=time_ns,
            decided_ns=time_ns,
            decision=self._policy.decide([prediction]),
            frames=1,
            picture=frame.name,
            frame=self._number,
            looks=1,
            candidates=self._policy.candidates([prediction]),
            crop=watched,
            evidence=Evidence((prediction,), 1, self._policy.site),
        )
        return Observation(State.DECIDED, self._mark(event), (prediction,))
