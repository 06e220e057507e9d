"""One benchmark from beginning to end: everything that is measured, in order, and the board watched all along.

With a roofline (`with_roofline`), it is made afterwards, for those of the measured rows that have one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import msgspec

from waste_edge import __version__
from waste_edge.benchmarks.accuracy import AccuracyTest, Network, agreement
from waste_edge.benchmarks.baseline import SUFFIXES
from waste_edge.benchmarks.candidates import Candidate, Clock, Field, Given, load_field
from waste_edge.benchmarks.facts import ROOT, Machine, read_machine
from waste_edge.benchmarks.machine.energy import NOTHING_TOLD, find_meter, measure_energy, measure_idle
from waste_edge.benchmarks.machine.monitor import BoardMonitor
from waste_edge.benchmarks.measure import StepProgress, ratios_of, stopwatch_of, take_turns, warm_up
from waste_edge.benchmarks.roofline.model import Measured, roofline
from waste_edge.benchmarks.scenario import Scenario
from waste_edge.benchmarks.schema import (
    SCHEMA,
    Accuracy,
    BenchReport,
    Difference,
    Disturbance,
    Energy,
    Pipeline,
    Row,
    Situation,
    Start,
    WarmUp,
)
from waste_edge.benchmarks.station.first_decision import time_starts
from waste_edge.benchmarks.station.live import measure_ages
from waste_edge.benchmarks.station.stages import measure_stages
from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.device.system.board import Board
from waste_edge.engines.classifier import Classifier
from waste_edge.engines.names import ENGINES
from waste_edge.files.resources import commit_of_code

NOTES = {
    "quick": "a quick run of seconds: a first look, not evidence",
    "rigorous": "a rigorous run: at least 1,024 samples a row and 60 s, as MLPerf Mobile asks of a single stream",
}


class Benchmark:
    """Results of one benchmark, gathered row by row.

    Args:
        given: bundles and network files; the first bundle is the one that others are held against.
        scenario: how long, and with what.
        board: what is watched.
        data: labelled pictures for the accuracy; None for agreement on the golden inputs.
        progress: is told what is being done.
        clock: nanoseconds.
    """

    def __init__(
        self,
        given: Sequence[Given],
        scenario: Scenario,
        board: Board,
        data: Path | None,
        progress: StepProgress,
        clock: Clock = time.perf_counter_ns,
    ) -> None:
        self._scenario, self._board, self._progress, self._clock = scenario, board, progress, clock
        exams = [
            (one, AccuracyTest(one, data)) for one in given if data and isinstance(one, Bundle)
        ]  # its faults come first
        self._exams = {id(bundle): exam for bundle, exam in exams}
        self._watch = BoardMonitor(board)
        self._watch.before()
        progress("loading", 0, 1)
        self._field: Field = load_field(given, scenario, clock)

    def run(self) -> BenchReport:
        """Measure; errors as in `load_field`, `time_starts` and `predict_photos`."""
        field, scenario = self._field, self._scenario
        self._progress("warming up", 0, 1)
        warm = warm_up(field.candidates, scenario, self._clock)
        self._watch.look(working=False)
        look = partial(self._watch.look, working=True)
        latencies = take_turns(field.candidates, scenario, look, self._progress, self._clock)
        pipelines = self._pipelines()
        starts = self._starts()
        energies = self._energies()
        self._watch.look(working=False)
        rows = [
            msgspec.structs.replace(
                one.row, latency=latencies[one.key], start=starts.get(one.key), energy=energies.get(one.key)
            )
            for one in field.candidates
        ]
        return self._report(warm, self._in_order([*self._judged(rows), *field.absent]), pipelines)

    def _pipelines(self) -> list[Pipeline]:
        frames = self._scenario.frames
        taking_part = [one for one in self._field.candidates if one.ours] if frames else []
        if not taking_part:
            return []
        wanted = [(one.key, one.classifier()) for one in taking_part]
        looked_ns = self._clock()

        def between(done: int) -> None:
            nonlocal looked_ns
            if (self._clock() - looked_ns) / 1e9 >= self._scenario.look_seconds:
                self._watch.look(working=True)
                self._progress("frame to decision", done, frames)
                looked_ns = self._clock()

        first, *others = measure_stages(wanted, frames, between, stopwatch_of(self._scenario, self._clock))
        live = self._live(taking_part[0].classifier())
        return [msgspec.structs.replace(first, situations=[*first.situations, *live]), *others]

    def _live(self, classifier: Classifier) -> list[Situation]:
        """The loop over a camera, as time passes."""
        seconds, camera = self._scenario.live_seconds, self._scenario.camera
        if not seconds or self._scenario.time == "cpu":  # an age is waiting, too
            return []
        self._progress(f"capture to decision, {camera}", 0, round(seconds))
        live = measure_ages(classifier, seconds, camera)
        self._watch.look(working=False)
        return live

    def _starts(self) -> dict[str, Start]:
        wanted = [(one, one.ours) for one in self._field.candidates if one.ours] if self._scenario.starts else []
        done: dict[str, Start] = {}
        for index, (one, network) in enumerate(wanted):
            self._progress("starting", index, len(wanted))
            count = self._scenario.starts
            done[one.key] = time_starts(network.bundle, network.artifact, one.row.threads, count, network.engine)
        if wanted:
            self._watch.look(working=False)
        return done

    def _energies(self) -> dict[str, Energy]:
        meter = find_meter(self._board.root, self._board.vcgencmd) if self._scenario.energy_seconds else None
        if meter is None:
            return {}
        idle_watts = measure_idle(meter)
        done: dict[str, Energy] = {}
        for index, one in enumerate(self._field.candidates):
            self._progress("energy", index, len(self._field.candidates))

            def infer(number: int, one: Candidate = one) -> None:
                one.infer(one.values[number % len(one.values)])

            done[one.key] = measure_energy(meter, infer, self._scenario.energy_seconds, idle_watts)
        return done

    def _judged(self, rows: list[Row]) -> list[Row]:
        """The rows, with how right each one's network is."""
        self._accuracies: dict[tuple[int, Network], Accuracy] = {}
        judged = []
        for row, one in zip(rows, self._field.candidates, strict=True):
            judged.append(msgspec.structs.replace(row, **self._accuracy(one)))
        return judged

    def _accuracy(self, one: Candidate) -> dict[str, object]:
        if one.network is None:
            return {}
        bundle, network = one.network.bundle, (one.network.artifact, one.network.engine)
        exam = self._exams.get(id(bundle))
        if exam is None:
            return {"agreement": agreement(bundle, network)}
        known = (id(bundle), network)
        if known not in self._accuracies:
            tell = partial(self._progress, f"accuracy of {network[0]}")
            self._accuracies[known] = exam.take(network, tell)
        return {"accuracy": self._accuracies[known]}

    def _differences(self) -> list[Difference]:
        made = []
        by_key = {one.key: one.ours for one in self._field.candidates if one.ours}
        for key, int8 in by_key.items():
            fp32_key = key.replace("-int8/", "-fp32/")
            fp32 = by_key.get(fp32_key) if "-int8/" in key else None
            exam = self._exams.get(id(int8.bundle))
            if exam and fp32:
                networks = (int8.artifact, int8.engine), (fp32.artifact, fp32.engine)
                made.append(exam.difference(*networks, (key, fp32_key)))
        return made

    def _in_order(self, rows: list[Row]) -> list[Row]:
        """Sort by subject as given, then by network; bare loops after ours, absent rows where they would have been."""
        subjects = [subject.name for subject in self._field.subjects]
        return sorted(
            rows, key=lambda row: (subjects.index(row.subject), row.artifact, row.threads, row.kind == "bare")
        )

    def _report(self, warm: WarmUp, rows: list[Row], pipelines: list[Pipeline]) -> BenchReport:
        machine = read_machine(self._board.root)
        disturbances = [*standing(machine, self._scenario, warm), *self._watch.disturbances(self._scenario.time)]
        names = {id(one.network.bundle): one.row.subject for one in self._field.candidates if one.network}
        return BenchReport(
            schema=SCHEMA,
            mode=self._scenario.mode,
            note=NOTES[self._scenario.mode],
            valid=not disturbances,
            disturbances=disturbances,
            stand_in="" if self._board.root == ROOT else str(self._board.root),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            waste_edge=__version__,
            commit=commit_of_code(),
            machine=machine,
            scenario=self._scenario,
            subjects=self._field.subjects,
            warm_up=warm,
            rows=rows,
            ratios=ratios_of(self._field.candidates, self._scenario.seed),
            differences=self._differences(),
            pipelines=pipelines,
            protocol={names[known]: exam.protocol for known, exam in self._exams.items() if known in names},
            energy_note="" if any(row.energy for row in rows) else self._no_energy(),
            watched=self._watch.watched(),
        )

    def _no_energy(self) -> str:
        return NOTHING_TOLD if self._scenario.energy_seconds else "no energy: it was not asked for"


