"""Frames that waited in a driver's queue are dated by the driver and passed over."""

from __future__ import annotations

import numpy as np
import pytest

from tests.device.conftest import FakeVideoCapture
from waste_edge.device.cameras import camera_source
from waste_edge.device.cameras.age import Ages, newest
from waste_edge.device.cameras.camera import RawFrame, packed

MS = 1_000_000


@pytest.mark.parametrize("stamp_ms", [0.0, -5.0, float("nan"), float("inf"), 1e15, 3.0, 900_000.0])
def test_a_stamp_of_another_clock_is_not_believed(stamp_ms):
    assert Ages(30).captured_ns(stamp_ms, 100_000 * MS) == 100_000 * MS


def test_time_never_goes_back():
    ages = Ages(30)
    assert ages.captured_ns(99_990.0, 100_000 * MS) == 99_990 * MS
    assert ages.captured_ns(0.0, 100_010 * MS) == 100_010 * MS
    assert ages.captured_ns(100_000.0, 100_020 * MS) == 100_010 * MS
    assert ages.captured_ns(100_025.0, 100_020 * MS) == 100_020 * MS, "rounded up"


def test_a_camera_that_always_takes_its_time_is_not_late():
    ages = Ages(30)
    for number in range(50):
        now_ns = (1000 + 33 * number) * MS
        assert not ages.waited(now_ns - 80 * MS, now_ns)
    assert not ages.waited(5_000 * MS, 5_120 * MS)
    assert ages.waited(5_000 * MS, 5_140 * MS)


def test_the_first_frame_may_be_the_one_that_waited():
    assert Ages(30).waited(1_000 * MS, 3_000 * MS)


@pytest.fixture
def stamped(clock, usb, monkeypatch):
    """A camera whose frames were captured so many ms before they are read."""
    clock.time_ns = 100_000 * MS
    usb({"video0": 99})

    def open_(*ages_ms: float):
        monkeypatch.setattr(FakeVideoCapture, "stamps_ms", [clock.time_ns / MS - age for age in ages_ms])
        return camera_source("auto", clock).open()

    return open_


def test_after_a_stall_the_newest_frame_is_given_with_its_own_time(stamped, clock):
    camera = stamped(10, 10, 10, -23, -57, -1988)
    assert [camera.read().captured_ns for _ in range(2)] == [99_990 * MS] * 2
    clock.time_ns += 2_000 * MS  # a stall: two frames waited
    assert camera.read().captured_ns == 101_988 * MS
    assert FakeVideoCapture.stamps_ms == []


def test_a_queue_that_is_never_empty_does_not_hold_it_up(stamped, clock):
    camera = stamped(10, *[2000] * 50)
    camera.read()
    camera.read()
    assert len(FakeVideoCapture.stamps_ms) >= 30


def test_a_frame_that_was_waited_for_is_given_however_old_it_is(clock):
    ages = Ages(30)
    clock.time_ns = 100_000 * MS
    for number in range(20):
        ages.waited(clock.time_ns + number - 50 * MS, clock.time_ns + number)

    def late() -> RawFrame:
        clock.time_ns += 1_000 * MS
        return packed(np.zeros((2, 2, 3), np.uint8), "rgb", clock.time_ns - 2_500 * MS)

    newest(late, ages, clock)
    assert clock.time_ns == 102_000 * MS, "the first, and one more that had to be waited for"
