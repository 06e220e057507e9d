"""From what the loop tells of the camera to its condition."""

from __future__ import annotations

import numpy as np
import pytest

from waste_edge.device.camera_condition import CAMERA, CameraCondition
from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.loop import Seen
from waste_edge.device.statistics import Statistics
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.device.vision.camera_health import Fault
from waste_edge.device.vision.presence import State
from waste_edge.imaging.frames import Frame

BLOCKED = Fault("blocked", "the lens is covered; uncover it")
DARK = Fault("dark", "no light; switch it on")


class Bench:
    """A camera condition, and what health says of it."""

    def __init__(self) -> None:
        self.health = Health()
        self.hung = 0
        self.statistics = Statistics(0)
        self.condition = CameraCondition(self.health, lambda: self.hung)

    def see(self, fault: Fault | None = None, age_ms: float = 0) -> None:
        frame = Frame(np.zeros((2, 2, 3), np.uint8), 0)
        self.statistics.count_age(round(age_ms * 1e6))
        self.condition.seen(Seen(frame, None, State.EMPTY, self.statistics, 0, fault))

    @property
    def said(self) -> tuple[Level, str]:
        (condition,) = self.health.now()
        assert condition.part == CAMERA
        return condition.level, condition.text


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_camera_that_opens_is_well(bench):
    bench.condition.news(Opened("usb"))
    assert bench.said == (Level.OK, "looking at usb")


def test_an_absence_is_bad_and_over_when_the_camera_opens(bench):
    bench.condition.news(Opened("usb"))
    bench.condition.news(Absent("unplugged", 1.0))
    assert bench.said == (Level.BAD, "no camera: unplugged")
    bench.condition.news(Opened("usb again"))
    assert bench.said == (Level.OK, "looking at usb again")


def test_a_fault_is_a_warning_with_its_reason_until_it_is_over(bench):
    bench.condition.news(Opened("usb"))
    bench.see(BLOCKED)
    assert bench.said == (Level.WARN, BLOCKED.reason)
    bench.see(DARK)
    assert bench.said == (Level.WARN, DARK.reason)
    bench.see()
    assert bench.said == (Level.OK, "looking at usb")


def test_the_same_fault_is_told_again_after_an_absence(bench):
    bench.see(BLOCKED)
    bench.condition.news(Absent("unplugged", 1.0))
    bench.see(BLOCKED)
    assert bench.said == (Level.WARN, BLOCKED.reason)


def test_a_bad_picture_says_nothing_of_a_camera(bench):
    bench.condition.news(BadPicture("b.jpg: damaged"))
    assert bench.health.now() == ()


def test_frames_say_nothing_new_while_nothing_changes(bench):
    bench.see()
    bench.health.set(Condition(CAMERA, Level.OK, "put here by the test"))
    bench.see()
    assert bench.said[1] == "put here by the test", "no lock is taken for every frame"


def test_a_process_that_hangs_in_the_kernel_stays_visible_while_another_gives_frames(bench):
    bench.condition.news(Opened("usb"))
    bench.hung = 1
    bench.condition.news(Absent("usb: capture process 77 hangs in the kernel and cannot be ended; abandoned", 0.0))
    assert bench.said[0] is Level.BAD
    assert "capture process 77 hangs" in bench.said[1]
    bench.see()
    level, text = bench.said
    assert level is Level.WARN
    assert text.startswith("looking at usb; capture processes that hang")
    assert text.endswith("1; restart the board")
    bench.hung = 0
    bench.see()
    assert bench.said == (Level.OK, "looking at usb")


def test_the_age_of_its_frames_is_said_and_a_great_one_is_a_warning(bench):
    bench.condition.news(Opened("usb"))
    for _ in range(100):
        bench.see(age_ms=45)
    assert bench.said == (Level.OK, "looking at usb; its frames are 45 ms old when they are judged")
    for _ in range(200):
        bench.see(age_ms=2100)
    level, text = bench.said
    assert level is Level.WARN
    assert "2100 ms old when they are judged: the board is too busy, or the camera keeps them back" in text
