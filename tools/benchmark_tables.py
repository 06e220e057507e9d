"""The tables of README files, made from recorded runs: `python -m tools.benchmark_tables`, or `make tables`.

A table stands between `<!-- recorded: KIND FILE.json -->` and `<!-- end of recorded -->`, where the file lies in
`benchmarks/results/`; what stands between them is replaced. With --check nothing is written, and what has drifted ends
it with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from functools import partial

from tools.page_block import is_check
from waste_edge.benchmarks import show
from waste_edge.benchmarks.roofline import tables
from waste_edge.benchmarks.schema import BenchReport
from waste_edge.errors import ConfigError, UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.resources import shipped
from waste_edge.files.strict import read_json, read_text

RESULTS = "benchmarks/results"
PAGES = ("docs/results.md", "benchmarks/README.md")
_BLOCK = re.compile(r"(<!-- recorded: (\w+) ([\w.-]+\.json) -->\n).*?(<!-- end of recorded -->)", re.DOTALL)
_SPEED = ("network", "engine", "p50 ms", "p95 ms", "p99 ms")

Table = tuple[list[str], list[list[str]]]


def speed_table(report: BenchReport) -> Table:
    """Tabulate latency and accuracy, without bare loops, in the columns that a front page has room for."""
    headings, lines = show.rows_table(report)
    kept = [index for index, heading in enumerate(headings) if heading in (*_SPEED, headings[-1])]
    shown = [
        [line[index] for index in kept] for row, line in zip(report.rows, lines, strict=True) if row.kind == "ours"
    ]
    return [headings[index] for index in kept], shown


def _roofs(report: BenchReport) -> Table:
    return tables.roofs_table(report.roofline, partial(show.row_name, report)) if report.roofline else ([], [])


def _floors(report: BenchReport) -> Table:
    return tables.floors_table(report.roofline) if report.roofline else ([], [])


KINDS: dict[str, Callable[[BenchReport], Table]] = {
    "floors": _floors,
    "roofs": _roofs,
    "rows": show.rows_table,
    "speed": speed_table,
    "situations": show.situations_table,
    "stages": show.stages_table,
    "starts": show.starts_table,
}


def render(kind: str, name: str, report: BenchReport) -> str:
    """One table in Markdown, and a line that says what it is worth; floors are computed, and need none."""
    headings, lines = KINDS[kind](report)
    if not lines:
        raise ConfigError(f"{RESULTS}/{name}: has nothing for a table of {kind}; record it with bench --roofline")
    rules = ["---" if index == 0 or heading == "engine" else "---:" for index, heading in enumerate(headings)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in (headings, rules, *lines)) + "\n"
    if kind == "floors":
        return text
    worth = _worth(name, report)
    if kind in ("rows", "speed") and report.protocol:
        worth += f" *Accuracy: {'; '.join(f'{subject}: {words}' for subject, words in report.protocol.items())}.*"
    return f"{text}\n{worth}\n"


def _worth(name: str, report: BenchReport) -> str:
    machine = report.machine
    where = ", ".join(filter(None, (machine.board or machine.cpu, f"{machine.cores} cores", machine.os)))
    samples = max((row.latency.samples for row in report.rows if row.latency), default=0)
    said = f"*{where}; a {report.mode} run, {report.created[:10]}, {samples} interleaved samples a row (`{name}`)*"
    if any(row.latency and row.latency.p99_indicative for row in report.rows):
        said += "; *~: too few samples for a p99*"
    verdict = show.verdict(report.valid, report.disturbances, report.stand_in)
    return f"{said}. **{': '.join(line.strip() for line in verdict)}.**" if verdict else f"{said}."


def refreshed(page: str, text: str) -> str:
    """A page's text with its tables made anew.

    Raises:
        ConfigError: a marker names no kind of table, a recorded run cannot be read, or lacks what the table needs.
    """

    def replace(found: re.Match[str]) -> str:
        opening, kind, name, closing = found.groups()
        if kind not in KINDS:
            raise ConfigError(f"{page}: recorded: {kind}: expected one of {', '.join(KINDS)}")
        report = read_json(shipped(RESULTS) / name, BenchReport)
        return f"{opening}\n{render(kind, name, report)}\n{closing}"

    made, count = _BLOCK.subn(replace, text)
    if text.count("<!-- recorded:") != count:
        raise ConfigError(
            f"{page}: a <!-- recorded: KIND FILE.json --> has no <!-- end of recorded -->, or is misspelt"
        )
    return made


def main(arguments: Sequence[str]) -> int:
    """Refresh every page of the checkout, or with --check only say which have drifted; returns the exit code."""
    checking = is_check(arguments, __doc__)
    root = shipped(RESULTS).parents[1]
    code = 0
    try:
        for page in PAGES:
            text = read_text(root / page)
            made = refreshed(page, text)
            if made == text:
                continue
            if checking:
                code = 1
            else:
                write_atomically(root / page, made)
            print(f"{page}: {'has drifted; make tables' if checking else 'written'}")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
