"""When a scene is kept, and how often."""

from __future__ import annotations

import numpy as np
import pytest

from tests.device.telling import make_event
from waste_edge.device.decision.item_tracker import CameraItemTracker, Event
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.outbox.event_store import DRIFT_NS, EventRecorder
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.vision.inspection import Inspector
from waste_edge.device.vision.presence import Presence
from waste_edge.imaging.frames import Frame


class FakeLedger:
    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []  # an event's id or nothing, and the scene
        self.tended = 0

    def commit(self, event: Event, scene: bytes) -> None:
        self.kept.append((event.id, scene))

    def keep_scene(self, scene: bytes) -> None:
        self.kept.append(("", scene))

    def tend(self) -> None:
        self.tended += 1


class FakeItems:
    fault = None
    scene_changes = 1

    def see(self, frame, spare=False):
        raise AssertionError("the keeper finds no items")

    def remember(self) -> bytes:
        return b"scene %d" % self.scene_changes


class Bench:
    def __init__(self, clock) -> None:
        self.clock, self.items, self.store = clock, FakeItems(), FakeLedger()
        self.recorder = EventRecorder(self.store, self.items, clock)

    def see(self, event: Event | None = None, after_ns: int = 0) -> list[tuple[str, bytes]]:
        """A frame, and all that was ever kept."""
        self.clock.time_ns += after_ns
        self.recorder.keep(Frame(np.zeros((2, 2, 3), np.uint8), self.clock.time_ns), event)
        return self.store.kept


@pytest.fixture
def bench(clock) -> Bench:
    return Bench(clock)


def test_a_scene_that_stays_costs_nothing(bench):
    for _ in range(100):
        assert bench.see(after_ns=DRIFT_NS // 200) == []


def test_an_event_is_kept_with_its_scene_and_the_scene_not_once_more(bench):
    event = make_event(1)
    bench.items.scene_changes = 2
    assert bench.see(event) == [(event.id, b"scene 2")]
    assert len(bench.see()) == 1


def test_an_item_that_goes_is_kept_at_once(bench):
    bench.items.scene_changes = 5
    assert bench.see() == [("", b"scene 5")]
    assert len(bench.see()) == 1


def test_a_scene_that_drifts_with_the_light_is_kept_every_ten_minutes(bench):
    for _ in range(60 * 60):
        bench.see(after_ns=1_000_000_000)
    assert bench.store.kept == [("", b"scene 1")] * 6


def test_the_ledger_is_tended_once_a_second(bench):
    for _ in range(100):
        bench.clock.time_ns += 50_000_000
        bench.recorder.tend()
    assert bench.store.tended == 5


def test_an_item_that_lies_there_over_a_restart_is_one_item_and_keeps_its_id(
    clock, manifest, site, classify, make_stage, tmp_path
):
    stage, item = make_stage(), ("glass", 55, 35, 50)

    def live(*frames: Frame) -> tuple[list[Event], str]:
        """One life of a station: its events, and the id of what lies on top at its end."""
        outbox = Outbox(tmp_path / "outbox.sqlite", "bin", clock)
        items = CameraItemTracker(DecisionPolicy(manifest, site), Inspector(classify), Presence())
        if scene := outbox.scene():
            assert items.presence.recall(scene)
        recorder = EventRecorder(outbox, items, clock)
        events = []
        for frame in frames:
            event = items.see(frame).event
            recorder.keep(frame, event)
            events += [event] if event else []
        outbox.close()
        return events, items.presence.item_id

    (event,), lying = live(*stage.hold(1.0), *stage.slide("glass", -50, 55), *stage.hold(1.5, item))
    assert lying == event.id
    assert live(*stage.hold(1.5, item)) == ([], event.id)
    assert live(*stage.hold(1.0, item), *stage.slide("glass", 55, 160), *stage.hold(1.0)) == ([], "")
    more, _ = live(*stage.hold(1.0), *stage.slide("glass", -50, 55), *stage.hold(1.5, item))
    assert len(more) == 1, "the scene that was emptied stayed so: the same again is another item"
