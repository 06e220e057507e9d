"""Robustness as tables: what the screen and the Markdown show of a `RobustnessReport`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from waste_edge.evaluation.report.markdown import table_lines
from waste_edge.evaluation.report.tables import Table, points_in, share_in
from waste_edge.evaluation.robustness.conditions import BACKGROUND, CLEAN, CUT_OUT
from waste_edge.evaluation.robustness.report import Cell, Difference, ModelRobustness, RobustnessReport
from waste_edge.metrics.significance import Interval

_POINTS = "points from clean (95 %)"
Line = TypeVar("Line", Cell, Difference)
Words = Callable[[Interval], str]  # an interval as a cell says it


def robustness_tables(report: RobustnessReport) -> list[Table]:
    """Make the tables for a screen of 80 characters: one model in full, or several side by side in short."""
    if not report.pairs:
        return [short_table(report.models[0]), means_table(report, points_in)]
    return [
        accuracies_table(report),
        means_table(report, _short_points),
        mean_differences_table(report, _short_points),
    ]


def robustness_markdown(report: RobustnessReport) -> str:
    """Every number with its interval."""
    names = ", ".join(model.name for model in report.models)
    pairs = [mean_differences_table(report, points_in), differences_table(report)] if report.pairs else []
    tables = [means_table(report, points_in), *(cells_table(model) for model in report.models), *pairs]
    lines = [f"# Robustness of {names} on {report.data}", "", f"Scored on {report.protocol}.", "", reading(report), ""]
    for table in tables:
        lines += table_lines(table)
    return "\n".join(lines)


def reading(report: RobustnessReport) -> str:
    """Explain the tables to their readers."""
    pictures = next(cell.pictures for cell in report.models[0].cells if cell.condition == BACKGROUND)
    how = (
        f"the {report.groups} groups of pictures drawn anew 2,000 times (Wilson's or Newcombe's if that has no width)"
        if report.grouped
        else "Wilson's of accuracies, Newcombe's of differences, of means the pictures drawn anew 2,000 times"
    )
    return (
        f"Each row shows every model the same pictures; intervals of 95 %: {how}. {CUT_OUT.capitalize()}: the item put "
        f"back on a plain board of the same colour, what cutting alone costs; {BACKGROUND}: on painted surfaces. Both "
        f"are of the {pictures} of {report.pictures} pictures whose item can be told from its board, and held against "
        "the same pictures as they are."
    )


def short_table(model: ModelRobustness) -> Table:
    """One model under every condition."""
    rows: list[tuple[str, ...]] = [
        (_name(cell), _in(cell.accuracy, share_in), _in(cell.change_points, points_in)) for cell in model.cells
    ]
    return Table(f"{model.name} ({model.engine})", ("condition", "accuracy (95 %)", _POINTS), rows)


def accuracies_table(report: RobustnessReport) -> Table:
    """All models under every condition, in short."""
    rows: list[tuple[str, ...]] = [
        (_name(cells[0]), *(_in(cell.accuracy, _short_share) for cell in cells))
        for cells in zip(*(model.cells for model in report.models), strict=True)
    ]
    return Table("Accuracy, % (95 %)", ("condition", *(model.name for model in report.models)), rows)


def means_table(report: RobustnessReport, words: Words) -> Table:
    """Tabulate each model's loss by corruption, as the mean over its strengths, and by another background."""
    lines = [[*model.means, *_grounds(model.cells)] for model in report.models]
    rows: list[tuple[str, ...]] = [
        (cells[0].condition, *(_in(cell.change_points, words) for cell in cells)) for cells in zip(*lines, strict=True)
    ]
    headings = ("condition", *(model.name for model in report.models))
    return Table("Means of the strengths, points from clean (95 %)", headings, rows)


def cells_table(model: ModelRobustness) -> Table:
    """One model under every condition, and how many pictures can be shown so."""
    rows: list[tuple[str, ...]] = [
        (*_place(cell), str(cell.pictures), _in(cell.accuracy, share_in), _in(cell.change_points, points_in))
        for cell in model.cells
    ]
    return Table(
        f"{model.name} ({model.engine})", ("condition", "strength", "pictures", "accuracy (95 %)", _POINTS), rows
    )


def mean_differences_table(report: RobustnessReport, words: Words) -> Table:
    """Pairs of models on the same pictures: clean, by corruption, and on another ground."""
    lines = [[pair.cells[0], *pair.means, *_grounds(pair.cells)] for pair in report.pairs]
    rows: list[tuple[str, ...]] = [
        (row[0].condition, *(_in(one.points, words) for one in row)) for row in zip(*lines, strict=True)
    ]
    return Table("Differences, means of the strengths, points (95 %)", ("condition", *_pairs(report)), rows)


def differences_table(report: RobustnessReport) -> Table:
    """Pairs of models under every condition."""
    rows: list[tuple[str, ...]] = [
        (*_place(row[0]), *(_in(one.points, points_in) for one in row))
        for row in zip(*(pair.cells for pair in report.pairs), strict=True)
    ]
    return Table("Differences, points (95 %)", ("condition", "strength", *_pairs(report)), rows)


def _grounds(cells: Sequence[Line]) -> list[Line]:
    """Those of other grounds."""
    return [line for line in cells if not line.strength and line.condition != CLEAN]


def _pairs(report: RobustnessReport) -> tuple[str, ...]:
    return tuple(f"{pair.first} − {pair.second}" for pair in report.pairs)


def _place(line: Cell | Difference) -> tuple[str, str]:
    return line.condition, str(line.strength or "")


def _name(line: Cell) -> str:
    return " ".join(_place(line)).strip()


def _in(interval: Interval | None, words: Words) -> str:
    """Format a value; empty for what could not be measured."""
    return words(interval) if interval else ""


def _short_share(one: Interval) -> str:
    return f"{100 * one.value:.1f} ({100 * one.low:.0f} to {100 * one.high:.0f})"


def _short_points(one: Interval) -> str:
    return f"{one.value:+.1f} ({one.low:+.0f}..{one.high:+.0f})"
