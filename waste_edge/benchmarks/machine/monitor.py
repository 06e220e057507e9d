"""Watching the board while it is measured: heat, clock, power, other programs, swap. What disturbs makes no evidence.

One look costs a millisecond and falls between two blocks of samples, never into one. What counts as a disturbance
is in `judge`; `docs/benchmarks.md` has the limits in a table.

The memory of a process and its children is the kernel's own count.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from waste_edge.benchmarks.schema import Disturbance, Look, Trouble, Watched
from waste_edge.device.system.board import NO_TROUBLE, Board, Throttled, read_small

FOREIGN_PEAK, FOREIGN_MEAN = 0.25, 0.10  # cores that other processes may take: in one look, and on average
STOLEN_PEAK, STOLEN_MEAN = 0.25, 0.05  # that the hypervisor may take
FREQUENCY_DRIFT = 0.10  # of the highest clock, while working
HOT_PI_C, HOT_C = 80.0, 95.0  # a Pi's firmware slows down from 80 on; others tell less clearly
SWAPPED_PAGES = 256  # 1 MiB between two looks
_LEAST_S = 0.2  # the kernel counts processor time in hundredths of a second; less says nothing
_SETTLE_S = 0.5

Clock = Callable[[], int]  # nanoseconds
PROC = Path("/proc")


def own_cpu_s() -> float:
    """Processor time of this process and of the children that it has waited for."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


@dataclass(frozen=True)
class _Counters:
    """Counters of the machine up to a moment; None for those that it does not provide.

    Attributes:
        at_s: the moment.
        own_s: processor time of ours.
        used: seconds that all cores together worked, and that the hypervisor took from them.
        swapped: pages, in and out.
    """

    at_s: float
    own_s: float
    used: tuple[float, float] | None
    swapped: int | None

    def taken_since(self, last: _Counters) -> tuple[float | None, float | None]:
        """Cores that other processes took, and that the hypervisor took; None where too little time has passed."""
        seconds = self.at_s - last.at_s
        if self.used is None or last.used is None or seconds < _LEAST_S:
            return None, None
        foreign = self.used[0] - last.used[0] - (self.own_s - last.own_s)
        return max(0.0, foreign / seconds), max(0.0, (self.used[1] - last.used[1]) / seconds)


class BoardMonitor:
    """Looks at a board again and again.

    Args:
        board: what is looked at; its root is where /proc/stat and /proc/vmstat are read, too.
        clock: nanoseconds; drawn time in tests.
        own_s: processor time that is ours.
    """

    def __init__(
        self, board: Board, clock: Clock = time.perf_counter_ns, own_s: Callable[[], float] = own_cpu_s
    ) -> None:
        self.looks: list[Look] = []
        self.pi = board.read().is_raspberry_pi
        self._board, self._clock, self._own_s = board, clock, own_s
        self._began_ns = clock()
        self._last: _Counters | None = None

    def before(self) -> None:
        """Look twice, half a second apart in which we do nothing: whatever works then is somebody else."""
        self.look(working=False)
        time.sleep(_SETTLE_S)
        self.look(working=False)

    def look(self, working: bool) -> None:
        """Look once more; `working` if rows were being timed until now."""
        readings = self._board.read()
        now = _Counters(
            (self._clock() - self._began_ns) / 1e9, self._own_s(), _used(self._board), _swapped(self._board)
        )
        last = self._last or now
        foreign, stolen = now.taken_since(last)
        too_soon = self._last is not None and now.at_s - last.at_s < _LEAST_S
        pages = None if now.swapped is None or last.swapped is None else max(0, now.swapped - last.swapped)
        self._last = replace(last, swapped=now.swapped) if too_soon else now
        self.looks.append(
            Look(
                at_s=round(now.at_s, 3),
                working=working,
                temperature_c=readings.temperature_c,
                throttled=_bits(readings.throttled),
                frequency_mhz=readings.frequency_mhz,
                governor=readings.governor,
                foreign_cores=None if foreign is None else round(foreign, 4),
                stolen_cores=None if stolen is None else round(stolen, 4),
                swapped_pages=pages,
            )
        )

    def watched(self) -> Watched:
        """Summarize the readings for the report."""
        return Watched(looks=list(self.looks), unwatched=unwatched(self.looks), notes=notes(self.looks))

    def disturbances(self, kind: Literal["wall", "cpu"]) -> list[Disturbance]:
        """Name the disturbances of the run; see `assess`."""
        return judge(self.looks, kind, self.pi)


