"""Listener of the page in the loop's thread: it hands references over, and leaves all work to the page's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.clock import NS_PER_S, Clock, WallClock
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.loop import Listener, Seen
from waste_edge.device.outbox.record import Record
from waste_edge.device.page.counts import ItemCounts
from waste_edge.device.page.state import CameraView
from waste_edge.device.statistics import Summary
from waste_edge.device.system.condition import Condition
from waste_edge.device.vision.inspection import ItemView
from waste_edge.device.vision.presence import State
from waste_edge.engines.classifier import Prediction

if TYPE_CHECKING:
    from waste_edge.bundle.bundle import Bundle
    from waste_edge.device.views.display import About
    from waste_edge.engines.classifier import Classifier

_SUMMARY_NS = NS_PER_S
_LONG_NS = 1 << 60
_MOST_WAITING_BYTES = 32 << 20  # of crops that the page's thread has not taken yet
_NOTHING_THERE = (State.LEARNING, State.EMPTY, State.ARRIVING, State.CLEARED)


@dataclass(frozen=True)
class DecidedItem:
    """An item, and when it was decided."""

    event: Event
    time: datetime


@dataclass(frozen=True)
class Review:
    """The question to people about an item, and what became of it.

    Attributes:
        item_id: whose.
        record: its event, as JSON has it, for an item of before the station's start.
        time_utc: when it was decided, ISO 8601.
        fields: `open`, `closes_utc`, `stream`, `label`, `source` and `by_person`, as the page has them.
    """

    item_id: str
    record: Mapping[str, Any]
    time_utc: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class LiveFrame:
    """A frame for the live view, with what is known of the item that lies there."""

    seen: Seen
    item: ItemView | None
    prediction: Prediction | None


class PageListener(Listener):
    """Hears the loop. Everything that the page's thread reads is replaced as a whole, never changed.

    Attributes:
        camera, scene, summary, fps: the newest of each; the last two are made once a second.
        beat_ns: when the loop last went round.
        open_questions: ids of the items that a person is asked about.
        watched_until_ns: until then somebody looks at the live view; set by the page's thread.
        renew: has the page show another model, and classify uploads with it; set by `opened_page`.
    """

    def __init__(self, clock: Clock, wall_clock: WallClock, items: int, live_fps: float) -> None:
        self.camera = CameraView()
        self.scene = ""
        self.summary: Summary | None = None
        self.fps = 0.0
        self.beat_ns = clock.now_ns()
        self.watched_until_ns = 0
        self.counts = ItemCounts()
        self.open_questions: frozenset[str] = frozenset()
        self.wake: Callable[[], None] = lambda: None
        self.renew: Callable[[About, Bundle, Classifier], None] = lambda about, bundle, classifier: None
        self._clock = clock
        self._wall_clock = wall_clock
        self._live_gap_ns = round(NS_PER_S / live_fps)
        self._live: LiveFrame | None = None
        self._changes: deque[DecidedItem | Review] = deque(maxlen=2 * items)  # not taken by the page's thread yet
        self._item: ItemView | None = None
        self._prediction: Prediction | None = None
        self._live_ns = self._summed_ns = -_LONG_NS

    def beat(self) -> None:
        """The loop went round; called at each turn."""
        self.beat_ns = self._clock.now_ns()

    def take_live(self) -> LiveFrame | None:
        """The newest frame for the live view that was not taken yet. For the page's thread."""
        live, self._live = self._live, None
        return live

    def take_changes(self) -> list[DecidedItem | Review]:
        """Items, and what people did to them, that were not taken yet. For the page's thread."""
        taken = []
        while self._changes:
            taken.append(self._changes.popleft())
        return taken

    def review(self, review: Review) -> None:
        """A person is asked about an item, has answered, or is asked no longer."""
        others = self.open_questions - {review.item_id}
        self.open_questions = others | {review.item_id} if review.fields["open"] else others
        self._changes.append(review)
        self.wake()

    def answered(self, answer: Record, decided_utc: str) -> None:
        """An answer was committed to an item that was decided then."""
        self.counts.count_answer(answer, decided_utc, self._wall_clock.now_utc())

    def news(self, message: Opened | Absent | BadPicture) -> None:
        match message:
            case Opened(title=title):
                self.camera = CameraView(title=title)
            case Absent(reason=reason):
                self.camera = CameraView(state="absent", title=self.camera.title, reason=reason)
                self.scene, self._item, self._prediction = "", None, None
            case BadPicture():
                pass  # counted, and health says it

    def seen(self, seen: Seen) -> None:
        if seen.state in _NOTHING_THERE:
            self._item = self._prediction = None
        self._item, self._prediction = seen.item or self._item, seen.prediction or self._prediction
        self.scene = seen.state.value
        reason = "" if seen.fault is None else seen.fault.reason
        if self.camera.state not in ("ok", "fault") or self.camera.reason != reason:
            self.camera = CameraView(state="fault" if reason else "ok", title=self.camera.title, reason=reason)
        now_ns = seen.frame.captured_ns
        if now_ns - self._summed_ns >= _SUMMARY_NS:
            self._summed_ns = now_ns
            self.summary = seen.statistics.summary(self._clock.now_ns(), seen.dropped_frames)
            self.fps = seen.statistics.fps_now
        if self.beat_ns < self.watched_until_ns and now_ns - self._live_ns >= self._live_gap_ns:
            self._live_ns = now_ns
            self._live = LiveFrame(seen, self._item, self._prediction)
            self.wake()

    def decided(self, event: Event) -> None:
        now = self._wall_clock.now_utc()
        self.counts.count(event, now)
        crop = event.crop
        if crop is not None and len(self._changes) * crop.nbytes > _MOST_WAITING_BYTES:
            event = replace(event, crop=None)  # pictures of a folder, which come faster than they are made small
        self._changes.append(DecidedItem(event, now))
        self.wake()

    def health(self, conditions: Sequence[Condition]) -> None:
        self.wake()

    def ended(self, summary: Summary) -> None:
        self.summary = summary
        self.wake()
