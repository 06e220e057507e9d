"""The picture of a soak: latency and memory over time."""

from __future__ import annotations

from pathlib import Path

from waste_edge.benchmarks.schema import SoakReport
from waste_edge.plots.style import LOUD, QUIET, caption, new_figure, save, tidy


def draw_soak(report: SoakReport, folder: Path) -> list[Path]:
    """One PNG of a soak's windows, made from the JSON document alone."""
    figure = new_figure(report, f"A soak of {report.minutes:g} minutes", 9, 4.6)
    above, below = figure.subplots(2, 1, sharex=True)
    minutes = [window.at_s / 60 for window in report.windows]
    above.plot(minutes, [window.p50_ms for window in report.windows], marker=".", color="#2d6a4f", linewidth=1)
    above.set(ylabel="median latency, ms", ylim=(0, None))
    below.plot(minutes, [window.anonymous_mb for window in report.windows], marker=".", color="#4a4e69", linewidth=1)
    below.set(ylabel="memory, MB", xlabel="minutes", ylim=(0, None))
    for axes, trend, unit in ((above, report.latency, "ms"), (below, report.memory, "MB")):
        verdict = "drifts" if trend.drifts else "no drift that matters"
        caption(axes, f"{verdict}: {trend.change:+.2f} {unit} in all, p {trend.p:.2g}", LOUD if trend.drifts else QUIET)
        tidy(axes)
    return [save(figure, folder / "soak.png")]
