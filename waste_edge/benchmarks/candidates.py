"""Candidates of a benchmark: each network of each bundle or file, loaded on its engine, its inputs made ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from waste_edge.benchmarks.baseline import SUFFIXES, Array, Plain, inputs_for, open_plain, picture_size
from waste_edge.benchmarks.scenario import Scenario, make_pictures
from waste_edge.benchmarks.schema import Row, RowKind, Status, Subject
from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.engines.engine import engine_of, require_engine
from waste_edge.engines.trial.trial import ensure_tried, load_artifact
from waste_edge.errors import MissingPackageError
from waste_edge.files.atomic import sha256_of

Given = Bundle | Path  # a bundle, or a network's file
Clock = Callable[[], int]  # nanoseconds


@dataclass
class Candidate:
    """A loaded network that takes part.

    Attributes:
        row: what is known of it before it is timed.
        infer: the call that is timed; takes one of `values`.
        values: the inputs that take turns.
        bundle, artifact: where it is from; None for a lone file.
        plain: what runs a lone file; None otherwise.
        samples_ns: one a round.
    """

    row: Row
    infer: Callable[[Any], object]
    values: Sequence[Any]
    bundle: Bundle | None = None
    artifact: ArtifactName | None = None
    plain: Plain | None = None
    samples_ns: list[int] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.row.key

    @property
    def ours(self) -> tuple[Bundle, ArtifactName] | None:
        """A bundle and its artifact, if this runs it as a station does; None for bare loops and files."""
        if self.bundle is None or self.artifact is None or self.row.kind == "bare":
            return None
        return self.bundle, self.artifact


@dataclass(frozen=True)
class Field:
    """Candidates and rows of a benchmark: subjects, rows that cannot be measured here, and candidates that can."""

    subjects: list[Subject]
    absent: list[Row]
    candidates: list[Candidate]


def load_field(given: Sequence[Given], scenario: Scenario, clock: Clock = time.perf_counter_ns) -> Field:
    """Load every network, several times to time that.

    All that run through our interface come first, then the same files in plain loops, so that each of the two has
    the same predecessor in a round, and finds the caches as that leaves them.

    Raises:
        MissingPackageError: no engine is installed that anything given has a network for.
        BundleError, EngineError: a network that should run does not.
    """
    subjects = _subjects(given)
    absent: list[Row] = []
    ours: list[Candidate] = []
    baseline: list[Candidate] = []
    for one, subject in zip(given, subjects, strict=True):
        if isinstance(one, Path):
            row = _why_not_file(one, subject, scenario)
            absent += [row] if row else []
            baseline += [] if row else [_file(one, subject, scenario, threads, clock) for threads in scenario.threads]
            continue
        pictures = make_pictures(one.manifest.input, scenario.pictures, scenario.seed)
        for name in ARTIFACT_NAMES:
            row = _why_not(one, subject, name, scenario)
            if row is not None:
                absent.append(row)
                continue
            for threads in scenario.threads:
                ours.append(_ours(one, subject, name, pictures, scenario, threads, clock))
                baseline.append(_baseline(one, subject, name, pictures, scenario, threads, clock))
    if not ours and not baseline:
        why = "; ".join(dict.fromkeys(row.reason for row in absent))
        raise MissingPackageError(f"{subjects[0].name}: nothing to measure; {why}")
    return Field([_with_size(subject, baseline) for subject in subjects], absent, [*ours, *baseline])


def _subjects(given: Sequence[Given]) -> list[Subject]:
    """One each; a name that occurs again gets a number."""
    made: list[Subject] = []
    for one in given:
        base = one.name if isinstance(one, Path) else one.manifest.name
        taken = sum(subject.name.partition("#")[0] == base for subject in made)
        name = f"{base}#{taken + 1}" if taken else base
        made.append(_subject_of_file(one, name) if isinstance(one, Path) else subject_of(one, name))
    return made


def subject_of(bundle: Bundle, name: str) -> Subject:
    """Describe a bundle as a report's subject."""
    manifest = bundle.manifest
    return Subject(
        name=name,
        kind="bundle",
        version=manifest.version,
        digest=bundle.digest,
        recipe=manifest.provenance.recipe,
        input_px=(manifest.input.width_px, manifest.input.height_px),
        parameters=manifest.parameters,
        macs=max(artifact.macs for artifact in manifest.artifacts.values()),
    )


