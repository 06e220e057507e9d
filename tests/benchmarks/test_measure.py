"""Turns, warm-up and statistics, with a clock and engines made for the test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise

import msgspec
import pytest

from tests.benchmarks.reports import made_up_row
from waste_edge.benchmarks.candidates import Candidate
from waste_edge.benchmarks.measure import (
    STEADY_WINDOWS,
    WINDOW_ROUNDS,
    latency,
    ratio_interval,
    ratios_of,
    take_turns,
    warm_up,
)
from waste_edge.benchmarks.scenario import Scenario

SCENARIO = Scenario(seconds=1.0, least_samples=5, look_seconds=0.25, warm_up_seconds=100.0)


class Bench:
    """A machine whose time passes only while it infers."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.asked: list[tuple[str, int]] = []

    def clock(self) -> int:
        return self.now_ns

    def candidate(self, artifact: str, kind: str, durations_ms: Iterator[float]) -> Candidate:
        row = msgspec.structs.replace(made_up_row(artifact, kind, 1.0), latency=None)

        def infer(value: int) -> None:
            self.now_ns += round(next(durations_ms) * 1e6)
            self.asked.append((artifact, value))

        return Candidate(row, infer, [0, 1, 2, 3])

    def pair(self) -> list[Candidate]:
        return [
            self.candidate("onnx-fp32", "ours", iter(lambda: 12.0, 0)),
            self.candidate("onnx-int8", "ours", iter(lambda: 4.0, 0)),
        ]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def ignore(what: str, done: int, total: int) -> None:
    pass


def test_rows_take_turns_on_the_same_inputs_until_the_time_is_up(bench: Bench) -> None:
    looks: list[int] = []
    calls: list[tuple[str, int, int]] = []
    found = take_turns(
        bench.pair(), SCENARIO, lambda: looks.append(bench.now_ns), lambda *told: calls.append(told), bench.clock
    )
    names, inputs = zip(*bench.asked, strict=True)
    assert names == ("onnx-fp32", "onnx-int8") * 63, "1 s of rounds of 16 ms"
    assert inputs[::2] == inputs[1::2]
    assert len(set(inputs)) == 4
    fp32, int8 = found.values()
    assert (fp32.samples, fp32.p50_ms, fp32.max_ms, int8.p99_ms) == (63, 12.0, 12.0, 4.0)
    assert [block.samples for block in fp32.blocks] == [16, 16, 16, 15]
    assert len(looks) == 4, "one after each block"
    assert calls[-1] == ("measuring", 1000, 1000)
    assert all(before[1] <= after[1] for before, after in pairwise(calls))


def test_a_slow_machine_still_gets_its_least_samples(bench: Bench) -> None:
    scenario = Scenario(seconds=0.001, least_samples=7)
    found = take_turns(bench.pair(), scenario, lambda: None, ignore, bench.clock)
    assert [one.samples for one in found.values()] == [7, 7]


def test_the_warm_up_ends_when_every_row_is_steady(bench: Bench) -> None:
    falling = (10.0 if index < 3 * WINDOW_ROUNDS else 5.0 for index in count())
    warm = warm_up([bench.candidate("onnx-fp32", "ours", falling), *bench.pair()], SCENARIO, bench.clock)
    assert warm.steady
    # two windows are alike, the fourth is not, then two more
    assert warm.rounds == 3 * WINDOW_ROUNDS
    early = (10.0 if index < WINDOW_ROUNDS else 5.0 for index in count())
    warm = warm_up([bench.candidate("onnx-fp32", "ours", early)], SCENARIO, bench.clock)
    assert warm.rounds == (2 + STEADY_WINDOWS) * WINDOW_ROUNDS


def test_a_warm_up_that_never_gets_steady_says_so(bench: Bench) -> None:
    growing = (1.1**index for index in count())
    scenario = Scenario(warm_up_seconds=1.0)
    warm = warm_up([bench.candidate("onnx-fp32", "ours", growing)], scenario, bench.clock)
    assert not warm.steady
    assert warm.seconds >= 1.0


def test_percentiles_blocks_and_drift() -> None:
    found = latency([index * 1_000_000 for index in range(1, 12)], [(0.0, 0), (1.5, 4)])
    assert (found.p50_ms, found.p90_ms, found.p95_ms, found.max_ms) == (6.0, 10.0, 10.5, 11.0)
    assert [(block.at_s, block.samples, block.p50_ms) for block in found.blocks] == [(0.0, 4, 2.5), (1.5, 7, 8.0)]
    assert len(found.percentiles_ms) == 101
    assert found.drift == 8.5 / 3
    assert found.p99_indicative
    assert not latency([1] * 1000, [(0.0, 0)]).p99_indicative


def test_ratios_name_their_rows(bench: Bench) -> None:
    fp32, int8 = bench.pair()
    bare = bench.candidate("onnx-int8", "bare", iter(lambda: 2.0, 0))
    take_turns([fp32, int8, bare], SCENARIO, lambda: None, ignore, bench.clock)
    for one in (fp32, int8):
        one.network = "made up"  # type: ignore[assignment]
    found = {ratio.what: ratio for ratio in ratios_of([fp32, int8, bare], seed=0)}
    assert set(found) == {"fp32 over int8", "ours over bare"}
    speedup, overhead = found["fp32 over int8"], found["ours over bare"]
    assert (speedup.numerator, speedup.denominator) == (fp32.key, int8.key)
    assert (speedup.value, speedup.low, speedup.high) == (3.0, 3.0, 3.0)
    assert (overhead.numerator, overhead.denominator, overhead.value) == (int8.key, bare.key, 2.0)


def test_a_ratios_interval_narrows_with_samples_and_is_the_same_each_time() -> None:
    import numpy as np

    widths = []
    for count_ in (100, 10_000):
        generator = np.random.default_rng(1)
        above, below = (level * generator.lognormal(0, 0.2, count_) * 1e6 for level in (3.0, 2.0))
        value, low, high = ratio_interval(above.astype(int).tolist(), below.astype(int).tolist(), 0)
        assert low < 1.5 < high
        assert low <= value <= high
        widths.append(high - low)
        assert ratio_interval(above.astype(int).tolist(), below.astype(int).tolist(), 0) == (value, low, high)
    assert widths[1] < widths[0] / 4
