"""Lights that the empty scene was seen in: a switch between them is no item, and an item is cut out in each."""

from __future__ import annotations

import numpy as np
import pytest

from tests.device.vision.test_presence import ITEM, learned, watch
from waste_edge.device.decision.item_tracker import CameraItemTracker, Event
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.vision.camera_health import FaultKind
from waste_edge.device.vision.presence import Presence, State
from waste_edge.device.vision.scene import MAX_LIGHTS, small


def side_lamp(edge: int = 95, bright: float = 1.7) -> np.ndarray:
    """Light of a lamp whose shade throws an edge across the view: no even change, and none of all of it."""
    light = np.ones((120, 160, 1))
    light[:, edge:] = bright
    return light


def two_lights(make_stage):
    """A stage and a presence that has learned it without and with the lamp, which is on."""
    stage = make_stage()
    presence = learned(stage)
    stage.light = side_lamp()
    presence.learn_light()
    watch(presence, stage.hold(1.5))
    assert (presence.state, presence.light, sorted(presence.lights)) == (State.EMPTY, 2, [1, 2])
    return stage, presence


def test_a_side_lamp_that_was_never_seen_is_taken_for_an_item(make_stage):
    """Why lights are learned: nothing else tells this one from an item."""
    stage = make_stage()
    presence = learned(stage)
    stage.light = side_lamp()
    assert State.SETTLED in watch(presence, stage.hold(2.0))


def test_switching_between_learned_lights_is_no_item(make_stage):
    stage, presence = two_lights(make_stage)
    for number in (1, 2, 1, 2):
        stage.light = side_lamp() if number == 2 else 1.0
        states = watch(presence, stage.hold(3.0))
        assert State.SETTLED not in states
        assert (presence.state, presence.light) == (State.EMPTY, number)


@pytest.mark.parametrize("number", [1, 2])
def test_an_item_is_found_where_it_lies_in_each_light(make_stage, number):
    stage, presence = two_lights(make_stage)
    stage.light = side_lamp() if number == 2 else 1.0
    watch(presence, stage.hold(2.0))
    frames = [*stage.slide("glass", -50, 70), *stage.hold(1.0, ("glass", 70, 35, 50))]
    for frame in frames:
        presence.see(small(frame.pixels), frame.captured_ns)
        presence.keep_ground(frame.pixels)
    assert presence.state is State.SETTLED
    box = presence.find_item(frames[-1].pixels).box
    np.testing.assert_allclose(
        [box.left * 160, box.top * 120, box.right * 160, box.bottom * 120], [70, 35, 120, 85], atol=4
    )


def test_an_item_put_in_as_the_light_is_switched_is_found_alone(make_stage):
    """Half of the view changes at once; only what no light explains is the item."""
    stage, presence = two_lights(make_stage)
    stage.light = 1.0
    frames = list(stage.hold(1.0, ITEM))
    states = watch(presence, frames, decide=False)
    assert (states[-1], presence.light) == (State.SETTLED, 1)
    box = presence.find_item(frames[-1].pixels).box
    np.testing.assert_allclose([box.left * 160, box.right * 160], [55, 105], atol=5)


def test_a_switch_over_an_item_leaves_it_decided_and_the_scene_empty_when_it_goes(make_stage):
    stage, presence = two_lights(make_stage)
    watch(presence, [*stage.slide("glass", -50, 55), *stage.hold(2.0, ITEM)])
    assert presence.state is State.DECIDED
    stage.light = 1.0
    assert State.SETTLED not in watch(presence, stage.hold(2.0, ITEM))
    assert (presence.state, presence.light) == (State.DECIDED, 1)
    assert watch(presence, stage.hold(1.0))[-2:] == [State.CLEARED, State.EMPTY]


def test_a_lamp_over_all_of_the_view_is_a_light_without_being_asked(make_stage):
    stage = make_stage()
    presence = learned(stage)
    stage.light = np.linspace(0.5, 1.9, 160)[None, :, None]
    assert State.SETTLED not in watch(presence, stage.hold(3.0))
    assert (presence.light, sorted(presence.lights)) == (2, [1, 2])


def test_the_same_light_learned_twice_is_one(make_stage):
    stage, presence = two_lights(make_stage)
    for light, number in ((1.0, 1), (side_lamp(), 2), (1.3, 1)):
        stage.light = light
        presence.learn_light()
        watch(presence, stage.hold(1.5))
        assert (presence.light, sorted(presence.lights)) == (number, [1, 2]), "an even change is no other light"


def test_lights_are_bounded(make_stage):
    stage = make_stage()
    presence = learned(stage)
    for edge in range(20, 140, 15):
        stage.light = side_lamp(edge)
        presence.learn_light()
        watch(presence, stage.hold(1.5))
    assert len(presence.lights) == MAX_LIGHTS + 1


def test_lights_last_over_a_restart_and_are_handed_on(make_stage):
    stage, presence = two_lights(make_stage)
    after, fresh = Presence(), Presence()
    assert after.recall(presence.remember())
    fresh.know_lights(presence.lights)
    stage.light = 1.0
    assert watch(fresh, stage.hold(1.0))[-1] is State.EMPTY
    assert fresh.light == 1, "what is seen first is known by its number"
    for one in (after, fresh):
        stage.light = 1.0
        watch(one, stage.hold(2.0))
        stage.light = side_lamp()
        assert State.SETTLED not in watch(one, stage.hold(2.0))
        assert (one.light, sorted(one.lights)) == (2, [1, 2])
        one.know_lights(presence.lights)
        assert sorted(one.lights) == [1, 2], "known already"


def test_another_camera_forgets_them(make_stage):
    stage, presence = two_lights(make_stage)
    presence.learn_anew()
    watch(presence, stage.hold(1.5))
    assert sorted(presence.lights) == [1]


def test_a_station_says_that_the_light_changed_and_decides_what_comes_in_it(make_stage, manifest, site, inspector):
    stage = make_stage()
    items = CameraItemTracker(DecisionPolicy(manifest, site), inspector)

    def events(frames) -> list[Event]:
        return [event for frame in frames if (event := items.see(frame).event) is not None]

    def faults(frames) -> set[FaultKind]:
        found = set()
        for frame in frames:
            items.see(frame)
            found |= {items.fault.kind} if items.fault else set()
        return found

    assert events(stage.hold(1.5)) == []
    stage.light = side_lamp()
    items.learn_light()
    assert events([*stage.hold(2.0), *stage.visit("glass"), *stage.hold(1.0)])[0].decision.label == "glass"
    stage.light = 1.0
    assert faults(stage.hold(2.0)) == {FaultKind.LIGHT}
    assert items.fault is None
    (event,) = events([*stage.visit("paper"), *stage.hold(1.0)])
    assert event.decision.label == "paper"
    assert event.item_box is not None
    assert event.item_box.right - event.item_box.left < 0.45
