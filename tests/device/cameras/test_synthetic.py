"""The synthetic camera: the same frames for the same seed, items that come and go, cheap."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

from waste_edge.device.cameras import camera_source
from waste_edge.device.cameras.synthetic import ARRIVE_S, FIRST_EMPTY_S, VISIT_S, label_of
from waste_edge.device.capture.convert import frame_of
from waste_edge.device.decision.item_tracker import CameraItemTracker
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.vision.inspection import Inspector
from waste_edge.errors import CameraError
from waste_edge.rendering.items.sprites import ITEM_LABELS


def pixels(clock, given: str, count: int) -> list[np.ndarray]:
    camera = camera_source(given, clock).open()
    return [frame_of(camera.read()).pixels for _ in range(count)]


def test_the_same_seed_gives_the_same_frames_and_another_does_not(clock):
    first, again = (pixels(clock, "synthetic:10:3", 40) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert not np.array_equal(first[20], pixels(clock, "synthetic:10:4", 21)[20])


def test_frames_come_at_their_rate_with_their_time(clock):
    camera = camera_source("synthetic:20", clock).open()
    times_s = [(camera.read().captured_ns - 1_000_000_000) / 1e9 for _ in range(5)]
    assert times_s == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    assert clock.slept == pytest.approx([0.05] * 4)
    clock.time_ns += 3_000_000_000  # nobody read
    assert camera.read().captured_ns == clock.time_ns, "no frame is late for ever"


def test_no_two_frames_are_alike_and_the_first_are_empty(clock):
    frames = pixels(clock, "synthetic:10", 14)
    assert all(not np.array_equal(one, other) for one, other in pairwise(frames))
    assert all(np.abs(frame.astype(int) - frames[0]).max() < 5 for frame in frames[: int(FIRST_EMPTY_S * 10)])


def test_each_visit_is_one_item_for_the_station(clock, answer, manifest, site):
    """The presence logic, which knows nothing of the script, finds every item that it says."""
    visits = 8
    camera = camera_source("synthetic:10", clock).open()
    items = CameraItemTracker(DecisionPolicy(manifest, site), Inspector(lambda pixels: answer([0.8, 0.1, 0.1])))
    events = []
    for _ in range(round((FIRST_EMPTY_S + visits * VISIT_S) * 10)):
        event = items.see(frame_of(camera.read())).event
        events += [event] if event is not None else []
    assert len(events) == visits


def test_every_label_comes_before_any_comes_again():
    assert {label_of(visit, 5) for visit in range(6)} == set(ITEM_LABELS)
    assert {label_of(visit, 5) for visit in range(600, 606)} == set(ITEM_LABELS)


def test_a_frame_is_cheap(clock):
    camera = camera_source("synthetic:1000", clock).open()
    for _ in range(round((FIRST_EMPTY_S + ARRIVE_S) * 1000) + 10):
        camera.read()  # draws the first item
    started = time.process_time()
    for _ in range(500):
        camera.read()
    cost_ms = (time.process_time() - started) / 500 * 1000
    print(f"{cost_ms:.3f} ms a synthetic frame")
    assert cost_ms < 5


@pytest.mark.parametrize("given", ["x", "0", "0.05", "100000", "-1", "15:", "15:x", "1e3", "nan"])
def test_a_rate_of_another_form_is_refused_at_once(clock, given):
    with pytest.raises(CameraError, match=r"expected synthetic:FPS or synthetic:FPS:SEED, FPS from 0.1 to 10000"):
        camera_source(f"synthetic:{given}", clock)
