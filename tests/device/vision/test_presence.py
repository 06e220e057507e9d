"""Scripted scenes: what presence makes of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable

import numpy as np
import pytest

from waste_edge.device.vision.presence import Presence, PresenceConfig, State, small
from waste_edge.imaging.frames import Frame

ITEM = ("glass", 55, 35, 50)


def watch(presence: Presence, frames: Iterable[Frame], decide: bool = True) -> list[State]:
    """The states in order without repetitions; a settled item is decided after half a second, as the loop does."""
    states: list[State] = []
    settled_ns = None
    for frame in frames:
        state = presence.see(small(frame.pixels), frame.captured_ns)
        if not states or states[-1] is not state:
            states.append(state)
        if state is not State.SETTLED:
            settled_ns = None
        elif settled_ns is None:
            settled_ns = frame.captured_ns
        elif decide and frame.captured_ns - settled_ns >= 0.5e9:
            presence.decided(f"item at {frame.captured_ns}")
            states.append(State.DECIDED)
    return states


def learned(stage) -> Presence:
    presence = Presence()
    assert watch(presence, stage.hold(1.0)) == [State.LEARNING, State.EMPTY]
    return presence


def test_an_item_comes_rests_and_goes(make_stage):
    stage = make_stage()
    presence = learned(stage)
    states = watch(presence, [*stage.visit("glass"), *stage.hold(1.0)])
    expected = [State.ARRIVING, State.SETTLED, State.DECIDED, State.ARRIVING, State.CLEARED, State.EMPTY]
    assert states == [State.EMPTY, *expected] or states == expected


def test_arrival_is_timed_from_the_first_sight_of_the_item(make_stage):
    stage = make_stage()
    presence = learned(stage)
    frames = list(stage.hold(1.0, ITEM))
    watch(presence, frames, decide=False)
    assert presence.state is State.SETTLED
    assert presence.arrived_ns == frames[0].captured_ns


@pytest.mark.parametrize("gap_s", [0.4, 0.8, 3.0])
def test_two_items_in_a_row_are_two(make_stage, gap_s):
    stage = make_stage()
    presence = learned(stage)
    states = watch(presence, [*stage.visit("glass"), *stage.hold(gap_s), *stage.visit("paper"), *stage.hold(1.0)])
    assert states.count(State.DECIDED) == 2
    assert states.count(State.CLEARED) == 2


def test_an_item_that_takes_the_others_place_is_a_new_one(make_stage):
    stage = make_stage()
    presence = learned(stage)
    states = watch(presence, [*stage.hold(2.0, ITEM), *stage.hold(2.0, ("paper", 55, 35, 50)), *stage.hold(1.0)])
    assert states.count(State.SETTLED) == 2
    assert states[-2:] == [State.CLEARED, State.EMPTY]


def test_an_item_on_top_counts_and_its_removal_does_not(make_stage):
    stage = make_stage()
    presence = learned(stage)
    pile = (ITEM, ("paper", 70, 45, 45))
    states = watch(presence, [*stage.hold(2.0, ITEM), *stage.hold(2.0, *pile), *stage.hold(2.0, ITEM)])
    assert states.count(State.SETTLED) == 2
    assert states[-3:] == [State.ARRIVING, State.CLEARED, State.DECIDED]
    assert watch(presence, stage.hold(1.0))[-2:] == [State.CLEARED, State.EMPTY]


def test_a_nudged_item_stays_one(make_stage):
    stage = make_stage()
    presence = learned(stage)
    states = watch(presence, [*stage.hold(2.0, ITEM), *stage.hold(2.0, ("glass", 60, 38, 50))])
    assert states.count(State.SETTLED) == 1
    assert states[-1] is State.DECIDED


def test_a_hand_that_keeps_moving_never_settles(make_stage):
    stage = make_stage()
    presence = learned(stage)
    waving = (frame for _ in range(4) for frame in stage.slide("paper", 0, 100, seconds=0.8))
    states = watch(presence, [*waving, *stage.hold(1.0)])
    assert State.SETTLED not in states
    assert states[-1] is State.EMPTY


def test_an_item_put_in_and_pulled_back_at_once_is_none(make_stage):
    stage = make_stage()
    presence = learned(stage)
    there_and_back = [*stage.slide("glass", -50, 55), *stage.hold(0.4, ITEM), *stage.slide("glass", 55, -50)]
    states = watch(presence, [*there_and_back, *stage.hold(1.0)])
    assert State.DECIDED not in states
    assert states[-1] is State.EMPTY


def test_a_flicker_is_no_item(make_stage):
    stage = make_stage()
    presence = learned(stage)
    seen = []
    for _ in range(5):
        stage.light = 1.8
        seen.append(stage.frame())
        stage.light = 1.0
        seen += stage.hold(0.5)
    states = watch(presence, seen)
    assert State.SETTLED not in states
    assert states[-1] is State.EMPTY


def test_a_step_of_exposure_is_no_item(make_stage):
    stage = make_stage()
    presence = learned(stage)
    for light in (1.2, 1.0, 0.85):
        stage.light = light
        assert State.SETTLED not in watch(presence, stage.hold(2.0))


def test_dusk_is_followed(make_stage):
    stage = make_stage(fps=5)
    presence = learned(stage)
    states = set()
    for light in np.linspace(1.0, 0.4, 180):
        stage.light = float(light)
        states |= set(watch(presence, stage.hold(1.0)))
    assert states == {State.EMPTY}


def test_an_item_left_lying_is_never_learned_as_empty(make_stage):
    stage = make_stage(fps=5)
    presence = learned(stage)
    states = watch(presence, stage.hold(120.0, ITEM))
    assert states.count(State.DECIDED) == 1
    assert watch(presence, stage.hold(2.0))[-2:] == [State.CLEARED, State.EMPTY]
    assert State.SETTLED in watch(presence, stage.hold(2.0, ITEM), decide=False)


@pytest.mark.parametrize("noise", [0.0, 2.0, 12.0, 25.0])
def test_a_noisy_camera_sees_no_ghosts_and_no_fewer_items(make_stage, noise):
    stage = make_stage(noise=noise)
    presence = Presence()
    watch(presence, stage.hold(6.0))  # at first every noisy frame looks like movement
    assert set(watch(presence, stage.hold(20.0))) == {State.EMPTY}
    assert State.SETTLED in watch(presence, stage.hold(1.0, ITEM), decide=False)


def test_learning_waits_for_stillness_but_not_forever(make_stage):
    stage = make_stage()
    waving = [frame for _ in range(20) for frame in stage.slide("paper", 0, 100, seconds=0.5)]
    presence = Presence()
    states = [presence.see(small(frame.pixels), frame.captured_ns) for frame in waving]
    ready = next(frame for frame, state in zip(waving, states, strict=True) if state is not State.LEARNING)
    assert 4.9e9 <= ready.captured_ns <= 5.2e9


def test_a_visitor_during_learning_is_not_learned(make_stage):
    stage = make_stage()
    presence = Presence()
    assert set(watch(presence, stage.slide("paper", 0, 160, seconds=1.5))) == {State.LEARNING}
    assert watch(presence, stage.hold(1.5))[-1] is State.EMPTY
    assert watch(presence, stage.visit("glass")).count(State.DECIDED) == 1


def test_the_pile_is_bounded_and_keeps_the_empty_scene(make_stage):
    stage = make_stage()
    presence = Presence(PresenceConfig(max_layers=3))
    watch(presence, stage.hold(1.0))
    for left in range(0, 140, 25):
        assert watch(presence, stage.hold(1.5, ("glass", left, 10, 20)))[-1] is State.DECIDED
    assert watch(presence, stage.hold(1.0))[-1] is State.EMPTY


# --- hands, light ----------------------------------------------------------------------------------------------


def test_a_hand_drawn_back_from_an_item_leaves_one_item(make_stage):
    stage = make_stage()
    presence = learned(stage)
    hand = ("paper", 80, 60, 100)  # reaches in from below and lies over a part of the item
    states = watch(presence, [*stage.hold(2.0, ITEM, hand), *stage.hold(2.0, ITEM), *stage.hold(1.0)])
    assert states.count(State.SETTLED) == 1
    assert states[-3:] == [State.ARRIVING, State.CLEARED, State.EMPTY]


def test_an_older_item_taken_from_beside_the_last_one_is_no_new_item(make_stage):
    stage = make_stage()
    presence = learned(stage)
    first, second = ("glass", 10, 35, 45), ("paper", 90, 35, 45)
    states = watch(presence, [*stage.hold(2.0, first), *stage.hold(2.0, first, second)])
    assert states.count(State.SETTLED) == 2
    item_id = presence.item_id
    assert State.SETTLED not in watch(presence, stage.hold(2.0, second))
    assert presence.item_id == item_id
    assert watch(presence, stage.hold(1.0))[-2:] == [State.CLEARED, State.EMPTY]


def test_an_item_pulled_back_after_it_settled_but_before_it_was_decided_is_none(make_stage):
    stage = make_stage()
    presence = learned(stage)
    states = watch(presence, [*stage.hold(0.65, ITEM), *stage.slide("glass", 55, -50), *stage.hold(1.0)])
    assert State.SETTLED in states
    assert State.DECIDED not in states
    assert states[-1] is State.EMPTY


@pytest.mark.parametrize("light", [0.55, 1.7])
def test_a_lamp_switched_is_no_item(make_stage, light):
    stage = make_stage()
    presence = learned(stage)
    stage.light = light
    assert State.SETTLED not in watch(presence, stage.hold(3.0))


@pytest.mark.parametrize("lights", [(1.0, 0.4), (0.5, 1.4)], ids=["dusk", "dawn"])
def test_an_item_left_lying_for_an_hour_of_changing_light_leaves_an_empty_scene(make_stage, lights):
    stage = make_stage(fps=0.4, light=lights[0])
    presence = learned(make_stage(light=lights[0]))
    stage.pause(3)
    states = watch(presence, stage.hold(10, ITEM))
    for light in np.linspace(*lights, 360):
        stage.light = float(light)
        states += watch(presence, stage.hold(10, ITEM))
    assert states.count(State.SETTLED) == 1
    assert watch(presence, stage.hold(10))[-2:] == [State.CLEARED, State.EMPTY]


def test_someone_far_away_is_no_item(make_stage):
    stage = make_stage()
    presence = learned(stage)
    passing = [stage.frame(("metal", left, 2, 9)) for left in range(-9, 160, 2)]
    assert set(watch(presence, passing)) <= {State.EMPTY, State.ARRIVING}
    assert watch(presence, stage.hold(1.0))[-1] is State.EMPTY


# --- restarts --------------------------------------------------------------------------------------------------


def restarted(presence: Presence) -> Presence:
    after = Presence()
    assert after.recall(presence.remember())
    return after


def test_after_a_restart_the_same_item_is_not_decided_again(make_stage):
    stage = make_stage()
    presence = learned(stage)
    watch(presence, stage.hold(2.0, ITEM))
    after = restarted(presence)
    states = watch(after, stage.hold(3.0, ITEM))
    assert states == [State.ARRIVING, State.DECIDED]
    assert after.item_id == presence.item_id != ""
    assert watch(after, stage.hold(1.0)) == [State.ARRIVING, State.CLEARED, State.EMPTY]
    assert (after.state, after.item_id) == (State.EMPTY, "")


def test_an_item_taken_away_while_the_power_was_off_is_cleared(make_stage):
    stage = make_stage()
    presence = learned(stage)
    watch(presence, stage.hold(2.0, ITEM))
    assert watch(restarted(presence), stage.hold(1.0)) == [State.ARRIVING, State.CLEARED, State.EMPTY]


def test_an_item_undecided_when_the_power_went_is_decided_once(make_stage):
    stage = make_stage()
    presence = learned(stage)
    frames = list(stage.hold(0.7, ITEM))
    watch(presence, frames)
    assert presence.state is State.SETTLED
    after = restarted(presence)
    later = list(stage.hold(3.0, ITEM))
    states = watch(after, later)
    assert states == [State.ARRIVING, State.SETTLED, State.DECIDED]
    assert after.arrived_ns == later[0].captured_ns


def test_an_identical_item_put_in_after_the_first_is_decided_over_a_crash(make_stage):
    stage = make_stage()
    presence = learned(stage)
    kept, changes = presence.remember(), presence.pile_changes
    states = []
    for frame in [*stage.hold(2.0, ITEM), *stage.hold(1.0), *stage.hold(0.6, ITEM)]:
        states += watch(presence, [frame], decide=False)
        if presence.state is State.SETTLED and State.DECIDED not in states:
            presence.decided("first")
        if presence.pile_changes != changes:  # as the loop does
            kept, changes = presence.remember(), presence.pile_changes
    assert [states.count(State.CLEARED), presence.state] == [1, State.SETTLED]
    after = Presence()
    assert after.recall(kept)
    assert after.item_id == ""
    assert watch(after, stage.hold(2.0, ITEM)).count(State.SETTLED) == 1


@pytest.mark.parametrize("gap", ["restart", "hours without a frame"])
def test_a_foreign_scene_is_learned_anew_and_counts_no_item(make_stage, gap):
    stage = make_stage()
    presence = learned(stage)
    watch(presence, stage.hold(2.0, ITEM))
    if gap == "restart":
        presence = restarted(presence)
    stage.pause(7200.0)
    stage._tray = np.ascontiguousarray(stage._tray[:, ::-1] * [1.5, 0.8, 0.3])
    changes = presence.pile_changes
    assert watch(presence, stage.hold(3.0)) == [State.ARRIVING, State.LEARNING, State.EMPTY]
    assert (presence.item_id, presence.pile_changes > changes) == ("", True)
    assert State.SETTLED in watch(presence, stage.hold(1.0, ITEM), decide=False)


def test_after_a_gap_the_scene_goes_on_from_its_pile(make_stage):
    stage = make_stage()
    presence = learned(stage)
    watch(presence, stage.hold(2.0, ITEM))
    stage.pause(7200.0)
    assert watch(presence, stage.hold(1.0, ITEM)) == [State.ARRIVING, State.DECIDED]


def test_a_full_pile_is_some_tens_of_kilobytes(make_stage):
    stage = make_stage()
    presence = learned(stage)
    for left in range(0, 140, 15):
        watch(presence, stage.hold(1.5, ("glass", left, 10, 20)))
    assert 5_000 < len(presence.remember()) < 80_000


def test_damaged_memory_is_refused_and_changes_nothing(make_stage):
    stage = make_stage()
    presence = learned(stage)
    kept = presence.remember()
    rng = np.random.default_rng(3)
    damaged = [b"", b"waste-edge pile 1\n", kept[:-1], kept[: len(kept) // 2], b"x" + kept, kept.replace(b"1", b"2", 1)]
    for _ in range(50):
        flipped = bytearray(kept)
        flipped[rng.integers(len(kept))] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    fresh = Presence()
    assert not any(fresh.recall(each) for each in damaged)
    assert (fresh.state, fresh.pile_changes) == (State.LEARNING, 0)
    assert watch(fresh, stage.hold(1.0)) == [State.LEARNING, State.EMPTY]


def test_pickles_are_never_read():
    payload = io.BytesIO()
    np.savez(payload, looks=np.array([object()]), item_ids=np.array(["a"]), noise=np.zeros((48, 64)))
    digest = hashlib.sha256(payload.getvalue()).digest()
    assert not Presence().recall(b"waste-edge pile 1\n" + digest + payload.getvalue())


def test_nothing_is_remembered_before_the_scene_is_known():
    assert Presence().remember() == b""


# --- edges -----------------------------------------------------------------------------------------------------


def test_pictures_of_any_size_are_taken():
    presence = Presence()
    assert presence.see(small(np.zeros((1, 1, 3), np.uint8)), 0) is State.LEARNING


def test_only_a_settled_item_can_be_decided():
    with pytest.raises(ValueError, match="the scene is learning"):
        Presence().decided("an id")
