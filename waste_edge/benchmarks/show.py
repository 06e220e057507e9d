"""A benchmark's report for people: tables on a terminal, the same in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from waste_edge.benchmarks.facts import Machine
from waste_edge.benchmarks.roofline import tables as roofline_tables
from waste_edge.benchmarks.scenario import Scenario
from waste_edge.benchmarks.schema import BenchReport, Disturbance, Row, SoakReport, Watched
from waste_edge.files.text import in_markdown

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 160  # columns of what is no terminal
UNSTEADY = 0.05  # of a row's second half against its first
Cells = list[list[str]]


def describe_machine(machine: Machine) -> str:
    """The machine in a line."""
    facts = [machine.board, machine.cpu, f"{machine.cores} cores", machine.architecture, machine.os]
    facts.append(f"governor {machine.governor}" if machine.governor else "governor not readable")
    facts.append(" ".join(machine.features))
    return ", ".join(filter(None, facts))


def describe_scenario(scenario: Scenario) -> str:
    """Threads and kind of time in words."""
    counts = ", ".join(map(str, scenario.threads))
    threads = f"{counts} thread{'' if scenario.threads == [1] else 's'}"
    return f"{threads}, CPU time" if scenario.time == "cpu" else threads


def rows_table(report: BenchReport) -> tuple[list[str], Cells]:
    """The main table: headings and cells; how fast, and beside it how right."""
    scored = any(row.accuracy for row in report.rows)
    right = "accuracy (95 %)" if scored else "agrees with FP32 on golden inputs"
    headings = ["network", "engine", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "max ms", "KiB", right]
    return headings, [[row_name(report, row.key), *_times(row), _size(row), _right(row)] for row in report.rows]


def _times(row: Row) -> list[str]:
    if row.latency is None:
        return [row.status, "", "", "", "", ""]
    one = row.latency
    p99 = f"{one.p99_ms:.2f}{'~' if one.p99_indicative else ''}"
    return [row.engine, *(f"{value:.2f}" for value in (one.p50_ms, one.p90_ms, one.p95_ms)), p99, f"{one.max_ms:.2f}"]


def _size(row: Row) -> str:
    return "" if row.size_bytes is None else f"{row.size_bytes / 1024:.0f}"


def _right(row: Row) -> str:
    if row.accuracy:
        one = row.accuracy
        return f"{one.accuracy:.1%} ({one.low:.1%} to {one.high:.1%})"
    if row.agreement:
        same = round(row.agreement.agreement * row.agreement.pictures)
        return f"{same} of {row.agreement.pictures}"
    return "" if row.latency is None else "not known"


def stages_table(report: BenchReport) -> tuple[list[str], Cells]:
    """From frame to decision, medians of the stages."""
    names = [stage.stage for stage in report.pipelines[0].stages] if report.pipelines else []
    headings = ["from frame to decision", *(f"{name} ms" for name in names), "all p50 ms", "p95 ms", "frames/s"]
    cells = [
        [
            row_name(report, one.key),
            *(f"{stage.p50_ms:.2f}" for stage in one.stages),
            f"{one.p50_ms:.2f}",
            f"{one.p95_ms:.2f}",
            f"{one.fps:.0f}",
        ]
        for one in report.pipelines
    ]
    return headings, cells


def situations_table(report: BenchReport) -> tuple[list[str], Cells]:
    """Tabulate a station's recurring work: empty frames, and items from settled to decision."""
    headings = ["at a station", "network", "p50 ms", "p95 ms", "timed"]
    cells = [
        [one.what, row_name(report, pipeline.key), f"{one.p50_ms:.3f}", f"{one.p95_ms:.3f}", str(one.samples)]
        for pipeline in report.pipelines
        for one in pipeline.situations
    ]
    return headings, cells


def starts_table(report: BenchReport) -> tuple[list[str], Cells]:
    """Loading; a fresh process, its first decision, its memory; and the energy of an inference where a row has one."""
    energy = any(row.energy for row in report.rows)
    headings = ["from nothing", "load ms", "first decision ms", "RSS MB", "PSS MB", "peak MB"]
    headings += ["mJ", "mJ above idle"] if energy else []
    cells = []
    for row in report.rows:
        if row.load_ms is None:
            continue
        start, told = row.start, row.energy
        numbers = [start.rss_mb, start.pss_mb, start.peak_rss_mb] if start else [None] * 3
        line = [row_name(report, row.key), f"{row.load_ms:.1f}", f"{start.first_decision_ms:.0f}" if start else ""]
        line += ["" if value is None else f"{value:.1f}" for value in numbers]
        if energy:
            line += [f"{told.joules * 1e3:.2f}", f"{told.joules_above_idle * 1e3:.2f}"] if told else ["", ""]
        cells.append(line)
    return headings, cells


def row_name(report: BenchReport, key: str) -> str:
    """Name a row for people: file, threads where several were asked for, and the bundle where there are several."""
    row = report.row(key)
    several = len(report.subjects) > 1 and row.artifact != row.subject
    name = f"{row.subject} {row.artifact}" if several else row.artifact
    threads = f", {row.threads} thread{'s' if row.threads > 1 else ''}" if len(report.scenario.threads) > 1 else ""
    return name + threads + (" (bare)" if row.kind == "bare" else "")


