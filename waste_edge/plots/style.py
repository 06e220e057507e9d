"""Style of all benchmark pictures."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from waste_edge.benchmarks.schema import BenchReport, Row, SoakReport
from waste_edge.files.atomic import write_atomically

COLOURS = {"fp32": "#b5542d", "int8": "#2d6a4f", "": "#4a4e69"}
_MARKERS = {"onnx": "s", "litert": "o"}
_LINES = {"onnx": "--", "litert": "-"}
QUIET, LOUD = "#8a8a8a", "#b00020"
_DPI = 130


def new_figure(report: BenchReport | SoakReport, title: str, width: float, height: float) -> Figure:
    """An empty figure whose head says what was measured where, and whether it is evidence."""
    figure = Figure(figsize=(width, height), layout="constrained")
    machine = report.machine
    where = ", ".join(filter(None, (machine.board or machine.cpu, f"{machine.cores} cores", machine.architecture)))
    figure.suptitle(f"{title}\n{where} · {report.created[:10]} · {report.mode} run", fontsize=10.5)
    warning = _warning(report)
    if warning:
        figure.supxlabel(warning, fontsize=8.5, color=LOUD)
    return figure


def _warning(report: BenchReport | SoakReport) -> str:
    if report.stand_in:
        return "no evidence: a folder stood for the board"
    if not report.valid:
        kinds = sorted({disturbance.what for disturbance in report.disturbances})
        return f"INVALID: this run was disturbed ({', '.join(kinds) or 'see the report'})"
    return ""


def tidy(axes: Axes, grid: str = "both") -> None:
    """Remove superfluous lines."""
    axes.grid(alpha=0.25, axis=grid)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)


def caption(axes: Axes, words: str, colour: str = QUIET) -> None:
    """Write a caption above the picture's left corner."""
    axes.set_title(words, loc="left", color=colour, fontsize=8.5)


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG, all of it or nothing."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DPI)
    write_atomically(path, picture.getvalue())
    return path


def engine_key(row: Row) -> str:
    """`onnx`, `litert` or a plug-in's name, from the row's key."""
    return row.key.split("/")[-3]


def marker_of(row: Row) -> str:
    """The mark of a row's engine; plug-ins share one."""
    return _MARKERS.get(engine_key(row), "D")


def line_of(row: Row) -> str:
    """The line of a row's engine; plug-ins share one."""
    return _LINES.get(engine_key(row), ":")


def name_of(row: Row, report: BenchReport, kind: bool = True) -> str:
    """A row in as few words as tell it from the report's other rows."""
    words = [row.artifact]
    if len(report.subjects) > 1 and row.artifact != row.subject:
        words.insert(0, row.subject)
    if len({other.threads for other in report.rows}) > 1:
        words.append(f"{row.threads} thread{'s' if row.threads > 1 else ''}")
    if kind and row.kind == "bare":
        words.append("bare loop")
    return ", ".join(words)


def colour_of(row: Row, report: BenchReport) -> tuple[float, float, float]:
    """One for each precision, as RGB in 0..1, paler the more threads there are."""
    counts = sorted({other.threads for other in report.rows})
    pale = 0.6 * counts.index(row.threads) / max(1, len(counts) - 1)
    red, green, blue = (part + (1 - part) * pale for part in to_rgb(COLOURS[row.precision]))
    return red, green, blue
