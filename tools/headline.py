"""README's first table, theirs and ours: `python -m tools.headline`, or `make headline`.

It is made from `training/results/model.json`, which `make model-results` writes (`waste-edge compare --json` on the
test part that nothing was chosen by), and from the newest recorded run of `bench`, so that a file has one latency on
all pages. It stands between two comments, where what stands between is replaced. With --check nothing is written, and a
table that has drifted ends it with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tools.page_block import is_check, replace_block, write_or_check
from waste_edge.benchmarks.schema import BenchReport
from waste_edge.benchmarks.show import describe_machine
from waste_edge.errors import ConfigError, UserError
from waste_edge.evaluation.report.content import ComparisonReport, ModelReport
from waste_edge.evaluation.report.tables import accuracy_of, elsewhere_of, number, points_in, share_in
from waste_edge.files.resources import shipped
from waste_edge.files.strict import read_json, read_text
from waste_edge.metrics.significance import Interval

RESULT = "training/results/model.json"
SPEED = "benchmarks/results"
PAGE = "README.md"
TEACHER = "teacher_edgetpu"
BUNDLES = ("small", "accurate")
INT8_ONLY = ("accurate",)  # shipped without FP32 networks: its card says what INT8 cost
_BLOCK = re.compile(r"(<!-- headline: made by make headline -->\n).*?(<!-- end of headline -->)", re.DOTALL)


class _Line(NamedTuple):
    """A measure: what it is called, what earlier projects came to, and ours."""

    name: str
    theirs: str
    ours: Callable[[ComparisonReport, ModelReport], str]


def newest_speed(root: Path) -> BenchReport:
    """The last recorded run of `bench` below `root`; raises ConfigError if there is none."""
    recorded = [read_json(path, BenchReport) for path in (root / SPEED).glob("*.json")]
    if not recorded:
        raise ConfigError(f"{SPEED}: has no recorded run; waste-edge bench --rigorous --out FILE writes one there")
    return max(recorded, key=lambda one: one.created)


def headline(report: ComparisonReport, speed: BenchReport) -> str:
    """The table in Markdown, and how it was measured.

    Raises:
        ConfigError: a report lacks a model, or what a line needs.
    """
    columns = [_named(report, f"{bundle}:tflite-int8") for bundle in BUNDLES]
    teachers = [model for model in report.models if model.name == TEACHER]
    if report.unknown is None or report.elsewhere is None:
        raise ConfigError(f"{RESULT}: was made without --unknown or --elsewhere; run make model-results")
    headings = ("", "earlier projects", *(f"`{bundle}`" for bundle in BUNDLES), *("teacher" for _ in teachers))
    rows = [(line.name, line.theirs, *(line.ours(report, model) for model in columns + teachers)) for line in _LINES]
    rows.insert(_BEFORE_LATENCY, ("latency, one thread, ms", "11 to 23", *_latencies(speed), *("" for _ in teachers)))
    rules = ("---", *("---:" for _ in headings[1:]))
    timed = f"`waste-edge bench`, {speed.created[:10]}, on {describe_machine(speed.machine)}"
    table = "\n".join(f"| {' | '.join(row)} |" for row in (headings, rules, *rows))
    return f"""{table}

*Ours: {report.protocol}, by which nothing was chosen; intervals of 95 %, over {report.groups} groups drawn anew.
Other backgrounds: {report.elsewhere.in_words}. Unknown: {report.unknown.in_words}. Latency: {timed}.
The earlier projects' figures are as they reported them, on other splits of the same collection. Starred: plainly
fine-tuned MobileNets on photographs from the web that we have not seen; ours there are on stand-ins, so the two cannot
be compared.*
"""


def _named(report: ComparisonReport, name: str) -> ModelReport:
    for model in report.models:
        if model.name == name:
            return model
    raise ConfigError(f"{RESULT}: has no {name} (only {', '.join(m.name for m in report.models)}); make model-results")


def _size(_: ComparisonReport, model: ModelReport) -> str:
    return f"{model.facts.size_bytes:,}"


def _accuracy(report: ComparisonReport, model: ModelReport) -> str:
    return share_in(accuracy_of(report, model))


def _lost(report: ComparisonReport, model: ModelReport) -> str:
    bundle, _, artifact = model.name.partition(":")
    if artifact != "tflite-int8":
        return ""
    for pair in report.pairs:
        both = (pair.first, pair.second)
        if set(both) == {f"{bundle}:tflite-fp32", model.name}:
            found = pair.grouped if report.grouped else pair.newcombe
            return points_in(found if both[0] == model.name else _turned(found))
    if bundle in INT8_ONLY:
        return "see its card"
    raise ConfigError(f"{RESULT}: has no {bundle}:tflite-fp32 to hold INT8 against; make model-results")


def _turned(points: Interval) -> Interval:
    return Interval(value=0.0 - points.value, low=0.0 - points.high, high=0.0 - points.low)


def _ece(_: ComparisonReport, model: ModelReport) -> str:
    calibration = model.calibration
    return f"{calibration.ece if ':' in model.name else calibration.fitted_ece:.1%}"


def _latencies(speed: BenchReport) -> list[str]:
    """The medians of the bundles' INT8 TFLite files on one thread."""
    found = {
        row.subject: row.latency.p50_ms
        for row in speed.rows
        if row.artifact == "tflite-int8" and row.threads == 1 and row.kind == "ours" and row.latency
    }
    missing = [bundle for bundle in BUNDLES if bundle not in found]
    if missing:
        raise ConfigError(f"{SPEED}: the run of {speed.created[:10]} timed no tflite-int8 of {', '.join(missing)}")
    return [f"{found[bundle]:.2f}" for bundle in BUNDLES]


def _elsewhere(report: ComparisonReport, model: ModelReport) -> str:
    return share_in(elsewhere_of(report, model)) if model.elsewhere else ""


def _auroc(_: ComparisonReport, model: ModelReport) -> str:
    return number(model.rejection.results[0].auroc)


def _auroc_elsewhere(_: ComparisonReport, model: ModelReport) -> str:
    return number(model.rejection.results[0].auroc_elsewhere)


_LINES = (
    _Line("bytes", "380,000; teacher 217,000,000", _size),
    _Line("accuracy", "63.4 %; teacher 85 %", _accuracy),
    _Line("INT8 minus FP32, points", "", _lost),
    _Line("calibration error (ECE)", "8.6 %", _ece),
    _Line("items on other backgrounds, accuracy", "43 to 46 % \\*", _elsewhere),
    _Line("unknown against known, AUROC", "0.76 to 0.85 \\*", _auroc),
    _Line("unknown against known on other backgrounds, AUROC", "", _auroc_elsewhere),
)
_BEFORE_LATENCY = 4  # lines


def refreshed(text: str, report: ComparisonReport, speed: BenchReport) -> str:
    """A page's text with its table made anew; raises ConfigError where there is no place for it."""
    return replace_block(text, _BLOCK, headline(report, speed), f"{PAGE}: expected the comments of the headline")


def main(arguments: Sequence[str]) -> int:
    """Refresh the checkout's page, or with --check only say whether it has drifted; returns the exit code."""
    checking = is_check(arguments, __doc__)
    result = shipped("training") / "results" / "model.json"
    page = result.parents[2] / PAGE
    try:
        text = read_text(page)
        made = refreshed(text, read_json(result, ComparisonReport), newest_speed(result.parents[2]))
        return write_or_check(page, text, made, checking, "make headline")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
