"""Energy of an inference, on machines that tell: Intel's and AMD's RAPL, and the power chip of a Raspberry Pi 5."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from waste_edge.benchmarks.schema import Energy
from waste_edge.device.system.board import VCGENCMD, read_small
from waste_edge.device.system.command import RunProgram, run_program

NOTHING_TOLD = (
    "no energy: this machine tells none (RAPL's energy_uj is readable by root only, pmic_read_adc is a Pi 5's; "
    "a meter at the supply tells more than both)"
)
_IDLE_S = 1.0
_ASK_TIMEOUT_S = 1.0
_BATCH = 8  # inferences between two looks at the clock


class Meter(Protocol):
    """Counter of energy.

    Attributes:
        source: what it is, and what it covers.
    """

    source: str

    def joules(self) -> float:
        """Joules since some moment in the past; call it at least once a second."""
        ...


@dataclass
class Rapl:
    """The processor packages' own counters, which start again at their range's end."""

    zones: list[Path]

    def __post_init__(self) -> None:
        self.source = f"RAPL, {len(self.zones)} processor package{'s' if len(self.zones) > 1 else ''}"
        self._ranges = [_number(zone / "max_energy_range_uj") or 0 for zone in self.zones]
        self._last = [_number(zone / "energy_uj") or 0 for zone in self.zones]
        self._sum = 0.0

    def joules(self) -> float:
        for index, zone in enumerate(self.zones):
            now = _number(zone / "energy_uj")
            if now is None:
                continue
            step = now - self._last[index]
            self._sum += (step if step >= 0 else step + self._ranges[index]) / 1e6
            self._last[index] = now
        return self._sum


@dataclass
class Pmic:
    """A Pi 5's power chip: momentary currents and voltages of its rails, summed up between looks."""

    vcgencmd: Path
    clock: Callable[[], int] = time.perf_counter_ns
    ask_program: RunProgram = run_program

    def __post_init__(self) -> None:
        self.source = "PMIC, the rails of a Pi 5; not what hangs on its USB and 5 V pins"
        self._watts = self.watts() or 0.0
        self._at_ns = self.clock()
        self._sum = 0.0

    def watts(self) -> float | None:
        """Watts at present; None if the program does not tell."""
        answer = self.ask_program([str(self.vcgencmd), "pmic_read_adc"], _ASK_TIMEOUT_S)
        return None if answer is None or not answer.ok else watts_of(answer.text)

    def joules(self) -> float:
        watts, now_ns = self.watts(), self.clock()
        if watts is not None:
            self._sum += (watts + self._watts) / 2 * (now_ns - self._at_ns) / 1e9
            self._watts, self._at_ns = watts, now_ns
        return self._sum


def watts_of(text: str) -> float | None:
    """Sum the watts in the output of `vcgencmd pmic_read_adc`: all rails that have both a current and a voltage."""
    values: dict[str, dict[str, float]] = {}
    for rail, kind, value in re.findall(
        r"^\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=([\d.]+)[AV]\s*$", text, re.MULTILINE
    ):
        values.setdefault(rail, {})[kind] = float(value)
    both = [rail["A"] * rail["V"] for rail in values.values() if len(rail) == 2]
    return sum(both) if both else None


def find_meter(root: Path, vcgencmd: Path | None = None) -> Meter | None:
    """Find this machine's energy meter; None if it has none."""
    packages = sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]*"))
    readable = [zone for zone in packages if zone.name.count(":") == 1 and _number(zone / "energy_uj") is not None]
    if readable:
        return Rapl(readable)
    pmic = Pmic(vcgencmd or root / VCGENCMD)
    return pmic if pmic.watts() is not None else None


def measure_idle(meter: Meter, clock: Callable[[], int] = time.perf_counter_ns) -> float:
    """Watts while we do nothing for a second."""
    before, started_ns = meter.joules(), clock()
    time.sleep(_IDLE_S)
    return (meter.joules() - before) / ((clock() - started_ns) / 1e9)


def measure_energy(
    meter: Meter,
    infer: Callable[[int], object],
    seconds: float,
    idle_watts: float,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Energy:
    """Run one network alone for some seconds and measure its energy.

    Args:
        infer: is called with a running number.
        idle_watts: from `measure_idle`.
    """
    before, started_ns = meter.joules(), clock()
    done, looked_ns = 0, started_ns
    while (clock() - started_ns) / 1e9 < seconds:
        for _ in range(_BATCH):
            infer(done)
            done += 1
        if clock() - looked_ns > 200_000_000:  # momentary power is summed up often
            meter.joules()
            looked_ns = clock()
    joules, taken_s = meter.joules() - before, (clock() - started_ns) / 1e9
    return Energy(
        source=meter.source,
        seconds=taken_s,
        watts=joules / taken_s,
        idle_watts=idle_watts,
        joules=joules / done,
        joules_above_idle=(joules - idle_watts * taken_s) / done,
    )


def _number(path: Path) -> int | None:
    text = read_small(path).strip()
    return int(text) if text.isdigit() else None
