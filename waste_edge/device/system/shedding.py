"""Heat and power: what they mean, and how much less a board that suffers is given to do.

| when | frames looked at a second, at most, and the network is asked once an item |
|---|---|
| 85 °C or more | 2 |
| 80 °C or more, or the firmware throttles or caps the clock now | 5 |
| else | as many as come |

Several stations of one board share these frames between them (`neighbours.py`), as far as each keeps one a second.
One step back up is taken when three readings in a row ask for it, the thresholds counted 3 °C lower. The firmware
of a Raspberry Pi starts to throttle at 80 °C and does its worst at 85 °C: a station that does less of its own
accord keeps its latency, and says why it is slower.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

from waste_edge.device.system.board import Readings, Trouble
from waste_edge.device.system.condition import Condition, Level
from waste_edge.files.strict import Strict

_SHEDDING_TROUBLE = Trouble.THROTTLED | Trouble.FREQUENCY_CAPPED

_SUPPLIES = {  # by how the board's name begins; what its maker recommends
    "Raspberry Pi 5": "5 V 5 A",
    "Raspberry Pi 4": "5 V 3 A",
    "Raspberry Pi": "5 V 2.5 A",
}


class Thresholds(Strict, frozen=True):
    """Thresholds at which load is shed; every key may stand in a TOML.

    Attributes:
        warm_c, hot_c: from which temperature on it is eased, and eased further.
        cooled_by_c: how far below its threshold the temperature must fall before a step is taken back.
        calm_readings: how many readings in a row must agree that it may.
        warm_fps, hot_fps: frames looked at a second then, at most, by all stations of the board together.
        shared_fps: what each of several stations keeps of these at least.
    """

    warm_c: float = 80.0
    hot_c: float = 85.0
    cooled_by_c: float = 3.0
    calm_readings: int = 3
    warm_fps: float = 5.0
    hot_fps: float = 2.0
    shared_fps: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.warm_c < self.hot_c < 150:
            raise ValueError(f"expected 0 < warm_c < hot_c < 150, got {self.warm_c:g} and {self.hot_c:g}")
        if not 0 <= self.cooled_by_c < self.warm_c:
            raise ValueError(f"cooled_by_c: expected 0 to below warm_c, got {self.cooled_by_c:g}")
        if self.calm_readings < 1:
            raise ValueError(f"calm_readings: expected 1 or more, got {self.calm_readings}")
        if not 0 < self.hot_fps <= self.warm_fps < math.inf:
            raise ValueError(f"expected 0 < hot_fps <= warm_fps, got {self.hot_fps:g} and {self.warm_fps:g}")
        if not 0 < self.shared_fps < math.inf:
            raise ValueError(f"shared_fps: expected above 0, got {self.shared_fps:g}")

    def fps(self, step: Step, stations: int = 1) -> float:
        """Frames a second that one of so many stations looks at in a step above NONE."""
        whole = self.hot_fps if step is Step.HOT else self.warm_fps
        return max(whole / stations, min(self.shared_fps, whole))


class Step(IntEnum):
    """Degree of load shedding."""

    NONE = 0
    WARM = 1
    HOT = 2


@dataclass(frozen=True)
class Load:
    """Permitted load at present.

    Attributes:
        step: how much is shed.
        min_interval_s: the least time between two frames that are looked at; 0 where as many as come may be.
        reason: why, in words; empty if nothing is shed.
        stations: how many share the board.
    """

    step: Step = Step.NONE
    min_interval_s: float = 0.0
    reason: str = ""
    stations: int = 1

    def condition(self) -> Condition:
        """Give the condition for health: well unless load is shed."""
        shared = f"; {self.stations} stations share this board" if self.stations > 1 else ""
        if self.step is Step.NONE:
            return Condition("load", Level.OK, f"looks at as many frames as come{shared}")
        rate = 1 / self.min_interval_s
        return Condition("load", Level.WARN, f"looks at no more than {rate:.3g} frames a second: {self.reason}{shared}")


class Shedding:
    """From readings, some seconds apart, to the load. Not thread-safe: one thread owns it.

    Args:
        thresholds: when load is shed.
        stations: tells how many stations share the board, this one among them.

    Attributes:
        thresholds: when load is shed.
    """

    def __init__(self, thresholds: Thresholds | None = None, stations: Callable[[], int] = lambda: 1) -> None:
        self.thresholds = thresholds or Thresholds()
        self._stations = stations
        self._load = Load()
        self._calm = 0

    def see(self, readings: Readings) -> Load:
        """Take one reading into account. A board that stops telling keeps the step it had."""
        if readings.temperature_c is not None or readings.throttled is not None:
            wanted = wanted_step(readings, self.thresholds)
            if wanted >= self._load.step:
                self._calm = 0
                self._load = make_load(wanted, readings, self.thresholds)
            else:
                self._step_back(readings)
        self._load = _shared(self._load, self._stations(), self.thresholds)
        return self._load

    def _step_back(self, readings: Readings) -> None:
        """One more reading that asks for less than is shed; enough of them, and less is shed."""
        thresholds = self.thresholds
        cooler = wanted_step(readings, thresholds, thresholds.cooled_by_c)
        self._calm = self._calm + 1 if cooler < self._load.step else 0
        if self._calm >= thresholds.calm_readings:
            self._calm = 0
            self._load = make_load(cooler, readings, thresholds)
        else:
            threshold_c = thresholds.hot_c if self._load.step is Step.HOT else thresholds.warm_c
            waits_for = f"until it stays below {threshold_c - thresholds.cooled_by_c:g} °C and unthrottled"
            self._load = replace(self._load, reason=f"{_reason(readings, thresholds)}; {waits_for}".lstrip("; "))


def wanted_step(readings: Readings, thresholds: Thresholds, lowered_c: float = 0.0) -> Step:
    """The step that one reading asks for, with the temperatures' thresholds lowered by `lowered_c`."""
    temperature_c = -math.inf if readings.temperature_c is None else readings.temperature_c
    if temperature_c >= thresholds.hot_c - lowered_c:
        return Step.HOT
    if temperature_c >= thresholds.warm_c - lowered_c or _sheds(readings):
        return Step.WARM
    return Step.NONE