def _subject_of_file(path: Path, name: str) -> Subject:
    return Subject(
        name=name,
        kind="file",
        version="",
        digest=sha256_of(path),
        recipe="",
        input_px=None,
        parameters=None,
        macs=None,
    )


def _with_size(subject: Subject, baseline: Sequence[Candidate]) -> Subject:
    """A file's subject with the size of picture that its network turned out to take."""
    if subject.kind == "bundle":
        return subject
    plain = next((one.plain for one in baseline if one.row.subject == subject.name), None)
    return msgspec.structs.replace(subject, input_px=picture_size(plain) if plain else None)


def _row(
    subject: Subject, artifact: str, engine: str, threads: int, kind: RowKind, size_bytes: int | None, **more: Any
) -> Row:
    precision: Literal["fp32", "int8", ""] = ""
    if artifact in ARTIFACT_NAMES:
        precision = "int8" if artifact.endswith("int8") else "fp32"
    short = "litert" if artifact.startswith("tflite") or artifact.endswith(".tflite") else "onnx"
    key = f"{subject.name}/{artifact}/{short}/{threads}/{kind}"
    filled: dict[str, Any] = {"status": "measured", "reason": "", "load_ms": None, "latency": None} | more
    return Row(
        key=key,
        subject=subject.name,
        artifact=artifact,
        precision=precision,
        engine=engine,
        threads=threads,
        kind=kind,
        size_bytes=size_bytes,
        **filled,
    )


def _why_not(bundle: Bundle, subject: Subject, name: ArtifactName, scenario: Scenario) -> Row | None:
    """The row of a network that cannot be measured here; None if it can."""
    artifact, engine = bundle.manifest.artifacts.get(name), engine_of(name)
    status: Status = "not installed"
    try:
        require_engine(engine)
        if artifact is not None:
            return None
        status, reason = "not in bundle", f"{bundle.manifest.name} has no {name}"
    except MissingPackageError as error:
        reason = str(error)
    size = artifact.size_bytes if artifact else None
    return _row(subject, name, engine, scenario.threads[0], "ours", size, status=status, reason=reason)


def _why_not_file(path: Path, subject: Subject, scenario: Scenario) -> Row | None:
    engine = SUFFIXES[path.suffix]
    try:
        require_engine(engine)
    except MissingPackageError as error:
        more = {"status": "not installed", "reason": str(error)}
        return _row(subject, path.name, engine, scenario.threads[0], "bare", path.stat().st_size, **more)
    return None


def _timed(load: Callable[[], Any], loads: int, clock: Clock) -> tuple[Any, float]:
    """Load something `loads` times; return it and the median ms, without the first load, which imports the library."""
    loaded = load()
    durations_ns = []
    for _ in range(loads):
        started = clock()
        loaded = load()
        durations_ns.append(clock() - started)
    return loaded, float(np.median(durations_ns)) / 1e6


def _ours(
    bundle: Bundle,
    subject: Subject,
    name: ArtifactName,
    pictures: Array,
    scenario: Scenario,
    threads: int,
    clock: Clock,
) -> Candidate:
    load = partial(load_artifact, bundle, name, threads)
    engine, load_ms = _timed(load, scenario.loads, clock)
    size = bundle.manifest.artifacts[name].size_bytes
    row = _row(subject, name, engine.name, threads, "ours", size, load_ms=load_ms)
    return Candidate(row, engine.infer, list(pictures), bundle, name)


def _baseline(
    bundle: Bundle,
    subject: Subject,
    name: ArtifactName,
    pictures: Array,
    scenario: Scenario,
    threads: int,
    clock: Clock,
) -> Candidate:
    ensure_tried(bundle, [name])
    plain, load_ms = _timed(lambda: open_plain(bundle.artifact(name), threads), scenario.loads, clock)
    values = inputs_for(plain, scenario.pictures, scenario.seed, pictures)
    size = bundle.manifest.artifacts[name].size_bytes
    row = _row(subject, name, plain.name, threads, "bare", size, load_ms=load_ms)
    return Candidate(row, plain.infer, values, bundle, name)


def _file(path: Path, subject: Subject, scenario: Scenario, threads: int, clock: Clock) -> Candidate:
    plain, load_ms = _timed(partial(open_plain, path, threads), scenario.loads, clock)
    values = inputs_for(plain, scenario.pictures, scenario.seed)
    row = _row(subject, path.name, plain.name, threads, "bare", path.stat().st_size, load_ms=load_ms)
    return Candidate(row, plain.infer, values, plain=plain)