def sentences(report: BenchReport) -> list[str]:
    """Give the sentences that complete the tables: ratios with intervals, differences, reasons, method."""
    said = [f"{row_name(report, row.key)}: {row.reason}" for row in report.rows if row.reason]
    verbs = {
        "fp32 over int8": "takes {} times as long as",
        "ours over bare": "through our interface takes {} times as long as",
        "first over this": "takes {} times as long as",
    }
    for ratio in report.ratios:
        value = verbs[ratio.what].format(f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})")
        said.append(f"{row_name(report, ratio.numerator)} {value} {row_name(report, ratio.denominator)}")
    for one in report.differences:
        interval = f"{one.points:+.1f} points ({one.low_points:+.1f} to {one.high_points:+.1f})"
        said.append(f"{row_name(report, one.int8)} is {interval} more accurate than {row_name(report, one.fp32)}")
    said += [
        f"{row_name(report, row.key)}: the second half of the run took {row.latency.drift:.2f} times as long as the "
        "first"
        for row in report.rows
        if row.latency and abs(row.latency.drift - 1) > UNSTEADY
    ]
    if report.roofline is not None:
        said += roofline_tables.sentences(report.roofline, partial(row_name, report))
    said += [f"accuracy of {subject}: {words}" for subject, words in report.protocol.items()]
    said += [report.energy_note] if report.energy_note else []
    samples = max((row.latency.samples for row in report.rows if row.latency), default=0)
    steady = "" if report.warm_up.steady else "; the warm-up did not get steady"
    said.append(f"{describe_scenario(report.scenario)}, {samples} interleaved samples each{steady}; {report.note}.")
    if any(row.latency and row.latency.p99_indicative for row in report.rows):
        said.append("~ indicative: too few samples for a p99")
    return [*said, *_watched(report.watched)]


def _watched(watched: Watched) -> list[str]:
    said = [f"not told by this machine, so not watched: {', '.join(watched.unwatched)}"] if watched.unwatched else []
    return [*said, *watched.notes]


def verdict(valid: bool, disturbances: Sequence[Disturbance], stand_in: str) -> list[str]:
    """Say whether the run is valid evidence, and if not, why."""
    said = [f"measured with {stand_in} in the board's place: never evidence of that board"] if stand_in else []
    if not valid:
        said.append("INVALID: this run was disturbed, its figures are no evidence")
        said += [f"  {one.what} ({one.at_s:.0f} s): {one.text}" for one in disturbances]
    return said


def tables(report: BenchReport) -> list[tuple[list[str], Cells]]:
    """All tables that have lines."""
    made = [rows_table(report), stages_table(report), situations_table(report), starts_table(report)]
    if report.roofline is not None:
        name = partial(row_name, report)
        made += [
            roofline_tables.roofs_table(report.roofline, name),
            roofline_tables.layers_table(report.roofline, name),
        ]
        made.append(roofline_tables.floors_table(report.roofline))
    return [table for table in made if table[1]]


def title(report: BenchReport) -> str:
    """Name the subject and the machine of a measurement."""
    named = ", ".join(f"{subject.name} {subject.version}".rstrip() for subject in report.subjects)
    return f"{named} on {describe_machine(report.machine)}"


def print_report(report: BenchReport, screen: Console) -> None:
    """Write it to a terminal."""
    from rich.table import Table
    from rich.text import Text

    if not screen.is_terminal:
        screen.width = max(screen.width, WIDE)  # a file has room
    screen.print(title(report), markup=False, soft_wrap=True)
    for headings, cells in tables(report):
        table = Table()
        for index, heading in enumerate(headings):
            table.add_column(heading, justify="left" if index == 0 or heading == "engine" else "right")
        for line in cells:
            table.add_row(*(Text(cell) for cell in line))
        screen.print(table)
    for sentence in sentences(report):
        screen.print(sentence, markup=False, soft_wrap=True)
    print_verdict(report, screen)


def print_verdict(report: BenchReport | SoakReport, screen: Console) -> None:
    """Write why it is no evidence, if it is none."""
    for line in verdict(report.valid, report.disturbances, report.stand_in):
        screen.print(line, markup=False, soft_wrap=True, style="bold red")


def markdown(report: BenchReport) -> str:
    """The same for a README."""
    parts = [f"**{in_markdown(title(report))}**"]
    for headings, cells in tables(report):
        rules = ["---" if index == 0 or heading == "engine" else "---:" for index, heading in enumerate(headings)]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in (headings, rules, *_escaped(cells))))
    said = [*verdict(report.valid, report.disturbances, report.stand_in), *sentences(report)]
    parts.append("\n".join(f"- {line.strip()}" for line in said))
    return "\n\n".join(parts) + "\n"


def _escaped(cells: Cells) -> Cells:
    return [[in_markdown(cell) for cell in line] for line in cells]
