from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.device.boards import (
    BOARDS,
    CPUFREQ,
    ELF_32,
    HEALTHY_PI5,
    THROTTLED_FILE,
    THROTTLED_PI4,
    FakeBoard,
    write,
)
from waste_edge.device.clock import NS_PER_S
from waste_edge.device.system.board import NO_TROUBLE, Board, Readings, Throttled, Trouble
from waste_edge.device.system.command import Answer

UNDER_VOLTAGE, CAPPED, THROTTLED, SOFT = Trouble
NOBODY = Readings()


class StoppedClock:
    """A clock that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1

    def now_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float, interrupt: object = None) -> None:
        raise AssertionError("a board does not sleep")


def read(board: FakeBoard, root: Path) -> Readings:
    return Board(board.make(root)).read()


def test_a_healthy_pi_5_tells_everything(tmp_path: Path) -> None:
    assert read(HEALTHY_PI5, tmp_path) == Readings(
        model="Raspberry Pi 5 Model B Rev 1.0",
        cpu="Cortex-A76",
        temperature_c=51.2,
        throttled=Throttled(),
        frequency_mhz=2400.0,
        max_frequency_mhz=2400.0,
        governor="ondemand",
        int8_features=("asimddp",),
        memory_mb=8192.0,
        available_mb=7168.0,
        kernel_bits=64,
        userland_bits=64,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("throttled-pi4", Throttled(UNDER_VOLTAGE | THROTTLED, UNDER_VOLTAGE | THROTTLED)),
        ("hot-zero2w", Throttled(CAPPED | THROTTLED, CAPPED | THROTTLED | SOFT)),
        ("missing-governor", Throttled(SOFT, SOFT)),
        ("healthy-pi5", Throttled(NO_TROUBLE, NO_TROUBLE)),
        ("old-cpu", None),
        ("x86-vm", None),
    ],
)
def test_throttle_bits_come_from_sysfs_or_vcgencmd(name: str, expected: Throttled | None, tmp_path: Path) -> None:
    assert read(BOARDS[name], tmp_path).throttled == expected


@pytest.mark.parametrize(
    ("name", "features"),
    [("throttled-pi4", ()), ("healthy-pi5", ("asimddp",)), ("old-cpu", ()), ("x86-vm", ("avx512_vnni",))],
)
def test_int8_instructions(name: str, features: tuple[str, ...], tmp_path: Path) -> None:
    assert read(BOARDS[name], tmp_path).int8_features == features


def test_missing_governor_files_are_none(tmp_path: Path) -> None:
    readings = read(BOARDS["missing-governor"], tmp_path)
    assert (readings.governor, readings.frequency_mhz, readings.max_frequency_mhz) == (None, None, None)
    assert readings.temperature_c == 62.0


def test_a_virtual_machine_has_no_thermometer_and_is_no_pi(tmp_path: Path) -> None:
    readings = read(BOARDS["x86-vm"], tmp_path)
    assert (readings.temperature_c, readings.model, readings.is_raspberry_pi) == (None, None, False)


@pytest.mark.parametrize(
    ("arch", "shell", "bits"),
    [("aarch64", ELF_32, (64, 32)), ("armv7l", ELF_32, (32, 32)), ("x86_64", b"#!/bin/sh", (64, None))],
)
def test_kernel_and_programs_may_differ_in_bits(
    arch: str, shell: bytes, bits: tuple[int, int | None], tmp_path: Path
) -> None:
    readings = read(replace(HEALTHY_PI5, arch=arch, shell=shell), tmp_path)
    assert (readings.kernel_bits, readings.userland_bits) == bits


def test_an_empty_root_tells_nothing(tmp_path: Path) -> None:
    assert Board(tmp_path).read() == NOBODY


def test_this_machine_can_be_read() -> None:
    readings = Board().read()
    assert (readings.kernel_bits, readings.userland_bits) == (64, 64)
    assert readings.memory_mb is not None
    assert readings.memory_mb > 100


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe\x00", b"warm", b"1.5", b"9" * 30, b"-273000", b"0x", b"\n" * 99])
def test_garbled_files_are_none_and_never_an_error(garbage: bytes, tmp_path: Path) -> None:
    root = HEALTHY_PI5.make(tmp_path)
    for path in [file for file in root.rglob("*") if file.is_file()]:
        path.write_bytes(garbage)
    write(root, "sys/class/thermal/thermal_zone1/type", "cpu-thermal")
    readings = Board(root).read()
    assert (readings.temperature_c, readings.throttled, readings.frequency_mhz) == (None, None, None)
    assert (readings.memory_mb, readings.userland_bits, readings.int8_features) == (None, None, None)


def test_folders_in_the_place_of_files_are_none(tmp_path: Path) -> None:
    names = [
        THROTTLED_FILE,
        "proc/cpuinfo",
        "proc/meminfo",
        f"{CPUFREQ}/scaling_governor",
        "usr/bin/vcgencmd",
        "bin/sh",
    ]
    for name in names:
        (tmp_path / name).mkdir(parents=True)
    assert Board(tmp_path).read() == NOBODY


def test_the_hottest_of_several_cpu_zones_counts(tmp_path: Path) -> None:
    root = HEALTHY_PI5.make(tmp_path)
    write(root, "sys/class/thermal/thermal_zone2/type", "cpu1-thermal\n")
    write(root, "sys/class/thermal/thermal_zone2/temp", "66600\n")
    assert Board(root).read().temperature_c == 66.6


@pytest.mark.parametrize("says", ["echo throttled=0xzz", "echo VCHI failed; exit 255", "exit 0", "echo throttled="])
def test_a_vcgencmd_that_talks_nonsense_is_none(says: str, tmp_path: Path) -> None:
    assert read(replace(THROTTLED_PI4, vcgencmd=says), tmp_path).throttled is None


def test_a_hanging_vcgencmd_is_cut_off(tmp_path: Path) -> None:
    board = Board(replace(THROTTLED_PI4, vcgencmd="sleep 60; echo throttled=0x0").make(tmp_path))
    started = time.monotonic()
    readings = board.read()
    assert (readings.throttled, readings.temperature_c) == (None, 71.1)
    assert time.monotonic() - started < 20


def test_a_vcgencmd_that_hung_is_left_alone_for_ten_minutes(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []

    def hang(command: Sequence[str], timeout_s: float) -> Answer:
        asked.append(command)
        return Answer(None)

    clock = StoppedClock()
    board = Board(THROTTLED_PI4.make(tmp_path), clock=clock, ask_program=hang)
    for seconds, times in [(0, 1), (5, 1), (599, 1), (601, 2), (602, 2)]:
        clock.now = 1 + seconds * NS_PER_S
        assert board.read().throttled is None
        assert len(asked) == times
    assert asked[0] == [str(tmp_path / "usr/bin/vcgencmd"), "get_throttled"]


def test_another_vcgencmd_can_be_named(tmp_path: Path) -> None:
    other = tmp_path / "mine"
    other.write_text("#!/bin/sh\necho throttled=0x1\n", encoding="utf-8")
    other.chmod(0o755)
    board = Board(THROTTLED_PI4.make(tmp_path / "root"), vcgencmd=other)
    assert board.read().throttled == Throttled(now=UNDER_VOLTAGE)
