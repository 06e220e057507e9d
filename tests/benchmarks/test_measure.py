"""Turns, statistics and reasons, with a clock and engines made for the test."""

from __future__ import annotations

from itertools import count, pairwise

import numpy as np
import pytest

from waste_edge.benchmarks import measure as measure_module
from waste_edge.benchmarks.measure import measure
from waste_edge.benchmarks.report import speedups_of
from waste_edge.benchmarks.scenario import Scenario
from waste_edge.bundle import Bundle
from waste_edge.engines.engine import Output
from waste_edge.errors import MissingPackageError
from waste_edge.frames import Pixels
from waste_edge.manifest import ArtifactName

DURATION_MS = {"onnx-fp32": 12, "onnx-int8": 4}
SCENARIO = Scenario(seconds=1.0, warmup_rounds=2, least_rounds=5, loads=3, pictures=4)


class Bench:
    """A machine whose time passes only while it loads (100 ms) or infers."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.asked: list[tuple[str, int]] = []

    def clock(self) -> int:
        return self.now_ns

    def load(self, path: object, artifact: ArtifactName, manifest: object, threads: int) -> Stopwatch:
        self.now_ns += 100_000_000
        return Stopwatch(self, artifact)


class Stopwatch:
    """An engine that takes as long as DURATION_MS says."""

    name = "stopwatch 1.0"

    def __init__(self, bench: Bench, artifact: ArtifactName) -> None:
        self.bench, self.artifact = bench, artifact

    def infer(self, pixels: Pixels) -> Output:
        self.bench.now_ns += DURATION_MS[self.artifact] * 1_000_000
        self.bench.asked.append((self.artifact, int(pixels.sum())))
        return Output(np.zeros(3, np.float32), np.zeros(3, np.float32))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    monkeypatch.setattr(measure_module, "load_engine", made.load)
    return made


def ignore(done: int, total: int) -> None:
    pass


def test_rows_hold_what_the_clock_said(bench: Bench, opened_tiny: Bundle) -> None:
    fp32, int8, *absent = measure(opened_tiny, SCENARIO, ignore, bench.clock)
    assert fp32.latency is not None
    assert int8.latency is not None
    assert (fp32.latency.p50_ms, fp32.latency.p90_ms, fp32.latency.p95_ms) == (12.0, 12.0, 12.0)
    assert (int8.latency.p50_ms, int8.load_ms, int8.engine) == (4.0, 100.0, "stopwatch 1.0")
    assert fp32.latency.samples == int8.latency.samples == 63, "1 s of rounds of 16 ms"
    assert fp32.size_bytes == opened_tiny.manifest.artifacts["onnx-fp32"].size_bytes
    assert [row.status for row in absent] == ["not in bundle"] * 2
    (speedup,) = speedups_of([fp32, int8, *absent])
    assert (speedup.engine, speedup.fp32_over_int8) == ("onnx", 3.0)


def test_networks_take_turns_on_the_same_pictures(bench: Bench, opened_tiny: Bundle) -> None:
    measure(opened_tiny, SCENARIO, ignore, bench.clock)
    names, pictures = zip(*bench.asked, strict=True)
    assert names == ("onnx-fp32", "onnx-int8") * (2 + 63)
    assert pictures[::2] == pictures[1::2]
    assert len(set(pictures)) == SCENARIO.pictures


def test_a_slow_machine_still_gets_its_least_rounds(bench: Bench, opened_tiny: Bundle) -> None:
    row, *_ = measure(opened_tiny, Scenario(seconds=0.001, least_rounds=7), ignore, bench.clock)
    assert row.latency is not None
    assert row.latency.samples == 7


def test_progress_ends_at_the_total(bench: Bench, opened_tiny: Bundle) -> None:
    calls: list[tuple[int, int]] = []
    measure(opened_tiny, SCENARIO, lambda done, total: calls.append((done, total)), bench.clock)
    assert calls[-1] == (1000, 1000)
    assert all(before < after for (before, _), (after, _) in pairwise(calls))


def test_percentiles(bench: Bench, opened_tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    durations = count(1)

    def infer(self: Stopwatch, pixels: Pixels) -> Output:
        bench.now_ns += next(durations) * 1_000_000
        return Output(np.zeros(3, np.float32), np.zeros(3, np.float32))

    monkeypatch.setattr(Stopwatch, "infer", infer)
    scenario = Scenario(seconds=0.001, warmup_rounds=1, least_rounds=11)
    row, *_ = measure(opened_tiny, scenario, ignore, bench.clock)  # 3, 5, … 23 ms after the warm-up
    assert row.latency is not None
    assert (row.latency.p50_ms, row.latency.p90_ms, row.latency.p95_ms) == (13.0, 21.0, 22.0)


def test_nothing_to_measure(opened_tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waste_edge.engines.engine.installed_engines", list)
    with pytest.raises(MissingPackageError, match="nothing to measure; engine onnx: not installed"):
        measure(opened_tiny, SCENARIO, ignore)


def test_real_engines(opened_tiny: Bundle) -> None:
    row, *_ = measure(opened_tiny, Scenario(seconds=0.05, threads=2), ignore)
    assert row.latency is not None
    assert row.load_ms is not None
    assert 0 < row.latency.p50_ms <= row.latency.p90_ms <= row.latency.p95_ms
    assert row.load_ms > 0
