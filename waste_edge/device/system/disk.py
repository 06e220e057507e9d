"""The disk that the station keeps its state on: room, read-only, and how much is written to it.

A card wears by what is written. So the station has a budget a day, and what its process really wrote
(`write_bytes` of /proc/self/io: pages that went to a disk; what was deleted before its time counts, too) is held
against it. What others write for it is not in that figure: the journal of systemd, above all. It counts from the
process's start, since the kernel's counter does; a restart begins a new day.
"""

from __future__ import annotations

import math
import os
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.system.board import read_small
from waste_edge.device.system.condition import Condition, Level
from waste_edge.files.strict import Strict

SELF_IO = Path("/proc/self/io")
_DAY_NS = 86_400 * NS_PER_S
_LEAST_NS = 3_600 * NS_PER_S  # what is written in the first minutes is no day's pace: it counts as an hour's
_SAMPLE_NS = 600 * NS_PER_S
_CARDS = re.compile(r"/dev/mmcblk\d+")
_FLEETING = ("tmpfs", "overlay", "ramfs")


class DiskLimits(Strict, frozen=True):
    """Requirements on the disk, in millions of bytes; every key may stand in a TOML.

    Attributes:
        budget_mb_a_day: what the station may write; 250 a day is 91 GB a year.
        low_mb: with less free it is said.
        full_mb: with less free the disk counts as full.
    """

    budget_mb_a_day: float = 250.0
    low_mb: float = 500.0
    full_mb: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.budget_mb_a_day < math.inf:
            raise ValueError(f"budget_mb_a_day: expected more than 0, got {self.budget_mb_a_day:g}")
        if not 0 <= self.full_mb <= self.low_mb < math.inf:
            raise ValueError(f"expected 0 <= full_mb <= low_mb, got {self.full_mb:g} and {self.low_mb:g}")


@dataclass(frozen=True)
class Room:
    """State of a folder's disk at one moment.

    Attributes:
        free_mb: for users who are not root.
        read_only: it is mounted so.
        writable: this user may write into the folder.
        files_left: new files may be made.
    """

    free_mb: float
    read_only: bool = False
    writable: bool = True
    files_left: bool = True


def look_at(folder: Path) -> Room:
    """Look at the disk under a folder; nothing is written.

    Raises:
        OSError: the folder is missing, or the disk does not answer.
    """
    facts = os.statvfs(folder)
    return Room(
        free_mb=facts.f_bavail * facts.f_frsize / 1e6,
        read_only=bool(facts.f_flag & os.ST_RDONLY),
        writable=os.access(folder, os.W_OK | os.X_OK),
        files_left=facts.f_favail > 0 or facts.f_files == 0,  # some filesystems count no files
    )


class Disk:
    """Room and write budget of one folder. Not thread-safe: one thread owns it.

    Args:
        state: the folder the station writes to.
        clock: times the writing.
        limits: what counts as full, and the budget.
        io: where the kernel counts what this process writes.
        look: how a folder's disk is looked at.

    Attributes:
        free_mb: at the last look; None before the first, and if there was no answer.
    """

    def __init__(
        self,
        state: Path,
        clock: Clock,
        limits: DiskLimits | None = None,
        io: Path = SELF_IO,
        look: Callable[[Path], Room] = look_at,
    ) -> None:
        self._state = state
        self._clock = clock
        self._limits = limits or DiskLimits()
        self._io = io
        self._look = look
        # (monotonic time, bytes), ten minutes apart and a day back. The first stands for the start.
        self._samples: deque[tuple[int, int]] = deque()
        self._sample()
        self.free_mb: float | None = None

    def condition(self) -> Condition:
        """Room and pace, the worse of the two. Call it every minute or so."""
        pace_mb, self.free_mb = self.pace_mb_a_day(), None
        try:
            room = self._look(self._state)
        except OSError as error:
            return unreadable(self._state, error)
        self.free_mb = room.free_mb
        condition = room_condition(self._state, room, self._limits)
        if condition.level is Level.BAD or pace_mb is None:
            return condition
        pace = pace_condition(pace_mb, self._limits)
        level = Level.OK if condition.level is pace.level is Level.OK else Level.WARN
        return Condition("disk", level, f"{condition.text}; {pace.text}")

    def pace_mb_a_day(self) -> float | None:
        """Compute the megabytes written a day, from the last day or the part that has passed; None if nobody counts."""
        newest = self._sample()
        if newest is None:
            return None
        oldest = self._samples[0]
        return pace_mb_a_day(newest[1] - oldest[1], (newest[0] - oldest[0]) / NS_PER_S)

    def _sample(self) -> tuple[int, int] | None:
        written = written_bytes(self._io)
        if written is None:
            return None
        now = (self._clock.now_ns(), written)
        if self._samples and written < self._samples[-1][1]:
            self._samples.clear()  # another process's counter: begin anew
        if not self._samples or now[0] - self._samples[-1][0] >= _SAMPLE_NS:
            self._samples.append(now)
        while len(self._samples) > 1 and now[0] - self._samples[1][0] >= _DAY_NS:
            self._samples.popleft()
        return now


