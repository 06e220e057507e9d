"""Timing every network of a bundle in turns, so that whatever else the machine does strikes them all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
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
    """The bare engine call on prepared pixels, in milliseconds."""

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
    """A loaded network that takes part, and its samples so far."""

    artifact: ArtifactName
    engine: Engine
    load_ms: float
    samples_ns: list[int] = field(default_factory=list)


def measure(bundle: Bundle, scenario: Scenario, progress: Progress, clock: Clock = time.perf_counter_ns) -> list[Row]:
    """One row for each of the four networks, measured or with the reason why not.

    Raises:
        MissingPackageError: no engine is installed that the bundle has a network for.
        BundleError, EngineError: a network that should run does not.
    """
    absent: dict[ArtifactName, Row] = {}
    candidates: list[_Candidate] = []
    for name in ARTIFACT_NAMES:
        row = _why_not(bundle, name)
        if row is None:
            candidates.append(_load(bundle, name, scenario, clock))
        else:
            absent[name] = row
    if not candidates:
        raise MissingPackageError(
            f"{bundle.source}: nothing to measure; " + "; ".join(r.reason for r in absent.values())
        )
    pictures = make_pictures(bundle.manifest.input, scenario.pictures, scenario.seed)
    _take_turns(candidates, pictures, scenario, progress, clock)
    measured = {candidate.artifact: _row(bundle, candidate) for candidate in candidates}
    return [absent.get(name) or measured[name] for name in ARTIFACT_NAMES]


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


def _load(bundle: Bundle, name: ArtifactName, scenario: Scenario, clock: Clock) -> _Candidate:
    path = bundle.artifact_path(name)
    engine = load_engine(path, name, bundle.manifest, scenario.threads)  # untimed: imports the engine's library
    durations_ns = []
    for _ in range(scenario.loads):
        started = clock()
        engine = load_engine(path, name, bundle.manifest, scenario.threads)
        durations_ns.append(clock() - started)
    return _Candidate(name, engine, float(np.median(durations_ns)) / 1e6)


def _take_turns(
    candidates: list[_Candidate], pictures: NDArray[np.uint8], scenario: Scenario, progress: Progress, clock: Clock
) -> None:
    """A B C D A B C D …, every network on the same picture in a round, until time and least rounds are reached."""
    for index in range(scenario.warmup_rounds):
        for candidate in candidates:
            candidate.engine.infer(pictures[index % len(pictures)])
    total_ms = round(scenario.seconds * 1000)
    begun, rounds, elapsed_ms = clock(), 0, 0.0
    gc.collect()
    gc.disable()  # a collection would land in one network's sample and not in another's
    try:
        while rounds < scenario.least_rounds or elapsed_ms < total_ms:
            picture = pictures[rounds % len(pictures)]
            for candidate in candidates:
                started = clock()
                candidate.engine.infer(picture)
                candidate.samples_ns.append(clock() - started)
            rounds += 1
            elapsed_ms = (clock() - begun) / 1e6
            progress(min(total_ms, round(elapsed_ms)), total_ms)
    finally:
        gc.enable()


def _row(bundle: Bundle, candidate: _Candidate) -> Row:
    p50, p90, p95 = (float(value) / 1e6 for value in np.percentile(candidate.samples_ns, (50, 90, 95)))
    return Row(
        artifact=candidate.artifact,
        engine=candidate.engine.name,
        status="measured",
        reason="",
        size_bytes=bundle.manifest.artifacts[candidate.artifact].size_bytes,
        load_ms=candidate.load_ms,
        latency=Latency(samples=len(candidate.samples_ns), p50_ms=p50, p90_ms=p90, p95_ms=p95),
    )
