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

from waste_edge.benchmarks.baseline import PLAIN, SUFFIXES, Array, Plain, inputs_for, open_plain, picture_size
from waste_edge.benchmarks.scenario import Scenario, make_pictures
from waste_edge.benchmarks.schema import Row, RowKind, Status, Subject
from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.engines.engine import require_engine
from waste_edge.engines.names import EngineName, EngineSpec, engine_spec, engines_with, format_of
from waste_edge.engines.trial.trial import ensure_tried, load_artifact
from waste_edge.errors import MissingPackageError
from waste_edge.files.atomic import sha256_of

Given = Bundle | Path  # a bundle, or a network's file
Clock = Callable[[], int]  # nanoseconds


@dataclass(frozen=True)
class Network:
    """A bundle's artifact on an engine."""

    bundle: Bundle
    artifact: ArtifactName
    engine: EngineName


@dataclass
class Candidate:
    """A loaded network that takes part.

    Attributes:
        row: what is known of it before it is timed.
        infer: the call that is timed; takes one of `values`.
        values: the inputs that take turns.
        network: where it is from, and what runs it; None for a lone file.
        plain: what runs a lone file; None otherwise.
        samples_ns: one a round.
    """

    row: Row
    infer: Callable[[Any], object]
    values: Sequence[Any]
    network: Network | None = None
    plain: Plain | None = None
    samples_ns: list[int] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.row.key

    @property
    def ours(self) -> Network | None:
        """Its network, if this runs it as a station does; None for bare loops and files."""
        return None if self.row.kind == "bare" else self.network

    def classifier(self) -> Classifier:
        """Its network loaded anew, as a station has it; for one of `ours`."""
        assert self.network is not None
        network = self.network
        return load_classifier(network.bundle, network.engine, threads=self.row.threads, artifact=network.artifact)


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
        rows, with_ours, with_bare = _bundle(one, subject, scenario, clock)
        absent, ours, baseline = absent + rows, ours + with_ours, baseline + with_bare
    if not ours and not baseline:
        why = "; ".join(dict.fromkeys(row.reason for row in absent))
        raise MissingPackageError(f"{subjects[0].name}: nothing to measure; {why}")
    return Field([_with_size(subject, baseline) for subject in subjects], absent, [*ours, *baseline])


def _bundle(
    bundle: Bundle, subject: Subject, scenario: Scenario, clock: Clock
) -> tuple[list[Row], list[Candidate], list[Candidate]]:
    """A bundle's rows that cannot be measured, and its candidates through our interface and in plain loops."""
    absent: list[Row] = []
    ours: list[Candidate] = []
    baseline: list[Candidate] = []
    loading = _Loading(subject, make_pictures(bundle.manifest.input, scenario.pictures, scenario.seed), scenario, clock)
    for name in ARTIFACT_NAMES:
        for engine in (spec.name for spec in _engines(scenario) if spec.format == format_of(name)):
            network = Network(bundle, name, engine)
            row = _why_not(network, subject, scenario)
            if row is not None:
                absent.append(row)
                continue
            for threads in scenario.threads:
                ours.append(loading.ours(network, threads))
                if engine in PLAIN:
                    baseline.append(loading.baseline(network, threads))
    return absent, ours, baseline


def _engines(scenario: Scenario) -> list[EngineSpec]:
    return [engine_spec(name) for name in engines_with(scenario.engines)]


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


def _row(subject: Subject, artifact: str, name: EngineName, threads: int, kind: RowKind, **more: Any) -> Row:
    """A row of a network on the engine of this name; `more` is what is known beyond that."""
    precision: Literal["fp32", "int8", ""] = ""
    if artifact in ARTIFACT_NAMES:
        precision = "int8" if artifact.endswith("int8") else "fp32"
    filled: dict[str, Any] = {"engine": name, "status": "measured", "reason": "", "load_ms": None, "latency": None}
    return Row(
        key=f"{subject.name}/{artifact}/{name}/{threads}/{kind}",
        subject=subject.name,
        artifact=artifact,
        precision=precision,
        threads=threads,
        kind=kind,
        **(filled | more),
    )


def _why_not(network: Network, subject: Subject, scenario: Scenario) -> Row | None:
    """The row of a network that cannot be measured here; None if it can."""
    name = network.artifact
    artifact = network.bundle.manifest.artifacts.get(name)
    status: Status = "not installed"
    try:
        require_engine(network.engine)
        if artifact is not None:
            return None
        status, reason = "not in bundle", f"{network.bundle.manifest.name} has no {name}"
    except MissingPackageError as error:
        reason = str(error)
    size = artifact.size_bytes if artifact else None
    more = {"status": status, "reason": reason, "size_bytes": size}
    return _row(subject, name, network.engine, scenario.threads[0], "ours", **more)


def _why_not_file(path: Path, subject: Subject, scenario: Scenario) -> Row | None:
    engine = SUFFIXES[path.suffix]
    try:
        require_engine(engine)
    except MissingPackageError as error:
        more = {"status": "not installed", "reason": str(error), "size_bytes": path.stat().st_size}
        return _row(subject, path.name, engine, scenario.threads[0], "bare", **more)
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


@dataclass(frozen=True)
class _Loading:
    """Subject, pictures and scenario that a bundle's candidates are loaded with."""

    subject: Subject
    pictures: Array
    scenario: Scenario
    clock: Clock

    def ours(self, network: Network, threads: int) -> Candidate:
        """A network through our interface."""
        load = partial(load_artifact, network.bundle, network.artifact, threads, network.engine)
        engine, load_ms = _timed(load, self.scenario.loads, self.clock)
        return Candidate(
            self._row(network, threads, "ours", engine.name, load_ms), engine.infer, list(self.pictures), network
        )

    def baseline(self, network: Network, threads: int) -> Candidate:
        """The same file in a plain loop against the engine."""
        ensure_tried(network.bundle, [network.artifact])
        load = partial(_open_plain, network, threads)
        plain, load_ms = _timed(load, self.scenario.loads, self.clock)
        values = inputs_for(plain, self.scenario.pictures, self.scenario.seed, self.pictures)
        return Candidate(self._row(network, threads, "bare", plain.name, load_ms), plain.infer, values, network)

    def _row(self, network: Network, threads: int, kind: RowKind, title: str, load_ms: float) -> Row:
        size = network.bundle.manifest.artifacts[network.artifact].size_bytes
        more = {"engine": title, "size_bytes": size, "load_ms": load_ms}
        return _row(self.subject, network.artifact, network.engine, threads, kind, **more)


def _open_plain(network: Network, threads: int) -> Plain:
    return open_plain(network.bundle.artifact(network.artifact), threads)


def _file(path: Path, subject: Subject, scenario: Scenario, threads: int, clock: Clock) -> Candidate:
    plain, load_ms = _timed(partial(open_plain, path, threads), scenario.loads, clock)
    values = inputs_for(plain, scenario.pictures, scenario.seed)
    more = {"engine": plain.name, "size_bytes": path.stat().st_size, "load_ms": load_ms}
    row = _row(subject, path.name, SUFFIXES[path.suffix], threads, "bare", **more)
    return Candidate(row, plain.infer, values, plain=plain)
