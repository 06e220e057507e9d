"""Timing every network of some bundles in turns, so that whatever else the machine does strikes them all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waste_edge.benchmarks.scenario import Scenario, make_pictures
from waste_edge.bundle import Bundle
from waste_edge.engines.engine import Engine, engine_of, load_engine, require_engine
from waste_edge.errors import MissingPackageError
from waste_edge.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.strict import Strict

Progress = Callable[[int, int], None]  # called with milliseconds done and in all
Clock = Callable[[], int]  # nanoseconds


class Latency(Strict, frozen=True):
    """The bare engine call on prepared pixels, in milliseconds of the scenario's kind of time."""

    samples: int
    p50_ms: float
    p90_ms: float
    p95_ms: float


class Row(Strict, frozen=True):
    """One network on one engine.

    Attributes:
        artifact: which network.
        engine: what runs it, with its version once it has loaded.
        status: `measured`; `not installed`, its engine; `not in bundle`, the network.
        reason: why it was not measured, with the remedy; empty if it was.
        size_bytes: of the file; None if the bundle lacks it.
        load_ms: median time from the file to the first answer, the engine's library being imported already.
        latency: None unless measured.
    """

    artifact: ArtifactName
    engine: str
    status: Literal["measured", "not installed", "not in bundle"]
    reason: str
    size_bytes: int | None
    load_ms: float | None
    latency: Latency | None


@dataclass
class _Candidate:
    """A loaded network that takes part, the pictures of its input's size, and its samples so far."""

    bundle: Bundle
    artifact: ArtifactName
    engine: Engine
    pictures: NDArray[np.uint8]  # (N, H, W, 3)
    load_ms: float
    samples_ns: list[int] = field(default_factory=list)


def measure(bundle: Bundle, scenario: Scenario, progress: Progress, clock: Clock = time.perf_counter_ns) -> list[Row]:
    """One row for each of the four networks, measured or with the reason why not; errors as in `measure_together`."""
    return measure_together([bundle], scenario, progress, clock)[0]


def measure_together(
    bundles: Sequence[Bundle], scenario: Scenario, progress: Progress, clock: Clock = time.perf_counter_ns
) -> list[list[Row]]:
    """For each bundle the rows of its four networks, all timed in the same turns.

    Raises:
        MissingPackageError: no engine is installed that the bundle has a network for.
        BundleError, EngineError: a network that should run does not.
    """
    absent: list[dict[ArtifactName, Row]] = []
    candidates: list[_Candidate] = []
    for bundle in bundles:
        reasons = {name: row for name in ARTIFACT_NAMES if (row := _why_not(bundle, name)) is not None}
        pictures = make_pictures(bundle.manifest.input, scenario.pictures, scenario.seed)
        present = [name for name in ARTIFACT_NAMES if name not in reasons]
        candidates += [_load(bundle, name, pictures, scenario, clock) for name in present]
        absent.append(reasons)
    if not candidates:
        why = "; ".join(row.reason for row in absent[0].values())
        raise MissingPackageError(f"{bundles[0].source}: nothing to measure; {why}")
    _take_turns(candidates, scenario, progress, clock)
    measured = {(id(candidate.bundle), candidate.artifact): _row(candidate) for candidate in candidates}
    return [
        [reasons.get(name) or measured[id(bundle), name] for name in ARTIFACT_NAMES]
        for bundle, reasons in zip(bundles, absent, strict=True)
    ]


def _why_not(bundle: Bundle, name: ArtifactName) -> Row | None:
    """The row of a network that cannot be measured here; None if it can."""
    artifact, engine = bundle.manifest.artifacts.get(name), engine_of(name)
    status: Literal["not installed", "not in bundle"] = "not installed"
    try:
        require_engine(engine)
        if artifact is not None:
            return None
        status, reason = "not in bundle", f"{bundle.manifest.name} has no {name}"
    except MissingPackageError as error:
        reason = str(error)
    return Row(
        artifact=name,
        engine=engine,
        status=status,
        reason=reason,
        size_bytes=artifact.size_bytes if artifact else None,
        load_ms=None,
        latency=None,
    )


def _load(
    bundle: Bundle, name: ArtifactName, pictures: NDArray[np.uint8], scenario: Scenario, clock: Clock
) -> _Candidate:
    path = bundle.artifact_path(name)
    engine = load_engine(path, name, bundle.manifest, scenario.threads)  # untimed: imports the engine's library
    durations_ns = []
    for _ in range(scenario.loads):
        started = clock()
        engine = load_engine(path, name, bundle.manifest, scenario.threads)
        durations_ns.append(clock() - started)
    return _Candidate(bundle, name, engine, pictures, float(np.median(durations_ns)) / 1e6)


def _take_turns(candidates: list[_Candidate], scenario: Scenario, progress: Progress, clock: Clock) -> None:
    """A B C D A B C D …, a bundle's all on the same picture in a round, until time and least rounds are reached."""
    for index in range(scenario.warmup_rounds):
        for candidate in candidates:
            candidate.engine.infer(candidate.pictures[index % scenario.pictures])
    total_ms = round(scenario.seconds * 1000)
    stopwatch = time.thread_time_ns if scenario.time == "cpu" else clock  # with one thread, engines work in this one
    begun, rounds, elapsed_ms = clock(), 0, 0.0
    gc.collect()
    gc.disable()  # a collection would land in one network's sample and not in another's
    try:
        while rounds < scenario.least_rounds or elapsed_ms < total_ms:
            for candidate in candidates:
                picture = candidate.pictures[rounds % scenario.pictures]
                started = stopwatch()
                candidate.engine.infer(picture)
                candidate.samples_ns.append(stopwatch() - started)
            rounds += 1
            elapsed_ms = (clock() - begun) / 1e6
            progress(min(total_ms, round(elapsed_ms)), total_ms)
    finally:
        gc.enable()


def _row(candidate: _Candidate) -> Row:
    p50, p90, p95 = (float(value) / 1e6 for value in np.percentile(candidate.samples_ns, (50, 90, 95)))
    return Row(
        artifact=candidate.artifact,
        engine=candidate.engine.name,
        status="measured",
        reason="",
        size_bytes=candidate.bundle.manifest.artifacts[candidate.artifact].size_bytes,
        load_ms=candidate.load_ms,
        latency=Latency(samples=len(candidate.samples_ns), p50_ms=p50, p90_ms=p90, p95_ms=p95),
    )
