"""Meters made up: RAPL's counters, and the rails of a Pi 5."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device.boards import write
from waste_edge.benchmarks.machine.energy import Pmic, Rapl, find_meter, measure_energy, measure_idle, watts_of
from waste_edge.device.system.command import Answer

PMIC = """\
 3V7_WL_SW_A current(0)=0.08000000A
    VDD_CORE_A current(7)=2.00000000A
 3V7_WL_SW_V volt(8)=3.50000000V
    VDD_CORE_V volt(15)=0.90000000V
      EXT5V_V volt(24)=5.10000000V
"""


def test_a_pi_5s_rails() -> None:
    assert watts_of(PMIC) == pytest.approx(0.08 * 3.5 + 2.0 * 0.9), "5 V has no current of its own"
    assert watts_of("error=1") is None


def rapl(root: Path, microjoules: int, zone: str = "intel-rapl:0") -> None:
    write(root, f"sys/class/powercap/{zone}/energy_uj", f"{microjoules}\n")
    write(root, f"sys/class/powercap/{zone}/max_energy_range_uj", "1000000\n")


def test_raples_counter_starts_again(tmp_path: Path) -> None:
    rapl(tmp_path, 900_000)
    rapl(tmp_path, 5, "intel-rapl:0:0")  # the cores, which the package holds already
    meter = find_meter(tmp_path)
    assert isinstance(meter, Rapl)
    assert meter.source == "RAPL, 1 processor package"
    rapl(tmp_path, 950_000)
    assert meter.joules() == pytest.approx(0.05)
    rapl(tmp_path, 150_000)
    assert meter.joules() == pytest.approx(0.25)


def test_power_is_summed_up_over_time(tmp_path: Path) -> None:
    now_ns = [0]
    texts = iter([PMIC, PMIC.replace("2.00000000A", "4.00000000A")])
    meter = Pmic(tmp_path, lambda: now_ns[0], lambda command, timeout_s: Answer(0, next(texts)))
    now_ns[0] = 2_000_000_000
    assert meter.joules() == pytest.approx(2 * 0.28 + 2 * (1.8 + 3.6) / 2)


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert find_meter(tmp_path) is None


def test_a_pi_5_is_found(tmp_path: Path) -> None:
    script = "".join(f"echo '{line}'\n" for line in PMIC.splitlines())
    write(tmp_path, "usr/bin/vcgencmd", f"#!/bin/sh\ntest $1 = pmic_read_adc || exit 1\n{script}")
    (tmp_path / "usr/bin/vcgencmd").chmod(0o755)
    meter = find_meter(tmp_path)
    assert isinstance(meter, Pmic)
    assert "PMIC" in meter.source


class Meter:
    """10 W whenever the clock goes on, 2 W while it sleeps."""

    source = "made up"

    def __init__(self) -> None:
        self.now_ns, self.sum = 0, 0.0

    def joules(self) -> float:
        return self.sum

    def pass_(self, seconds: float, watts: float) -> None:
        self.now_ns += round(seconds * 1e9)
        self.sum += seconds * watts


def test_energy_of_an_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter()
    monkeypatch.setattr("waste_edge.benchmarks.machine.energy.time.sleep", lambda seconds: meter.pass_(seconds, 2.0))
    idle_watts = measure_idle(meter, lambda: meter.now_ns)
    assert idle_watts == pytest.approx(2.0)
    found = measure_energy(meter, lambda number: meter.pass_(0.01, 10.0), 0.8, idle_watts, lambda: meter.now_ns)
    assert (found.watts, found.joules, found.joules_above_idle) == pytest.approx((10.0, 0.1, 0.08))
    assert found.seconds == pytest.approx(0.8)