def _used(board: Board) -> tuple[float, float] | None:
    """Seconds that all cores together worked, and that the hypervisor took from them, since boot."""
    fields = read_small(board.root / "proc/stat").partition("\n")[0].split()
    if fields[:1] != ["cpu"] or len(fields) < 9 or not all(field.isdigit() for field in fields[1:9]):
        return None
    user, nice, system, _, _, irq, softirq, steal = (int(field) / os.sysconf("SC_CLK_TCK") for field in fields[1:9])
    return user + nice + system + irq + softirq, steal


def _swapped(board: Board) -> int | None:
    """Pages swapped in and out since boot."""
    lines = [line.split() for line in read_small(board.root / "proc/vmstat").splitlines()]
    counts = [int(words[1]) for words in lines if len(words) == 2 and words[0] in ("pswpin", "pswpout")]
    return sum(counts) if counts else None


def _bits(throttled: Throttled | None) -> int | None:
    return None if throttled is None else throttled.now | throttled.since_boot << 16


def judge(looks: Sequence[Look], kind: Literal["wall", "cpu"], pi: bool) -> list[Disturbance]:
    """Name the disturbances of a run, each kind once, by its worst reading.

    Args:
        looks: the first before the run, the last after it.
        kind: in CPU time other programs' work does not count, since that time is not ours.
        pi: the board is a Raspberry Pi.
    """
    found = [_throttled(looks), _clock(looks), _heat(looks, HOT_PI_C if pi else HOT_C), _governor(looks), _swap(looks)]
    if kind == "wall":
        found.append(_taken(looks, "load", "other processes", (FOREIGN_PEAK, FOREIGN_MEAN), "end them"))
        found.append(_taken(looks, "steal", "the hypervisor", (STOLEN_PEAK, STOLEN_MEAN), "take an idle host"))
    return sorted((one for one in found if one is not None), key=lambda one: one.at_s)


def _throttled(looks: Sequence[Look]) -> Disturbance | None:
    before = next((look.throttled for look in looks if look.throttled is not None), 0) or 0
    for look in looks:
        if look.throttled is None:
            continue
        state = Throttled.from_bits(look.throttled)
        news = state.since_boot & ~Throttled.from_bits(before).since_boot
        if (state.now | news) != NO_TROUBLE:
            words = (state.now | news).words
            return _disturbance("throttled", look, f"the firmware says: {words}; mend the supply or the cooling")
    return None


def _clock(looks: Sequence[Look]) -> Disturbance | None:
    known = [(look.frequency_mhz, look) for look in looks if look.working and look.frequency_mhz is not None]
    if not known:
        return None
    (low, slowest), high = min(known, key=lambda one: one[0]), max(one[0] for one in known)
    if high - low <= FREQUENCY_DRIFT * high:
        return None
    return _disturbance(
        "frequency",
        slowest,
        f"the clock ran at {low:.0f} to {high:.0f} MHz while working; set the governor to performance",
    )


def _heat(looks: Sequence[Look], limit_c: float) -> Disturbance | None:
    known = [(look.temperature_c, look) for look in looks if look.temperature_c is not None]
    if not known or max(one[0] for one in known) < limit_c:
        return None
    warmest, look = max(known, key=lambda one: one[0])
    return _disturbance("temperature", look, f"{warmest:.0f} °C, {limit_c:.0f} or more; cool the board")


