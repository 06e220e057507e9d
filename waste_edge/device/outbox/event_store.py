"""Rules of writing to the outbox: an event at once with its scene, a scene when it changed or drifted with light.

`outbox.py` commits it, `database.py` has the SQL.
"""

from __future__ import annotations

from typing import Protocol

from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.decision.item_tracker import Event, ItemTracker
from waste_edge.device.outbox.record import Record
from waste_edge.imaging.frames import Frame

DRIFT_NS = 600 * NS_PER_S  # how long the kept scene may lag behind the light
_TEND_NS = NS_PER_S


class EventStore(Protocol):
    """Store of events; in a station, the outbox. A full disk is no error."""

    def commit(self, event: Event, scene: bytes) -> Record:
        """Keep an event and the scene after it: both or neither."""
        ...

    def keep_scene(self, scene: bytes) -> None:
        """Keep a scene without an event."""
        ...

    def tend(self) -> None:
        """Do the recurring work; call it about once a second."""
        ...


class Reviews(Protocol):
    """Takes people's answers; in a station, `answers.review.ReviewQueue`."""

    def note(self, record: Record) -> None:
        """An item was committed."""
        ...

    def step(self) -> None:
        """Commit what was answered, close what expired; called between frames, often."""
        ...


class EventRecorder:
    """Keep what the item tracker found in the outbox, and take up its scene after a restart.

    The scene is kept whenever it gained or lost an item: an item that looks like the last one, put in its place just
    before the power goes, must not be taken for it afterwards.
    """

    def __init__(self, store: EventStore, items: ItemTracker, clock: Clock, reviews: Reviews | None = None) -> None:
        self._store = store
        self._reviews = reviews
        self._items = items
        self._clock = clock
        self._changes = items.scene_changes
        self._kept_ns = self._tended_ns = clock.now_ns()

    def keep(self, frame: Frame, event: Event | None) -> None:
        """See `loop.Recorder`."""
        changed = self._items.scene_changes != self._changes
        if event is not None:
            record = self._store.commit(event, self._items.remember())
            if self._reviews is not None:
                self._reviews.note(record)
        elif changed or frame.captured_ns - self._kept_ns >= DRIFT_NS:
            self._store.keep_scene(self._items.remember())
        else:
            return
        self._changes, self._kept_ns = self._items.scene_changes, frame.captured_ns

    def tend(self) -> None:
        """See `loop.Recorder`."""
        if self._reviews is not None:
            self._reviews.step()
        now_ns = self._clock.now_ns()
        if now_ns - self._tended_ns >= _TEND_NS:
            self._tended_ns = now_ns
            self._store.tend()
