"""The eye on the board: from what a board tells to health, pace and sinks."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from tests.device.boards import FakeBoard
from waste_edge.device.clock import SystemClock
from waste_edge.device.system.board import Board
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.device.system.housekeeping import Housekeeper
from waste_edge.device.system.shedding import Shedding

DISK = Condition("disk", Level.WARN, "400 MB free")


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def make_keeper(tmp_path, health, clock):
    """A housekeeper of a board at so many degrees."""

    def make(temperature_c: float = 50.0, checks=(), told=(), clock=clock) -> Housekeeper:
        root = FakeBoard("Raspberry Pi 4 Model B Rev 1.4", "", temperature_c=temperature_c, throttled=0).make(tmp_path)
        return Housekeeper(health, Board(root), Shedding(), checks, told, clock)

    return make


def levels(health: Health) -> dict[str, Level]:
    return {condition.part: condition.level for condition in health.now()}


def wait_until(true) -> None:
    deadline = time.monotonic() + 20.0
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def test_a_cool_board_is_well_and_leaves_the_pace_alone(make_keeper, health):
    make_keeper().look()
    assert levels(health) == {"load": Level.OK, "temperature": Level.OK, "power": Level.OK}
    assert health.least_gap_s == 0.0


@pytest.mark.parametrize(("temperature_c", "gap_s"), [(82.0, 0.2), (86.0, 0.5)])
def test_a_hot_board_sheds_load_and_says_why(make_keeper, health, temperature_c, gap_s):
    make_keeper(temperature_c).look()
    assert health.least_gap_s == pytest.approx(gap_s)
    assert levels(health)["load"] is Level.WARN
    load = next(condition for condition in health.now() if condition.part == "load")
    assert f"{temperature_c:.1f} °C" in load.text


def test_every_check_is_asked_and_everybody_told_of_everything(make_keeper, health):
    heard: list[Sequence[Condition]] = []
    make_keeper(checks=[lambda: DISK], told=[heard.append, heard.append]).look()
    assert DISK in health.now()
    assert heard == [health.now(), health.now()]


def test_it_looks_at_once_and_ends_at_once(make_keeper, health):
    keeper = make_keeper(clock=SystemClock())
    keeper.start()
    wait_until(lambda: "housekeeping" in levels(health))
    began = time.monotonic()
    keeper.stop()
    assert time.monotonic() - began < 1.0, "it does not sleep its five seconds out"


def test_stopping_without_a_start_is_harmless(make_keeper, health):
    make_keeper().stop()
    assert levels(health) == {}, "nothing was looked at either"


def test_a_look_that_fails_is_said_and_the_next_one_is_taken(make_keeper, health, clock):
    looks = []

    def check() -> Condition:
        looks.append(clock.time_ns)
        if len(looks) == 1:
            raise ZeroDivisionError("a check of ours")
        wait_until(lambda: len(seen) == 1)
        return DISK

    seen: list[Condition] = []
    keeper = make_keeper(checks=[check])
    keeper.start()
    wait_until(lambda: len(looks) > 1)
    broken = next(condition for condition in health.now() if condition.part == "housekeeping")
    assert (broken.level, "ZeroDivisionError" in broken.text) == (Level.BAD, True)
    seen.append(broken)
    wait_until(lambda: levels(health)["housekeeping"] is Level.OK)
    keeper.stop()
    assert looks[1] - looks[0] == 5_000_000_000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_said_and_started_again_but_not_in_a_loop(make_keeper, health, clock):
    """SystemExit is what a library that calls sys.exit ends a thread with, in silence."""
    looks: list[int] = []

    def check() -> Condition:
        looks.append(len(looks))
        if len(looks) <= 2:
            raise SystemExit
        return DISK

    keeper = make_keeper(checks=[check], clock=_Apart(clock))
    keeper.start()
    wait_until(lambda: len(looks) == 1 and not keeper._thread.is_alive())
    health.news(clock.now_ns())
    assert len(looks) == 1, "not before its time"
    for died in (2, 3):
        clock.time_ns += 5_000_000_000
        told = {condition.part: condition for condition in health.news(clock.now_ns())}
        wait_until(lambda died=died: len(looks) >= died)
        if died == 2:
            assert told["housekeeping"].level is Level.BAD
            assert "started again" in told["housekeeping"].text
            wait_until(lambda: not keeper._thread.is_alive())
    wait_until(lambda: DISK in health.now())
    keeper.stop()
    clock.time_ns += 60_000_000_000
    health.news(clock.now_ns())
    assert keeper._stopping.is_set()
    wait_until(lambda: not keeper._thread.is_alive())


def test_a_look_that_hangs_is_said_by_the_loop_and_told_to_the_sinks(make_keeper, health, clock):
    hangs, held, heard = threading.Event(), threading.Event(), []
    held.set()

    def check() -> Condition:
        hangs.set()
        held.wait(20.0)
        return DISK

    keeper = make_keeper(checks=[check], told=[heard.append], clock=_Apart(clock))
    keeper.look()  # by now it is known what this check speaks of
    hangs.clear()
    held.clear()
    keeper.start()
    assert hangs.wait(20.0)
    clock.time_ns += 59_000_000_000
    assert "housekeeping" not in {condition.part for condition in health.news(clock.now_ns())}
    heard.clear()
    clock.time_ns += 121_000_000_000
    told = {condition.part: condition for condition in health.news(clock.now_ns())}
    assert told["housekeeping"].level is Level.BAD
    assert "hangs since 3 min asking about disk" in told["housekeeping"].text
    assert [condition for condition in heard[-1] if condition.part == "housekeeping"] == [told["housekeeping"]]
    held.set()
    wait_until(lambda: levels(health)["housekeeping"] is Level.OK)
    keeper.stop()


class _Apart:
    """A clock that another one moves; a sleep lasts until it is interrupted."""

    def __init__(self, clock) -> None:
        self.now_ns = clock.now_ns

    def sleep(self, seconds: float, interrupt=None) -> None:
        if interrupt is not None:
            interrupt.wait(10.0)
