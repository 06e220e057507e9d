"""A benchmark's report: a strict, versioned JSON document, and a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from waste_edge import __version__
from waste_edge.benchmarks.machine import Machine, read_machine
from waste_edge.benchmarks.measure import Progress, Row, measure
from waste_edge.benchmarks.scenario import Scenario
from waste_edge.bundle import Bundle
from waste_edge.engines.engine import ENGINE_NAMES, EngineName, artifact_of
from waste_edge.files import sha256_of
from waste_edge.manifest import MANIFEST_NAME
from waste_edge.strict import Strict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

QUICK = "a quick run of seconds: a first look, not evidence; other load on the machine shows in it"


class Speedup(Strict, frozen=True):
    """FP32 against INT8 on one engine: the ratio of median latencies; above 1, INT8 is the faster."""

    engine: EngineName
    fp32_over_int8: float


class BundleIdentity(Strict, frozen=True):
    """Which bundle was measured: `digest` is its manifest's SHA-256, and the manifest vouches for every file."""

    name: str
    version: str
    digest: str


class Report(Strict, frozen=True):
    """One benchmark of one bundle on one machine."""

    schema: Literal[1]
    mode: Literal["quick"]
    note: str
    created: str
    waste_edge: str
    bundle: BundleIdentity
    machine: Machine
    scenario: Scenario
    rows: list[Row]
    speedups: list[Speedup]


def benchmark(bundle: Bundle, scenario: Scenario, progress: Progress) -> Report:
    """Measure a bundle here and gather what the numbers need to mean something; errors as in `measure`."""
    rows = measure(bundle, scenario, progress)
    return Report(
        schema=1,
        mode="quick",
        note=QUICK,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        waste_edge=__version__,
        bundle=identity_of(bundle),
        machine=read_machine(),
        scenario=scenario,
        rows=rows,
        speedups=speedups_of(rows),
    )


def identity_of(bundle: Bundle) -> BundleIdentity:
    """Which bundle this is."""
    manifest = bundle.manifest
    digest = sha256_of(bundle.folder / MANIFEST_NAME)
    return BundleIdentity(name=manifest.name, version=manifest.version, digest=digest)


def describe_machine(machine: Machine) -> str:
    """The machine in a line, for people."""
    facts = [machine.board, machine.cpu, f"{machine.cores} cores", machine.architecture, machine.os]
    facts.append(f"governor {machine.governor}" if machine.governor else "governor not readable")
    return ", ".join(filter(None, facts))


def describe_scenario(scenario: Scenario) -> str:
    """Threads and kind of time in words, for people."""
    threads = f"{scenario.threads} thread{'s' if scenario.threads > 1 else ''}"
    return f"{threads}, CPU time" if scenario.time == "cpu" else threads


def speedups_of(rows: Sequence[Row]) -> list[Speedup]:
    """For each engine of which both precisions were measured, in the order the engines are preferred."""
    medians_ms = {row.artifact: row.latency.p50_ms for row in rows if row.latency is not None}
    pairs = [(engine, artifact_of(engine, "fp32"), artifact_of(engine, "int8")) for engine in ENGINE_NAMES]
    return [
        Speedup(engine=engine, fp32_over_int8=medians_ms[fp32] / medians_ms[int8])
        for engine, fp32, int8 in pairs
        if fp32 in medians_ms and int8 in medians_ms
    ]


def print_report(report: Report, screen: Console) -> None:
    """Write the table for people."""
    screen.print(
        f"{report.bundle.name} {report.bundle.version} on {describe_machine(report.machine)}",
        markup=False,
        soft_wrap=True,
    )
    screen.print(_table(report.rows))
    for row in report.rows:
        if row.reason:
            screen.print(f"{row.artifact}: {row.reason}", markup=False, soft_wrap=True)
    for speedup in report.speedups:
        fp32, int8 = artifact_of(speedup.engine, "fp32"), artifact_of(speedup.engine, "int8")
        screen.print(f"{fp32} takes {speedup.fp32_over_int8:.2f} times as long as {int8}")
    samples = max((row.latency.samples for row in report.rows if row.latency), default=0)
    screen.print(
        f"{describe_scenario(report.scenario)}, {samples} interleaved samples each; {report.note}.",
        soft_wrap=True,
    )


def _table(rows: Sequence[Row]) -> Table:
    from rich.table import Table

    table = Table()
    for heading in ("network", "engine"):
        table.add_column(heading)
    for heading in ("p50 ms", "p90 ms", "p95 ms", "load ms", "KiB"):
        table.add_column(heading, justify="right")
    for row in rows:
        size = "" if row.size_bytes is None else f"{row.size_bytes / 1024:.0f}"
        if row.latency is None or row.load_ms is None:
            table.add_row(row.artifact, row.status, "", "", "", "", size, style="dim")
            continue
        times = (row.latency.p50_ms, row.latency.p90_ms, row.latency.p95_ms)
        table.add_row(row.artifact, row.engine, *(f"{value:.2f}" for value in times), f"{row.load_ms:.1f}", size)
    return table
