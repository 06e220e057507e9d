from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from waste_edge.device.clock import NS_PER_S, SystemClock
from waste_edge.device.system.condition import Level
from waste_edge.device.system.disk import (
    Disk,
    DiskLimits,
    Room,
    Volume,
    look_at,
    pace_mb_a_day,
    room_condition,
    volume_of,
    written_bytes,
)

MB = 1_000_000


class Station:
    """A process's counter of written bytes, a clock, and a disk that looks as it is told."""

    def __init__(self, folder: Path, budget_mb: float = 240) -> None:
        self.io, self.now, self.written = folder / "io", 0, 5 * MB
        self.room: Room | OSError = Room(10_000)
        self.write(0)
        self.disk = Disk(folder, self, DiskLimits(budget_mb_a_day=budget_mb), self.io, self.look)

    def now_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float, interrupt: object = None) -> None:
        raise AssertionError("a disk does not sleep")

    def look(self, folder: Path) -> Room:
        if isinstance(self.room, OSError):
            raise self.room
        return self.room

    def write(self, megabytes: float) -> None:
        self.written += round(megabytes * MB)
        self.io.write_text(f"rchar: 1\nwrite_bytes: {self.written}\ncancelled_write_bytes: 7\n", encoding="utf-8")

    def hours(self, hours: float, megabytes: float) -> float | None:
        """Let the time pass in steps of ten minutes, with so much written in all."""
        steps = round(hours * 6)
        for _ in range(steps):
            self.now += 600 * NS_PER_S
            self.write(megabytes / steps)
            pace = self.disk.pace_mb_a_day()
        return pace


def test_what_was_written_before_it_began_does_not_count(tmp_path: Path) -> None:
    assert Station(tmp_path).disk.pace_mb_a_day() == 0


def test_the_first_minutes_count_as_an_hour(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.write(2)
    station.now += 60 * NS_PER_S
    assert station.disk.pace_mb_a_day() == pytest.approx(48)


def test_a_steady_pace_is_found_and_an_old_burst_forgotten_after_a_day(tmp_path: Path) -> None:
    station = Station(tmp_path)
    assert station.hours(6, 60) == pytest.approx(240, rel=0.01)
    assert station.hours(1, 500) == pytest.approx(560 * 24 / 7, rel=0.01)
    assert station.hours(16, 160) == pytest.approx(720 * 24 / 23, rel=0.02)
    assert station.hours(10, 100) == pytest.approx(240, rel=0.02)


def test_a_pace_over_the_budget_is_a_warning_and_goes_again(tmp_path: Path) -> None:
    station = Station(tmp_path, budget_mb=240)
    station.hours(2, 19)
    assert station.disk.condition().level is Level.OK
    assert "writes 228 MB a day of 240" in station.disk.condition().text
    station.hours(1, 30)
    warned = station.disk.condition()
    assert (warned.part, warned.level) == ("disk", Level.WARN)
    assert "wears out" in warned.text
    station.hours(24, 24)
    assert station.disk.condition().level is Level.OK


def test_another_process_s_counter_begins_anew(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.hours(2, 100)
    station.written = 0
    station.write(0)
    assert station.disk.pace_mb_a_day() == 0


def test_a_kernel_that_does_not_count_is_no_fault(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.io.unlink()
    assert station.disk.pace_mb_a_day() is None
    assert station.disk.condition().text == f"{tmp_path}: 10.0 GB free"


def test_samples_do_not_pile_up(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.hours(50, 10)
    assert len(station.disk._samples) <= 146


@pytest.mark.parametrize(
    ("room", "level", "words"),
    [
        (Room(10_000), Level.OK, "10.0 GB free"),
        (Room(499), Level.WARN, "499 MB free"),
        (Room(19), Level.BAD, "full disk (19 MB free)"),
        (Room(10_000, files_left=False), Level.BAD, "full disk (no file can be made)"),
        (Room(10_000, read_only=True), Level.BAD, "read-only"),
        (Room(10_000, writable=False), Level.BAD, "may not be written"),
        (OSError(errno.EIO, "Input/output error"), Level.BAD, "Input/output error"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), Level.BAD, "make the folder"),
    ],
)
def test_the_room_that_is_left(room: Room | OSError, level: Level, words: str, tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.room = room
    condition = station.disk.condition()
    assert (condition.part, condition.level) == ("disk", level)
    assert words in condition.text


def test_this_process_is_counted(tmp_path: Path) -> None:
    if written_bytes(Path("/proc/self/io")) is None:
        pytest.skip("this kernel does not count what a process writes")
    disk = Disk(tmp_path, SystemClock())
    before = disk.pace_mb_a_day()
    with (tmp_path / "file").open("wb") as stream:
        stream.write(os.urandom(3 * MB))
        stream.flush()
        os.fsync(stream.fileno())
    after = disk.pace_mb_a_day()
    assert before is not None
    assert after is not None
    if volume_of(tmp_path) != Volume("tmpfs", "tmpfs"):  # what goes to memory is not counted
        assert after - before >= pace_mb_a_day(3 * MB, 0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real filesystem of a megabyte."""
    folder = tmp_path / "mnt"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("only root may mount a small filesystem")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_real_disk_that_fills_and_is_set_read_only(small_disk: Path) -> None:
    limits = DiskLimits(low_mb=0.5, full_mb=0.1)
    assert room_condition(small_disk, look_at(small_disk), limits).level is Level.OK
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "big").write_bytes(bytes(2 * MB))
    assert room_condition(small_disk, look_at(small_disk), limits).level is Level.BAD
    (small_disk / "big").unlink()
    assert room_condition(small_disk, look_at(small_disk), limits).level is Level.OK
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    condition = room_condition(small_disk, look_at(small_disk), limits)
    assert condition.level is Level.BAD
    assert "read-only" in condition.text
    volume = volume_of(small_disk)
    assert volume == Volume("small", "tmpfs")
    assert volume.is_fleeting


MOUNTS = """/dev/mmcblk0p2 / ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
/dev/sda1 /mnt/my\\040disk ext4 rw 0 0
overlay /srv overlay rw 0 0
nonsense
/dev/sdb1 /srv ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "device", "card", "fleeting"),
    [
        ("/var/lib/waste-edge", "/dev/mmcblk0p2", True, False),
        ("/run/waste-edge", "tmpfs", False, True),
        ("/mnt/my disk/state", "/dev/sda1", False, False),
        ("/srv/x", "/dev/sdb1", False, False),
        ("/runner", "/dev/mmcblk0p2", True, False),
    ],
)
def test_what_a_folder_lies_on(folder: str, device: str, card: bool, fleeting: bool, tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(MOUNTS, encoding="utf-8")
    volume = volume_of(Path(folder), tmp_path / "mounts")
    assert volume is not None
    assert (volume.device, volume.is_card, volume.is_fleeting) == (device, card, fleeting)


def test_a_kernel_without_mounts_tells_nothing(tmp_path: Path) -> None:
    assert volume_of(tmp_path, tmp_path / "absent") is None


@pytest.mark.parametrize("limits", [{"budget_mb_a_day": 0}, {"low_mb": 1}, {"full_mb": -1}])
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        DiskLimits(**limits)
