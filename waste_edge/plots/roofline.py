"""The roofline of a report: networks under the roofs of the machine they ran on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.ticker import NullFormatter

from waste_edge.benchmarks.roofline.model import Roof
from waste_edge.benchmarks.schema import BenchReport
from waste_edge.plots.style import caption, colour_of, line_of, marker_of, name_of, new_figure, save, tidy


def draw_roofline(report: BenchReport, path: Path) -> Path:
    """Multiply-accumulates a second against multiply-accumulates a byte, both axes in decades."""
    assert report.roofline is not None  # whoever draws it looked
    roofs = [roof for roof in report.roofline.roofs if not roof.skipped]
    figure = new_figure(report, "What was reached of what the machine can do", 8.6, 4.6)
    axes = figure.subplots()
    intensities = [_intensity(roof) for roof in roofs]
    span = np.geomspace(min(intensities) / 4, max(intensities) * 12, 200)
    for roof, intensity in zip(roofs, intensities, strict=True):
        row = report.row(roof.key)
        reached = roof.macs / roof.measured_ms / 1e6
        line = np.minimum(roof.peak_gmacs_per_s, span * roof.memory_gb_per_s)
        axes.plot(span, line, line_of(row), color=colour_of(row, report), linewidth=1, alpha=0.7)
        label = f"{name_of(row, report)}: {roof.peak_share:.0%} of the peak"
        marker = marker_of(row)
        axes.plot(
            intensity, reached, linestyle="", marker=marker, color=colour_of(row, report), markersize=8, label=label
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="multiply-accumulates a byte moved",
        ylabel="billion multiply-accumulates a second",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=10.0 ** np.floor(np.log10(min(roof.macs / roof.measured_ms / 1e6 for roof in roofs))))
    axes.legend(fontsize=8.5, frameon=False, loc="lower right")
    caption(axes, "lines: measured roofs, memory on the left, compute on the right · points: the networks")
    tidy(axes)
    return save(figure, path)


def _intensity(roof: Roof) -> float:
    return roof.macs / max(1, roof.moved_bytes)