def standing(machine: Machine, scenario: Scenario, warm: WarmUp) -> list[Disturbance]:
    """Name the disturbances that are known before a run begins."""
    found = standing_of(machine)
    if scenario.mode == "rigorous" and not warm.steady:
        text = f"not steady after {warm.seconds:.0f} s of warm-up; end other programs, run again"
        found.append(Disturbance(what="warm-up", at_s=0.0, text=text))
    return found


def standing_of(machine: Machine) -> list[Disturbance]:
    """Name the disturbances that every run on this machine has."""
    if not machine.emulated:
        return []
    text = f"{machine.emulated}: an emulated processor's latencies are nobody's; run it on the board"
    return [Disturbance(what="emulated", at_s=0.0, text=text)]


def benchmark(
    given: Sequence[Given],
    scenario: Scenario,
    progress: StepProgress,
    board: Board | None = None,
    data: Path | None = None,
) -> BenchReport:
    """Measure bundles and files here; see `Benchmark`."""
    return Benchmark(given, scenario, board or Board(), data, progress).run()


def with_roofline(report: BenchReport, given: Sequence[Given], progress: StepProgress) -> BenchReport:
    """The same report with the roofs of its rows: those through our interface, and lone files of a known precision.

    Args:
        report: of what was given.
        given: in the order of the report's subjects.
        progress: is told what is being done.

    Raises:
        BundleError: a file is damaged.
    """
    sources = {subject.name: one for subject, one in zip(report.subjects, given, strict=True)}
    networks = [network for row in report.rows if (network := _measured(row, sources[row.subject])) is not None]
    done = roofline(networks, lambda count, total: progress("roofline", count, total))
    return msgspec.structs.replace(report, roofline=done)


def _measured(row: Row, source: Given) -> Measured | None:
    if row.latency is None or not row.precision:
        return None
    if isinstance(source, Path):
        kind = ENGINES[SUFFIXES[source.suffix]].format
        return Measured(row.key, source, cast(ArtifactName, f"{kind}-{row.precision}"), row.threads, row.latency.p50_ms)
    if row.kind == "bare" or row.key.split("/")[-3] not in ENGINES:  # a plug-in's peak is not measured
        return None
    artifact = cast(ArtifactName, row.artifact)
    return Measured(row.key, source.artifact(artifact), artifact, row.threads, row.latency.p50_ms)