def written_bytes(io: Path) -> int | None:
    """`write_bytes` of a process's io file; None where the kernel does not count, or tells others only."""
    found = re.search(r"^write_bytes: (\d{1,19})$", read_small(io), re.MULTILINE | re.ASCII)
    return int(found[1]) if found else None


def pace_mb_a_day(written: int, seconds: float) -> float:
    """Bytes over seconds as millions of bytes a day; less than an hour counts as an hour."""
    return written / 1e6 * _DAY_NS / NS_PER_S / max(seconds, _LEAST_NS / NS_PER_S)


def pace_condition(pace_mb: float, limits: DiskLimits) -> Condition:
    """A pace held against the budget."""
    text = f"writes {pace_mb:.0f} MB a day of {limits.budget_mb_a_day:g}"
    if pace_mb <= limits.budget_mb_a_day:
        return Condition("disk-writes", Level.OK, text)
    remedy = "a card wears out by this; keep fewer scenes and log lines, or raise budget_mb_a_day for a disk"
    return Condition("disk-writes", Level.WARN, f"{text}; {remedy}")


def room_condition(state: Path, room: Room, limits: DiskLimits) -> Condition:
    """Judge one reading of a disk."""
    if room.read_only:
        text = f"{state} is on a read-only disk; nothing is kept. See `dmesg`: a card that fails is set so; replace it"
        return Condition("disk", Level.BAD, text)
    if not room.writable:
        text = f"{state} may not be written by this user; sudo chown it, or choose another folder"
        return Condition("disk", Level.BAD, text)
    free = f"{room.free_mb / 1000:.1f} GB free" if room.free_mb >= 1000 else f"{room.free_mb:.0f} MB free"
    if room.free_mb < limits.full_mb or not room.files_left:
        what = free if room.files_left else "no file can be made"
        return Condition("disk", Level.BAD, f"{state} is on a full disk ({what}); free some, or nothing more is kept")
    if room.free_mb < limits.low_mb:
        return Condition("disk", Level.WARN, f"{state}: {free}; free some before it is full")
    return Condition("disk", Level.OK, f"{state}: {free}")


def unreadable(state: Path, error: OSError) -> Condition:
    """A folder that cannot even be looked at."""
    remedy = "make the folder, or choose another" if isinstance(error, FileNotFoundError) else "look at it as root"
    return Condition("disk", Level.BAD, f"{state}: {error.strerror}; {remedy}")


@dataclass(frozen=True)
class Volume:
    """Mount that a folder lies on: `device` as in /proc/mounts, and its filesystem."""

    device: str
    filesystem: str

    @property
    def is_card(self) -> bool:
        """An SD card or eMMC, which wears by what is written."""
        return _CARDS.match(self.device) is not None

    @property
    def is_fleeting(self) -> bool:
        """True for a filesystem in memory, which loses everything with the power."""
        return self.filesystem in _FLEETING


def volume_of(folder: Path, mounts: Path = Path("/proc/mounts")) -> Volume | None:
    """The mount that holds a folder; None if the kernel does not tell."""
    best: tuple[int, Volume] | None = None
    resolved = folder.resolve()
    for line in read_small(mounts).splitlines():
        words = line.split(" ")
        if len(words) < 3:
            continue
        point = Path(words[1].replace("\\040", " "))
        # The last of equally deep mounts lies on top of the others.
        if resolved.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), Volume(words[0], words[2]))
    return best[1] if best else None
