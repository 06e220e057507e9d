"""What disturbs a run: boards made up, load made up, and a real process that burns a core."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.benchmarks.reports import made_up_report
from tests.device.boards import CPUFREQ, HEALTHY_PI5, HOT_ZERO2W, MISSING_GOVERNOR, OLD_CPU, THROTTLED_PI4, write
from waste_edge.benchmarks.machine.monitor import BoardMonitor, judge, notes, unwatched
from waste_edge.benchmarks.report import benchmark
from waste_edge.benchmarks.scenario import quick
from waste_edge.benchmarks.schema import Look
from waste_edge.bundle.bundle import Bundle
from waste_edge.device.system.board import Board

CALM = msgspec.structs.replace(made_up_report().watched.looks[0], working=True)


def looks(**columns: list[object]) -> list[Look]:
    """A look a second, some of its fields as given."""
    length = len(next(iter(columns.values())))
    return [
        msgspec.structs.replace(CALM, at_s=float(index), **{name: column[index] for name, column in columns.items()})
        for index in range(length)
    ]


def kinds(seen: list[Look], kind: str = "wall", pi: bool = False) -> list[str]:
    return [one.what for one in judge(seen, kind, pi)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"foreign_cores": [0.0, 0.05, 0.02]}, []),
        ({"foreign_cores": [0.0, 1.0, 0.0]}, ["load"]),
        ({"foreign_cores": [None, 0.15, 0.15, 0.15]}, ["load"]),
        ({"foreign_cores": [None, 0.2, 0.0, 0.0]}, []),
        ({"stolen_cores": [0.0, 0.4, 0.0, 0.0]}, ["steal"]),
        ({"swapped_pages": [None, 10, 256]}, []),
        ({"swapped_pages": [None, 10, 257]}, ["swap"]),
        ({"temperature_c": [50.0, 79.0, 80.0]}, []),
        ({"temperature_c": [50.0, 95.0, 80.0]}, ["temperature"]),
        ({"frequency_mhz": [2400.0, 2400.0, 2200.0]}, []),
        ({"frequency_mhz": [2400.0, 2400.0, 1500.0]}, ["frequency"]),
        ({"frequency_mhz": [600.0, 2400.0, 2400.0], "working": [False, True, True]}, []),
        ({"governor": ["ondemand", "ondemand"]}, []),
        ({"governor": ["performance", "powersave"]}, ["governor"]),
        ({"throttled": [0, 0, 0]}, []),
        ({"throttled": [0x50000, 0x50000]}, []),
        ({"throttled": [0x50000, 0x70000]}, ["throttled"]),
        ({"throttled": [0, 0x10001, 0x10000]}, ["throttled"]),
    ],
)
def test_what_disturbs(columns: dict[str, list[object]], expected: list[str]) -> None:
    assert kinds(looks(**columns)) == expected


def test_a_pi_is_hot_sooner() -> None:
    seen = looks(temperature_c=[50.0, 80.0])
    assert kinds(seen, pi=True) == ["temperature"]
    assert kinds(seen) == []


def test_in_cpu_time_other_programs_do_not_count() -> None:
    seen = looks(foreign_cores=[0.0, 1.0], stolen_cores=[0.0, 1.0], throttled=[0, 4])
    assert kinds(seen, "cpu") == ["throttled"]


def test_the_reason_names_the_worst_and_when() -> None:
    (one,) = judge(looks(foreign_cores=[0.0, 0.5, 1.5, 0.0]), "wall", False)
    assert one.at_s == 2.0
    assert "took up to 1.50 cores, 0.67 on average" in one.text


def test_what_is_told_is_what_is_watched() -> None:
    told = {"frequency_mhz": 1.0, "temperature_c": 1.0, "governor": "ondemand", "throttled": 0x50000}
    seen = [msgspec.structs.replace(CALM, **told)]
    assert unwatched(seen) == []
    assert unwatched([CALM]) == ["temperature", "throttle bits", "frequency", "governor"]
    assert notes(seen) == [
        "before this run, since boot: under-voltage and throttled",
        "governor ondemand: the clock follows the load; performance holds it",
    ]


class Machine:
    """A folder whose /proc/stat and /proc/vmstat go on, and a clock."""

    def __init__(self, root: Path) -> None:
        self.root, self.now_ns, self.own_s = HEALTHY_PI5.make(root), 1, 0.0
        self._ticks, self._stolen, self._pages = 1000, 10, 0
        self.go_on(0.0, 0.0)

    def go_on(self, seconds: float, busy_s: float, stolen_s: float = 0.0, pages: int = 0) -> None:
        self.now_ns += round(seconds * 1e9)
        self._ticks += round(busy_s * 100)
        self._stolen += round(stolen_s * 100)
        self._pages += pages
        write(self.root, "proc/stat", f"cpu  {self._ticks} 0 0 999 5 0 0 {self._stolen} 0 0\ncpu0 1 1 1\n")
        write(self.root, "proc/vmstat", f"nr_free_pages 7\npswpin {self._pages}\npswpout 3\n")

    def watch(self) -> BoardMonitor:
        return BoardMonitor(Board(self.root), lambda: self.now_ns, lambda: self.own_s)


def test_a_watch_takes_our_own_work_from_the_machines(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    watch = machine.watch()
    watch.look(working=False)
    machine.own_s += 1.0
    machine.go_on(1.0, busy_s=1.02)
    watch.look(working=True)
    machine.own_s += 2.0
    machine.go_on(2.0, busy_s=4.0, stolen_s=0.5, pages=300)
    watch.look(working=True)
    seen = watch.looks
    assert [look.foreign_cores for look in seen] == [None, pytest.approx(0.02), pytest.approx(1.0)]
    assert [look.stolen_cores for look in seen] == [None, 0.0, pytest.approx(0.25)]
    assert [look.swapped_pages for look in seen][1:] == [0, 300]
    assert {one.what for one in watch.disturbances("wall")} == {"load", "steal", "swap"}


def test_a_look_too_soon_leaves_the_load_to_the_next(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    watch = machine.watch()
    watch.look(working=False)
    machine.go_on(0.1, busy_s=0.1)
    watch.look(working=True)
    machine.go_on(0.9, busy_s=0.9)
    watch.look(working=True)
    assert [look.foreign_cores for look in watch.looks] == [None, None, pytest.approx(1.0)]


QUICK = quick(0.3, starts=0, frames=0, energy_seconds=0.0, loads=1, pictures=2, look_seconds=0.1)


def ignore(what: str, done: int, total: int) -> None:
    pass


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        (HEALTHY_PI5, set()),
        (THROTTLED_PI4, {"throttled"}),
        (HOT_ZERO2W, {"throttled", "temperature"}),
        (MISSING_GOVERNOR, {"throttled"}),
        (OLD_CPU, set()),
        (replace(OLD_CPU, arch="aarch64", cpuinfo="vendor_id\t: AuthenticAMD\n"), {"emulated"}),
    ],
    ids=["healthy", "throttled", "hot", "missing-governor", "old-cpu", "emulated"],
)
def test_boards(board: object, expected: set[str], opened_tiny: Bundle, tmp_path: Path) -> None:
    report = benchmark([opened_tiny], QUICK, ignore, Board(board.make(tmp_path)))  # type: ignore[attr-defined]
    assert {one.what for one in report.disturbances} == expected
    assert report.valid is not bool(expected)
    assert report.stand_in == str(tmp_path), "it can never pass for that board's"


def test_boards_that_tell_less(opened_tiny: Bundle, tmp_path: Path) -> None:
    quiet = replace(MISSING_GOVERNOR, throttled=0).make(tmp_path / "a")
    report = benchmark([opened_tiny], QUICK, ignore, Board(quiet))
    assert report.valid
    assert {"frequency", "governor", "load of other processes"} <= set(report.watched.unwatched)
    old = benchmark([opened_tiny], QUICK, ignore, Board(OLD_CPU.make(tmp_path / "b"))).machine
    assert (old.features, old.governor) == (["ssse3"], "schedutil")


def test_a_clock_that_falls_while_it_measures(opened_tiny: Bundle, tmp_path: Path) -> None:
    root = HEALTHY_PI5.make(tmp_path)

    def falling(what: str, done: int, total: int) -> None:
        if what == "measuring":
            write(root, f"{CPUFREQ}/scaling_cur_freq", "1500000\n")

    report = benchmark([opened_tiny], QUICK, falling, Board(root))
    (found,) = report.disturbances
    assert "1500 to 2400 MHz" in found.text


@pytest.mark.parametrize("burners", [1, 0], ids=["one pinned", "one a core"])
def test_a_core_burned_by_another_process_makes_the_run_invalid(opened_tiny: Bundle, burners: int) -> None:
    import os

    cores = sorted(os.sched_getaffinity(0))
    burning = []
    try:
        for core in cores[: burners or None]:
            command = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
            burning.append(subprocess.Popen(command))
        scenario = msgspec.structs.replace(QUICK, seconds=1.0, look_seconds=0.5)
        report = benchmark([opened_tiny], scenario, ignore)
    finally:
        for process in burning:
            process.kill()
            process.wait()
    assert not report.valid
    (load,) = (one for one in report.disturbances if one.what == "load")
    assert "other processes took up to" in load.text
