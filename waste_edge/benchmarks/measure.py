"""Timing all candidates in turns, which strikes them all alike, and the ratios of their latencies, round by round."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waste_edge.benchmarks.candidates import Candidate, Clock
from waste_edge.benchmarks.scenario import Scenario
from waste_edge.benchmarks.schema import Block, Latency, Ratio, WarmUp

StepProgress = Callable[[str, int, int], None]  # called with what is being done, how much of it, and of how much

WINDOW_ROUNDS = 8
STEADY = 0.05  # how far two windows' medians may lie apart
STEADY_WINDOWS = 2  # so often in a row
P99_SAMPLES = 1000  # below, fewer than ten lie beyond the 99th percentile
RESAMPLES = 1000
_BLOCKS = 64  # what is drawn are stretches of rounds, since neighbours in time resemble each other
_MOST = 4096  # rounds; of more, evenly many are left out

Floats = NDArray[np.float64]


def warm_up(candidates: Sequence[Candidate], scenario: Scenario, clock: Clock = time.perf_counter_ns) -> WarmUp:
    """Rounds until every row is steady, or `warm_up_seconds` have passed.

    Steady: the median of each row's eight rounds lies within 5 % of that of the eight before, twice in a row.
    """
    stopwatch = stopwatch_of(scenario, clock)
    begun, rounds, steady_since = clock(), 0, 0
    before: list[float] = []
    while steady_since < STEADY_WINDOWS and (clock() - begun) / 1e9 < scenario.warm_up_seconds:
        samples: list[list[int]] = [[] for _ in candidates]
        for _ in range(WINDOW_ROUNDS):
            _round(candidates, rounds, stopwatch, samples)
            rounds += 1
        medians = [float(np.median(row)) for row in samples]
        near = bool(before) and all(abs(now - then) <= STEADY * then for now, then in zip(medians, before, strict=True))
        steady_since = steady_since + 1 if near else 0
        before = medians
    return WarmUp(rounds=rounds, seconds=(clock() - begun) / 1e9, steady=steady_since >= STEADY_WINDOWS)


def take_turns(
    candidates: Sequence[Candidate],
    scenario: Scenario,
    look: Callable[[], None],
    progress: StepProgress,
    clock: Clock = time.perf_counter_ns,
) -> dict[str, Latency]:
    """A B C D A B C D … until time and least samples are reached; each row's latency by key.

    Args:
        look: is called between rounds every `look_seconds`, and at the end: a look at the board.
    """
    total_ms = round(scenario.seconds * 1000)
    stopwatch = stopwatch_of(scenario, clock)
    samples = [candidate.samples_ns for candidate in candidates]
    begun, rounds, elapsed_ms = clock(), 0, 0.0
    marks: list[tuple[float, int]] = [(0.0, 0)]  # where blocks begin: seconds and round
    gc.collect()
    gc.disable()  # a collection would land in one row's sample and not in another's
    try:
        while rounds < scenario.least_samples or elapsed_ms < total_ms:
            _round(candidates, rounds, stopwatch, samples)
            rounds += 1
            elapsed_ms = (clock() - begun) / 1e6
            if elapsed_ms / 1000 - marks[-1][0] >= scenario.look_seconds:
                look()
                progress("measuring", min(total_ms, round(elapsed_ms)), total_ms)
                marks.append(((clock() - begun) / 1e9, rounds))
    finally:
        gc.enable()
    look()
    progress("measuring", total_ms, total_ms)
    return {candidate.key: latency(candidate.samples_ns, marks) for candidate in candidates}


def stopwatch_of(scenario: Scenario, clock: Clock) -> Clock:
    """Choose the clock: for CPU time that of this thread, since engines with one thread work in it."""
    return time.thread_time_ns if scenario.time == "cpu" else clock


def _round(candidates: Sequence[Candidate], number: int, stopwatch: Clock, samples: Sequence[list[int]]) -> None:
    """Ask every candidate once, about the same picture where they take the same."""
    for candidate, taken in zip(candidates, samples, strict=True):
        value = candidate.values[number % len(candidate.values)]
        started = stopwatch()
        candidate.infer(value)
        taken.append(stopwatch() - started)


def latency(samples_ns: Sequence[int], marks: Sequence[tuple[float, int]]) -> Latency:
    """Percentiles of one row's samples, and their medians through time.

    Args:
        samples_ns: at least one.
        marks: second and round at which each block began; the first is (0, 0).
    """
    samples = np.asarray(samples_ns, np.float64) / 1e6
    points = [float(value) for value in np.percentile(samples, range(101))]
    return Latency(
        samples=len(samples),
        p50_ms=points[50],
        p90_ms=points[90],
        p95_ms=points[95],
        p99_ms=points[99],
        max_ms=points[100],
        p99_indicative=len(samples) < P99_SAMPLES,
        percentiles_ms=[round(value, 6) for value in points],
        blocks=_blocks(samples, marks),
        drift=_drift(samples),
    )


def _blocks(samples: NDArray[np.float64], marks: Sequence[tuple[float, int]]) -> list[Block]:
    begins = [begin for _, begin in marks]
    return [
        Block(at_s=round(at_s, 3), samples=end - begin, p50_ms=round(float(np.median(samples[begin:end])), 6))
        for (at_s, begin), end in zip(marks, [*begins[1:], len(samples)], strict=True)
        if end > begin
    ]


def _drift(samples: NDArray[np.float64]) -> float:
    half = len(samples) // 2
    first = float(np.median(samples[:half])) if half else 0.0
    return float(np.median(samples[half:])) / first if first > 0 else 1.0


def ratio_interval(above: Sequence[int], below: Sequence[int], seed: int) -> tuple[float, float, float]:
    """Median over median, and its 95 % interval from a block bootstrap of the rounds.

    Args:
        above, below: samples of two rows, one a round of both.
        seed: of the draw.
    """
    top, bottom = _thinned(above), _thinned(below)
    count = min(_BLOCKS, len(top))
    size = len(top) // count
    stretches = [values[: count * size].reshape(count, size) for values in (top, bottom)]
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    medians = [np.median(values[drawn].reshape(RESAMPLES, -1), axis=1) for values in stretches]
    low, high = np.percentile(medians[0] / np.maximum(medians[1], 1.0), (2.5, 97.5))
    return float(np.median(above)) / max(1.0, float(np.median(below))), float(low), float(high)


def _thinned(samples: Sequence[int]) -> Floats:
    values = np.asarray(samples, np.float64)
    return values if len(values) <= _MOST else values[np.linspace(0, len(values) - 1, _MOST).round().astype(int)]


def ratios_of(candidates: Sequence[Candidate], seed: int) -> list[Ratio]:
    """FP32 over INT8, ours over bare, and the first bundle over each other one."""
    by_key = {candidate.key: candidate for candidate in candidates}
    first = next((one.row.subject for one in candidates if one.ours), "")
    made: list[Ratio] = []
    for one in candidates:
        if one.ours is None:
            continue
        tail = one.key.removeprefix(f"{one.row.subject}/")
        if one.row.precision == "int8" and (fp32 := by_key.get(one.key.replace("-int8/", "-fp32/"))):
            made.append(_ratio("fp32 over int8", fp32, one, seed))
        if bare := by_key.get(one.key.removesuffix("ours") + "bare"):
            made.append(_ratio("ours over bare", one, bare, seed))
        if one.row.subject != first and (other := by_key.get(f"{first}/{tail}")):
            made.append(_ratio("first over this", other, one, seed))
    return sorted(made, key=lambda ratio: ratio.what)


def _ratio(
    what: Literal["fp32 over int8", "ours over bare", "first over this"], above: Candidate, below: Candidate, seed: int
) -> Ratio:
    value, low, high = ratio_interval(above.samples_ns, below.samples_ns, seed)
    return Ratio(what=what, numerator=above.key, denominator=below.key, value=value, low=low, high=high)