def make_load(step: Step, readings: Readings, thresholds: Thresholds) -> Load:
    """A step with its pace and its reason."""
    match step:
        case Step.NONE:
            return Load()
        case Step.WARM | Step.HOT:
            return Load(step, 1 / thresholds.fps(step), _reason(readings, thresholds))


def _shared(load: Load, stations: int, thresholds: Thresholds) -> Load:
    """The same where so many stations share the board."""
    interval_s = 0.0 if load.step is Step.NONE else 1 / thresholds.fps(load.step, stations)
    return replace(load, min_interval_s=interval_s, stations=stations)


def temperature_condition(readings: Readings, thresholds: Thresholds | None = None) -> Condition:
    """Judge the processor's temperature, with the remedy."""
    limits, temperature_c = thresholds or Thresholds(), readings.temperature_c
    if temperature_c is None:
        return Condition("temperature", Level.OK, "the board does not tell")
    remedy = "give it a heat sink or a fan, shade, and air around the case"
    if temperature_c >= limits.hot_c:
        text = f"{temperature_c:.1f} °C is too hot, it runs slowly; {remedy}"
        return Condition("temperature", Level.BAD, text)
    if temperature_c >= limits.warm_c:
        return Condition("temperature", Level.WARN, f"{temperature_c:.1f} °C, soon too hot; {remedy}")
    troubles = readings.throttled
    if troubles and Trouble.SOFT_TEMPERATURE_LIMIT in troubles.now:
        text = f"{temperature_c:.1f} °C, over the firmware's soft limit, so the clock is lowered; {remedy}"
        return Condition("temperature", Level.WARN, text)
    return Condition("temperature", Level.OK, f"{temperature_c:.1f} °C")


def power_condition(readings: Readings) -> Condition:
    """Judge the firmware's flags of supply and clock, now and since boot; under-voltage is named with its remedy."""
    throttled = readings.throttled
    if throttled is None:
        text = "the board does not tell"
        if readings.is_raspberry_pi:
            text += "; neither sysfs nor vcgencmd answers, which may need the group video"
        return Condition("power", Level.WARN if readings.is_raspberry_pi else Level.OK, text)
    for troubles, when in ((throttled.now, "now"), (throttled.since_boot, "since it was started")):
        if Trouble.UNDER_VOLTAGE in troubles:
            text = f"{troubles.words} {when}; use a supply of {_supply(readings)} and a short, thick cable"
            return Condition("power", Level.WARN, text)
    if throttled.now & _SHEDDING_TROUBLE:
        return Condition("power", Level.WARN, f"{throttled.now.words} now; the supply is well: cool the board")
    if throttled.since_boot & _SHEDDING_TROUBLE:
        text = f"{throttled.since_boot.words} since it was started, not now; the supply is well: cool the board"
        return Condition("power", Level.WARN, text)
    return Condition("power", Level.OK, "no under-voltage and no throttling since it was started")


def _sheds(readings: Readings) -> bool:
    return readings.throttled is not None and bool(readings.throttled.now & _SHEDDING_TROUBLE)


def _reason(readings: Readings, thresholds: Thresholds) -> str:
    reasons = []
    temperature_c = readings.temperature_c
    if temperature_c is not None and temperature_c >= thresholds.warm_c - thresholds.cooled_by_c:
        reasons.append(f"the processor is at {temperature_c:.1f} °C")
    if readings.throttled is not None and _sheds(readings):
        reasons.append(f"the firmware says {readings.throttled.now.words}")
    return " and ".join(reasons)


def _supply(readings: Readings) -> str:
    model = readings.model or ""
    return next((supply for name, supply in _SUPPLIES.items() if model.startswith(name)), "its maker's rating")
