from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.device.boards import BOARDS
from waste_edge.device.system.board import Board, Readings, Throttled, Trouble
from waste_edge.device.system.condition import Level
from waste_edge.device.system.shedding import Shedding, Step, Thresholds, power_condition, temperature_condition
from waste_edge.errors import ConfigError
from waste_edge.files.strict import read_toml

UNDER_VOLTAGE, CAPPED, THROTTLED, SOFT = Trouble
PI4 = Readings(model="Raspberry Pi 4 Model B Rev 1.4", temperature_c=50.0, throttled=Throttled())


def warm(temperature_c: float | None, now: Trouble | None = None) -> Readings:
    return Readings(temperature_c=temperature_c, throttled=None if now is None else Throttled(now))


@pytest.mark.parametrize(
    ("readings", "interval_s", "reason"),
    [
        (warm(None), 0, ""),
        (warm(50), 0, ""),
        (warm(79.9), 0, ""),
        (warm(80), 1 / 5, "the processor is at 80.0 °C"),
        (warm(84.9), 1 / 5, "the processor is at 84.9 °C"),
        (warm(85), 1 / 2, "the processor is at 85.0 °C"),
        (warm(60, THROTTLED), 1 / 5, "the firmware says throttled"),
        (warm(60, CAPPED), 1 / 5, "the firmware says frequency capped"),
        (warm(86, CAPPED), 1 / 2, "the processor is at 86.0 °C and the firmware says frequency capped"),
        (warm(None, THROTTLED), 1 / 5, "the firmware says throttled"),
        (warm(60, SOFT), 0, ""),
        (warm(60, UNDER_VOLTAGE), 0, ""),
    ],
)
def test_the_first_reading_decides(readings: Readings, interval_s: float, reason: str) -> None:
    load = Shedding().see(readings)
    assert (load.min_interval_s, load.reason) == (pytest.approx(interval_s), reason)
    assert load.condition().level is (Level.WARN if interval_s else Level.OK)
    assert reason in load.condition().text


@pytest.mark.parametrize(
    ("temperatures", "steps"),
    [
        ([81, 79, 79, 79, 79], "11111"),  # not 3 degrees cooler yet
        ([81, 76, 76, 76], "1110"),
        ([81, 76, 76, 78, 76, 76, 76], "1111110"),  # one warmer reading begins the count anew
        ([86, 83, 83, 83, 83], "22222"),
        ([86, 81, 81, 81, 81], "22211"),
        ([86, 70, 70, 70], "2220"),
        ([79, 81, 79, 81, 79, 81], "011111"),
        ([81, 90], "12"),
        ([81, 76, None, None, 76, 76], "111110"),  # what stops telling keeps its step
    ],
)
def test_steps_are_taken_back_late(temperatures: list[float | None], steps: str) -> None:
    shedding = Shedding()
    assert [shedding.see(warm(value)).step for value in temperatures] == [Step(int(step)) for step in steps]


def test_a_flickering_throttle_bit_does_not_flicker_through() -> None:
    shedding = Shedding()
    bits = [THROTTLED, Trouble(0), THROTTLED, Trouble(0), Trouble(0), Trouble(0)]
    assert [shedding.see(warm(60, now)).step for now in bits] == [1, 1, 1, 1, 1, 0]


def test_a_step_that_is_held_says_what_it_waits_for() -> None:
    shedding = Shedding()
    shedding.see(warm(86))
    assert shedding.see(warm(83)).reason == ("the processor is at 83.0 °C; until it stays below 82 °C and unthrottled")
    shedding = Shedding()
    shedding.see(warm(81))
    assert shedding.see(warm(60)).reason == "until it stays below 77 °C and unthrottled"


@pytest.mark.parametrize(
    ("readings", "level", "words"),
    [
        (warm(None), Level.OK, "does not tell"),
        (warm(45), Level.OK, "45.0 °C"),
        (warm(62, SOFT), Level.WARN, "soft limit"),
        (warm(80), Level.WARN, "heat sink"),
        (warm(85), Level.BAD, "too hot"),
    ],
)
def test_temperature(readings: Readings, level: Level, words: str) -> None:
    condition = temperature_condition(readings)
    assert (condition.part, condition.level) == ("temperature", level)
    assert words in condition.text


@pytest.mark.parametrize(
    ("throttled", "level", "words"),
    [
        (Throttled(), Level.OK, "no under-voltage"),
        (Throttled(UNDER_VOLTAGE | THROTTLED), Level.WARN, "under-voltage and throttled now; use a supply of 5 V 3 A"),
        (
            Throttled(since_boot=UNDER_VOLTAGE),
            Level.WARN,
            "under-voltage since it was started; use a supply of 5 V 3 A",
        ),
        (Throttled(THROTTLED), Level.WARN, "cool the board"),
        (Throttled(since_boot=THROTTLED | SOFT), Level.WARN, "since it was started, not now"),
        (Throttled(SOFT, SOFT), Level.OK, "no under-voltage"),
        (None, Level.WARN, "neither sysfs nor vcgencmd"),
    ],
)
def test_power_of_a_pi(throttled: Throttled | None, level: Level, words: str) -> None:
    condition = power_condition(replace(PI4, throttled=throttled))
    assert (condition.part, condition.level) == ("power", level)
    assert words in condition.text


@pytest.mark.parametrize(
    ("model", "supply"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", "5 V 5 A"),
        ("Raspberry Pi 4 Model B Rev 1.4", "5 V 3 A"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "5 V 2.5 A"),
        ("Radxa ROCK 3A", "its maker's rating"),
    ],
)
def test_the_remedy_names_the_boards_own_supply(model: str, supply: str) -> None:
    assert supply in power_condition(Readings(model=model, throttled=Throttled(UNDER_VOLTAGE))).text


@pytest.mark.parametrize(
    ("name", "step", "power", "temperature"),
    [
        ("throttled-pi4", Step.WARM, Level.WARN, Level.OK),
        ("healthy-pi5", Step.NONE, Level.OK, Level.OK),
        ("hot-zero2w", Step.HOT, Level.WARN, Level.BAD),
        ("old-cpu", Step.NONE, Level.OK, Level.OK),
        ("missing-governor", Step.NONE, Level.OK, Level.WARN),
        ("x86-vm", Step.NONE, Level.OK, Level.OK),
    ],
)
def test_boards(name: str, step: Step, power: Level, temperature: Level, tmp_path: Path) -> None:
    readings = Board(BOARDS[name].make(tmp_path)).read()
    assert Shedding().see(readings).step is step
    assert power_condition(readings).level is power
    assert temperature_condition(readings).level is temperature


def test_thresholds_can_stand_in_a_toml(tmp_path: Path) -> None:
    path = tmp_path / "heat.toml"
    path.write_text("warm_c = 70\nhot_fps = 0.5\n", encoding="utf-8")
    shedding = Shedding(read_toml(path, Thresholds))
    assert shedding.see(warm(71)).min_interval_s == pytest.approx(0.2)
    assert shedding.see(warm(90)).min_interval_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("warm_c = 90", "warm_c"),
        ("hot_c = nan", "hot_c"),
        ("hot_fps = 0", "hot_fps"),
        ("hot_fps = 6", "hot_fps"),
        ("warm_fps = inf", "warm_fps"),
        ("calm_readings = 0", "calm_readings"),
        ("cooled_by_c = -1", "cooled_by_c"),
        ("warm = 80", "warm"),
    ],
)
def test_bad_thresholds_are_named(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "heat.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=named):
        read_toml(tmp_path / "heat.toml", Thresholds)
