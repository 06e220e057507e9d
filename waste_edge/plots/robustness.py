"""The picture of a robustness table: accuracy by corruption and strength, a line a model."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from waste_edge.evaluation.robustness.conditions import BACKGROUND, CLEAN, CUT_OUT
from waste_edge.evaluation.robustness.report import Cell, ModelRobustness, RobustnessReport
from waste_edge.plots.style import caption, save, tidy

_COLOURS = ("#4a4e69", "#b5542d", "#2d6a4f", "#6c8ead", "#c2a878", "#8e5572")
_STYLES = ("-", "--", "-.", ":")
_COLUMNS = 3
_APART = 0.09  # between the models at one strength, so that no interval hides another


def draw_robustness(report: RobustnessReport, path: Path) -> Path:
    """One panel a corruption, and one for other grounds, as a PNG."""
    names = list(dict.fromkeys(cell.condition for cell in report.models[0].cells if cell.strength))
    rows = -(-(len(names) + 1) // _COLUMNS)
    figure = Figure(figsize=(9.6, 1.0 + 2.3 * rows), layout="constrained")
    figure.suptitle(f"Accuracy where pictures are worse: {report.data}\n{_sentence(report.protocol)}", fontsize=10.5)
    panels = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        for number, model in enumerate(report.models):
            chosen = [cell for cell in model.cells if cell.condition in (CLEAN, name)]
            _draw(axes, report, number, chosen, [cell.strength for cell in chosen])
        strengths = sorted({cell.strength for cell in report.models[0].cells})
        axes.set_xticks(strengths, [CLEAN, *map(str, strengths[1:])])
        caption(axes, name)
    _draw_grounds(panels[len(names)], report)
    for axes in panels[len(names) + 1 :]:
        axes.set_visible(False)
    for number, axes in enumerate(panels):
        axes.set_ylim(0, 100)
        axes.set_ylabel("accuracy, %" if number % _COLUMNS == 0 else "")
        tidy(axes)
    lines = [Line2D([], [], label=model.name, **_look(number)) for number, model in enumerate(report.models)]
    figure.legend(handles=lines, loc="outside lower center", ncols=min(4, len(lines)), fontsize=8.5, frameon=False)
    return save(figure, path)


def _draw_grounds(axes: Axes, report: RobustnessReport) -> None:
    """Clean, and with another ground; these two are of the pictures whose item can be cut out alone."""
    order = (CLEAN, CUT_OUT, BACKGROUND)
    for number, model in enumerate(report.models):
        chosen = [_cell(model, name) for name in order]
        _draw(axes, report, number, chosen, list(range(len(order))), linestyle="")
    pictures = _cell(report.models[0], BACKGROUND).pictures
    axes.margins(x=0.12)
    axes.set_xticks(range(len(order)), ["clean", "same colour", "painted"])
    caption(axes, f"another ground ({pictures} of {report.pictures} pictures)")


def _cell(model: ModelRobustness, condition: str) -> Cell:
    return next(cell for cell in model.cells if cell.condition == condition)


def _draw(axes: Axes, report: RobustnessReport, number: int, cells: list[Cell], places: list[int], **more: Any) -> None:
    """A model's accuracies with their intervals."""
    shift = _APART * (number - (len(report.models) - 1) / 2)
    there = [(place + shift, cell.accuracy) for place, cell in zip(places, cells, strict=True) if cell.accuracy]
    x, shares = [place for place, _ in there], [share for _, share in there]
    below = [100 * max(0.0, one.value - one.low) for one in shares]
    above = [100 * max(0.0, one.high - one.value) for one in shares]
    look = _look(number) | more
    axes.errorbar(x, [100 * one.value for one in shares], [below, above], capsize=2, elinewidth=0.8, **look)


def _look(number: int) -> dict[str, Any]:
    colour = _COLOURS[number % len(_COLOURS)]
    style = _STYLES[number // len(_COLOURS) % len(_STYLES)]
    return {"color": colour, "linestyle": style, "marker": "o", "markersize": 3.5, "linewidth": 1.4}


def _sentence(protocol: str) -> str:
    return textwrap.fill(f"scored on {protocol}; bars: 95 % intervals", 115)
