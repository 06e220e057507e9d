"""From predictions to decisions, and from scripted scenes to events."""

from __future__ import annotations

import numpy as np
import pytest

from waste_edge.device.decision.item_tracker import MIN_FRAMES, CameraItemTracker, Event, PictureItemTracker
from waste_edge.device.decision.policy import Decision, DecisionPolicy
from waste_edge.device.vision.presence import State
from waste_edge.device.vision.scene import small
from waste_edge.imaging.frames import Frame
from waste_edge.imaging.preprocess import Region
from waste_edge.site import Site

STREAMS = {"glass": "green", "paper": "blue", "metal": "blue"}


def site_with(**changes: object) -> Site:
    return Site(**({"name": "here", "residual": "black", "streams": STREAMS} | changes))  # type: ignore[arg-type]


@pytest.fixture
def events_of(manifest, site, inspector):
    """The events of a scene."""

    def see_all(frames) -> list[Event]:
        items = CameraItemTracker(DecisionPolicy(manifest, site), inspector)
        seen = (items.see(frame).event for frame in frames)
        return [event for event in seen if event is not None]

    return see_all


def test_one_item_is_one_event(make_stage, events_of):
    stage = make_stage()
    events = events_of([*stage.hold(1.0), *stage.visit("paper", rest_s=5.0), *stage.hold(1.0)])
    assert [event.decision.label for event in events] == ["paper"]
    event = events[0]
    assert event.frames >= MIN_FRAMES
    assert 1.0e9 <= event.opened_ns < event.decided_ns <= 3.0e9
    assert event.decision.confidence > 0.9


def test_ten_items_are_ten_events_with_ids_of_their_own(make_stage, events_of):
    stage = make_stage()
    script = ["glass", "paper", "metal", "glass", "glass", "metal", "paper", "paper", "glass", "metal"]
    frames = [*stage.hold(1.2)]
    for label in script:
        frames += [*stage.visit(label), *stage.hold(0.8)]
    events = events_of(frames)
    assert [event.decision.label for event in events] == script
    assert len({event.id for event in events}) == len(script)


def test_a_slow_camera_still_needs_three_frames(make_stage, events_of):
    stage = make_stage(fps=2)
    events = events_of([*stage.hold(3.0), *stage.hold(4.0, ("metal", 55, 35, 50)), *stage.hold(2.0)])
    assert [(event.decision.label, event.frames) for event in events] == [("metal", MIN_FRAMES)]


def test_a_fast_camera_still_needs_half_a_second(make_stage, events_of):
    stage = make_stage(fps=60)
    events = events_of([*stage.hold(1.0), *stage.hold(2.0, ("metal", 55, 35, 50))])
    assert [event.frames for event in events] == [pytest.approx(31, abs=1)]


def test_movement_starts_the_averaging_anew(make_stage, events_of):
    stage = make_stage()
    restless = []
    for left in (30, 80, 30):
        restless += stage.hold(0.6, ("glass", left, 35, 50))
    events = events_of([*stage.hold(1.0), *restless, *stage.hold(2.0, ("glass", 55, 35, 50))])
    assert len(events) == 1
    assert events[0].decided_ns >= 3.0e9


def test_nothing_comes_of_an_empty_scene(make_stage, events_of):
    assert events_of(make_stage().hold(10.0)) == []


def test_only_the_sites_region_is_watched(manifest, make_stage, inspector):
    stage = make_stage()
    left_half = site_with(streams={name: name for name in STREAMS}, region=Region(right=0.5))
    items = CameraItemTracker(DecisionPolicy(manifest, left_half), inspector)
    states = {items.see(frame).state for frame in [*stage.hold(1.0), *stage.hold(2.0, ("glass", 100, 35, 50))]}
    assert states == {State.LEARNING, State.EMPTY}


def test_the_events_id_is_the_items_and_survives_a_restart(manifest, site, make_stage, inspector):
    stage = make_stage()
    items = CameraItemTracker(DecisionPolicy(manifest, site), inspector)
    item = ("metal", 55, 35, 50)
    seen = [items.see(frame).event for frame in [*stage.hold(1.0), *stage.hold(2.0, item)]]
    (event,) = [event for event in seen if event is not None]
    assert items.presence.item_id == event.id
    after = CameraItemTracker(DecisionPolicy(manifest, site), inspector)
    assert after.presence.recall(items.presence.remember())
    assert not any(after.see(frame).event for frame in stage.hold(3.0, item))
    assert after.presence.item_id == event.id


def test_a_frame_is_made_small_once(manifest, site, make_stage, monkeypatch, inspector):
    made = []
    monkeypatch.setattr(
        "waste_edge.device.decision.item_tracker.small", lambda pixels: made.append(pixels) or small(pixels)
    )
    items = CameraItemTracker(DecisionPolicy(manifest, site), inspector)
    for frame in make_stage().hold(1.0):
        items.see(frame)
    assert len(made) == 15


def test_each_picture_is_an_item(manifest, site, answer):
    items = PictureItemTracker(
        DecisionPolicy(manifest, site), lambda pixels: answer([0.1, 0.1, 0.8]), make_id=lambda: "an id"
    )
    frame = Frame(np.zeros((2, 2, 3), np.uint8), 5, "bottle.jpg")
    seen = items.see(frame)
    decision = DecisionPolicy(manifest, site).decide([answer([0.1, 0.1, 0.8])])
    assert decision.label == "metal"
    assert seen.state is State.DECIDED
    candidates = DecisionPolicy(manifest, site).candidates([answer([0.1, 0.1, 0.8])])
    assert [(one.label, one.stream, one.probability) for one in candidates] == [
        ("metal", "metal", 0.8), ("glass", "glass", 0.1), ("paper", "paper", 0.1)
    ]  # fmt: skip
    assert seen.event == Event("an id", 5, 5, decision, 1, "bottle.jpg", frame=1, looks=1, candidates=candidates)


def test_impossible_values_are_refused():
    with pytest.raises(ValueError, match="decided after it is opened"):
        Event("id", 2, 1, Decision("green", "glass", 1.0, ""), 1)
