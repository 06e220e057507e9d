"""Timing all candidates in turns, so that whatever else the machine does strikes them all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from waste_edge.benchmarks.candidates import Candidate, Clock
from waste_edge.benchmarks.scenario import Scenario
from waste_edge.benchmarks.schema import Block, Latency, WarmUp

StepProgress = Callable[[str, int, int], None]  # called with what is being done, how much of it, and of how much

WINDOW_ROUNDS = 8
STEADY = 0.05  # how far two windows' medians may lie apart
STEADY_WINDOWS = 2  # so often in a row
P99_SAMPLES = 1000  # below, fewer than ten lie beyond the 99th percentile


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