def _governor(looks: Sequence[Look]) -> Disturbance | None:
    known = [look for look in looks if look.governor is not None]
    for look in known:
        if look.governor != known[0].governor:
            return _disturbance(
                "governor", look, f"it changed from {known[0].governor} to {look.governor}; leave it be"
            )
    return None


def _swap(looks: Sequence[Look]) -> Disturbance | None:
    for look in looks:
        if look.swapped_pages is not None and look.swapped_pages > SWAPPED_PAGES:
            return _disturbance("swap", look, f"{look.swapped_pages} pages went to or from the disk; free some memory")
    return None


def _taken(
    looks: Sequence[Look], what: Literal["load", "steal"], who: str, limits: tuple[float, float], remedy: str
) -> Disturbance | None:
    """Check whether other programs took more of the processor than `limits`, at the worst and on average, allow."""
    spans = [(after, after.at_s - before.at_s) for before, after in _spans(looks)]
    parts = [(look.foreign_cores if what == "load" else look.stolen_cores, seconds, look) for look, seconds in spans]
    known = [(cores, seconds, look) for cores, seconds, look in parts if cores is not None]
    if not known:
        return None
    mean = sum(cores * seconds for cores, seconds, _ in known) / sum(seconds for _, seconds, _ in known)
    peak, _, worst = max(known, key=lambda one: one[0])
    if peak <= limits[0] and mean <= limits[1]:
        return None
    return _disturbance(what, worst, f"{who} took up to {peak:.2f} cores, {mean:.2f} on average; {remedy}, run again")


def _spans(looks: Sequence[Look]) -> list[tuple[Look, Look]]:
    """Neighbours among the looks that tell the load: each speaks of the time since the one before it."""
    told = [look for index, look in enumerate(looks) if index == 0 or look.foreign_cores is not None]
    return list(pairwise(told))


def _disturbance(what: Trouble, look: Look, text: str) -> Disturbance:
    return Disturbance(what=what, at_s=look.at_s, text=text)


def unwatched(looks: Sequence[Look]) -> list[str]:
    """Name the quantities that no reading provided."""
    told: dict[str, Sequence[object]] = {
        "temperature": [look.temperature_c for look in looks],
        "throttle bits": [look.throttled for look in looks],
        "frequency": [look.frequency_mhz for look in looks],
        "governor": [look.governor for look in looks],
        "load of other processes": [look.foreign_cores for look in looks],
        "swap": [look.swapped_pages for look in looks],
    }
    return [words for words, values in told.items() if all(value is None for value in values)]


def notes(looks: Sequence[Look]) -> list[str]:
    """Note conditions that may have shaped the figures without disturbing the run."""
    said = []
    first = looks[0]
    if first.throttled is not None and (earlier := Throttled.from_bits(first.throttled).since_boot) != NO_TROUBLE:
        said.append(f"before this run, since boot: {earlier.words}")
    if first.governor is not None and first.governor != "performance":
        said.append(f"governor {first.governor}: the clock follows the load; performance holds it")
    return said


@dataclass(frozen=True)
class Memory:
    """Memory of a process, in millions of bytes.

    Attributes:
        pss_mb: all pages, each shared one divided by those who share it.
        anonymous_mb: pages that belong to no file: what a program that leaks has more and more of.
    """

    pss_mb: float
    anonymous_mb: float


def process_tree(pid: int) -> list[int]:
    """A process, its children, and theirs."""
    pids = [pid]
    for task in (PROC / str(pid) / "task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            pids += process_tree(int(child))
    return pids


def memory_of(pids: list[int]) -> Memory:
    """The sum over some processes.

    Raises:
        OSError: one of them is gone, or belongs to somebody else.
    """
    texts = [(PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii") for pid in pids]
    return Memory(sum(_mb(text, "Pss") for text in texts), sum(_mb(text, "Anonymous") for text in texts))


def _mb(text: str, key: str) -> float:
    found = re.search(rf"^{key}: +(\d+) kB$", text, re.MULTILINE)
    if found is None:
        raise OSError(f"smaps_rollup has no line {key}; this kernel does not count it")
    return int(found[1]) * 1024 / 1e6
