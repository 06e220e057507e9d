"""Pictures of a benchmark's report, made from the JSON document alone, so that recorded runs can be drawn again.

Also of a soak (latency and memory over time), and the roofline: networks under the roofs of the machine they ran on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from waste_edge.benchmarks.roofline.model import Roof
from waste_edge.benchmarks.schema import BenchReport, Pipeline, Row, SoakReport
from waste_edge.plots.style import (
    LOUD,
    QUIET,
    caption,
    colour_of,
    engine_key,
    line_of,
    marker_of,
    name_of,
    new_figure,
    save,
    tidy,
)

_STAGE_COLOURS = {
    "capture": "#9db4c0",
    "convert": "#c2a878",
    "gate": "#7d5a80",
    "crop": "#d8a7b1",
    "resize": "#6c8ead",
    "infer": "#2d6a4f",
    "decide": "#b5542d",
}


def draw_benchmark(report: BenchReport, folder: Path) -> list[Path]:
    """Draw what the report has figures for: at least the latencies; returns the files, all PNG."""
    rows = [row for row in report.rows if row.latency is not None]
    drawn = [draw_latency(report, rows, folder / "latency.png"), draw_time(report, rows, folder / "over_time.png")]
    judged = [row for row in rows if row.kind == "ours" and (row.accuracy or row.agreement)]
    if judged:
        drawn.append(draw_accuracy(report, judged, folder / "accuracy.png"))
    if report.pipelines:
        drawn.append(draw_stages(report, folder / "stages.png"))
    if report.roofline is not None and any(not roof.skipped for roof in report.roofline.roofs):
        drawn.append(draw_roofline(report, folder / "roofline.png"))
    return drawn


def draw_latency(report: BenchReport, rows: list[Row], path: Path) -> Path:
    """Each row's distribution: the middle half, 5 % to 95 %, and the tail; the median in figures."""
    figure = new_figure(report, "Latency of one inference", 8.6, 1.5 + 0.42 * len(rows))
    axes = figure.subplots()
    shown_ms = _shown([(row.latency.p50_ms, row.latency.p99_ms) for row in rows if row.latency])
    for place, row in enumerate(rows):
        assert row.latency is not None
        points, colour = row.latency.percentiles_ms, colour_of(row, report)
        drawn = [min(point, shown_ms) for point in points]
        alpha = 0.5 if row.kind == "bare" else 1.0
        axes.plot(drawn[1::98], [place] * 2, color=colour, linewidth=1.2, alpha=alpha)
        axes.plot(drawn[5:96:90], [place] * 2, color=colour, linewidth=5, alpha=0.35 * alpha, solid_capstyle="butt")
        axes.plot(drawn[25:76:50], [place] * 2, color=colour, linewidth=9, alpha=0.75 * alpha, solid_capstyle="butt")
        axes.plot([points[50]] * 2, [place - 0.3, place + 0.3], color="black", linewidth=1.4)
        text = f"p50 {points[50]:.2f}, p99 {points[99]:.2f}{' (few samples)' if row.latency.p99_indicative else ''}"
        _say(axes, text, min(points[99], shown_ms), place, points[99] > shown_ms)
    axes.set_yticks(range(len(rows)), [name_of(row, report) for row in rows])
    axes.set(xlabel="milliseconds", xlim=(0, shown_ms * 1.45), ylim=(len(rows) - 0.4, -0.6))
    caption(axes, "black: median · thick: middle half · pale: 5 % to 95 % · thin: 1 % to 99 %")
    tidy(axes, grid="x")
    return save(figure, path)


def _shown(medians_and_tails: list[tuple[float, float]]) -> float:
    """Choose the axis's upper end in ms: a tail many times as long would leave no room for the rest."""
    medians, tails = zip(*medians_and_tails, strict=True)
    return float(min(max(tails), 3 * max(medians)))


def _say(axes: Axes, text: str, x: float, y: float, cut: bool) -> None:
    words = f"→ {text}" if cut else text
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.annotate(words, (x, y), (6, 0), textcoords="offset points", va="center", fontsize=8, color="#333333", bbox=box)


def draw_accuracy(report: BenchReport, rows: list[Row], path: Path) -> Path:
    """Accuracy, or what stands for it, against latency and against size."""
    has_accuracy = any(row.accuracy for row in rows)
    rows = [row for row in rows if row.accuracy] if has_accuracy else rows
    figure = new_figure(
        report, "Accuracy against latency and size" if has_accuracy else "Agreement, not accuracy", 9, 4
    )
    left, right = figure.subplots(1, 2, sharey=True)
    for row in rows:
        assert row.latency is not None
        _point(left, row.latency.p50_ms, row, report)
        if row.size_bytes is not None:
            _point(right, row.size_bytes / 1024, row, report)
    said = "accuracy, %" if has_accuracy else "golden inputs that get FP32's label, %"
    left.set(xlabel="median latency, ms", ylabel=said)
    right.set(xlabel="file, KiB")
    for axes in (left, right):
        axes.set_xlim(0, 1.1 * axes.get_xlim()[1])
        tidy(axes)
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            color=colour_of(row, report),
            marker=marker_of(row),
            markerfacecolor=_face(row, report),
            label=name_of(row, report),
        )
        for row in rows
    ]
    figure.legend(handles=handles, loc="outside right upper", fontsize=8.5, frameon=False)
    caption(left, "bars: 95 % intervals; up and to the left is better")
    return save(figure, path)


def _point(axes: Axes, x: float, row: Row, report: BenchReport) -> None:
    if row.accuracy is not None:
        value, low, high = row.accuracy.accuracy, row.accuracy.low, row.accuracy.high
    else:
        assert row.agreement is not None
        value, low, high = row.agreement.agreement, row.agreement.low, row.agreement.high
    spread = [[100 * max(0.0, value - low)], [100 * max(0.0, high - value)]]
    marker = marker_of(row)
    colour = colour_of(row, report)
    size = 9 if engine_key(row) == "onnx" else 6  # one must be seen behind another
    axes.errorbar(x, 100 * value, yerr=spread, capsize=3, linewidth=1, color=colour)
    axes.plot(x, 100 * value, marker=marker, markersize=size, color=colour, markerfacecolor=_face(row, report))


def _face(row: Row, report: BenchReport) -> tuple[float, float, float]:
    return (1.0, 1.0, 1.0) if engine_key(row) == "onnx" else colour_of(row, report)


def draw_stages(report: BenchReport, path: Path) -> Path:
    """From frame to decision: the stages' medians end to end, and the whole way's median and 95th percentile."""
    figure = new_figure(report, "From frame to decision", 8.6, 1.9 + 0.5 * len(report.pipelines))
    axes = figure.subplots()
    shown_ms = _shown([(pipeline.p50_ms, pipeline.p95_ms) for pipeline in report.pipelines])
    for place, pipeline in enumerate(report.pipelines):
        _bar(axes, place, pipeline, shown_ms)
    names = {pipeline.key: name_of(report.row(pipeline.key), report) for pipeline in report.pipelines}
    axes.set_yticks(range(len(report.pipelines)), [names[pipeline.key] for pipeline in report.pipelines])
    axes.set(xlabel="milliseconds, medians", ylim=(len(report.pipelines) - 0.4, -0.6), xlim=(0, shown_ms * 1.5))
    shown = {stage.stage for pipeline in report.pipelines for stage in pipeline.stages}
    handles = [
        Line2D([], [], color=colour, linewidth=7, label=stage)
        for stage, colour in _STAGE_COLOURS.items()
        if stage in shown
    ]
    handles.append(Line2D([], [], color="black", marker="|", markersize=10, label="whole way,\np50 to p95"))
    figure.legend(handles=handles, loc="outside right upper", fontsize=8.5, frameon=False)
    caption(axes, f"frames: {report.pipelines[0].frame}")
    tidy(axes, grid="x")
    return save(figure, path)


def _bar(axes: Axes, place: int, pipeline: Pipeline, shown_ms: float) -> None:
    begin = 0.0
    for stage in pipeline.stages:
        axes.barh(place, stage.p50_ms, left=begin, height=0.55, color=_STAGE_COLOURS[stage.stage])
        begin += stage.p50_ms
    axes.plot(
        [pipeline.p50_ms, min(pipeline.p95_ms, shown_ms)],
        [place] * 2,
        color="black",
        marker="|",
        markersize=12,
        linewidth=1,
    )
    text = f"p50 {pipeline.p50_ms:.2f}, p95 {pipeline.p95_ms:.2f}, {pipeline.fps:.0f} frames/s"
    _say(axes, text, min(pipeline.p95_ms, shown_ms), place, pipeline.p95_ms > shown_ms)


def draw_time(report: BenchReport, rows: list[Row], path: Path) -> Path:
    """Medians of a second or so through the run, and what else the machine did meanwhile."""
    ours = [row for row in rows if row.kind == "ours"] or rows
    figure = new_figure(report, "Latency over time", 9, 5)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for row in ours:
        assert row.latency is not None
        style = line_of(row)
        times, medians = zip(*((block.at_s, block.p50_ms) for block in row.latency.blocks), strict=True)
        marker = "." if len(times) < 20 else ""
        above.plot(
            times,
            medians,
            style,
            marker=marker,
            color=colour_of(row, report),
            linewidth=1.2,
            label=name_of(row, report),
        )
    end_s = max(block.at_s for row in ours if row.latency for block in row.latency.blocks)
    above.set(ylabel="median of a block, ms", ylim=(0, None), xlim=(-0.02 * end_s, max(1.0, 1.02 * end_s)))
    # The looks count from the first of them, the blocks from the first timed call.
    working = [look.at_s for look in report.watched.looks if look.working]
    before = [look.at_s for look in report.watched.looks if look.at_s < min(working, default=0.0)]
    start_s = max(before, default=0.0)
    for disturbance in report.disturbances:
        above.axvline(max(0.0, disturbance.at_s - start_s), color=LOUD, linewidth=0.8, alpha=0.6)
    _draw_looks(below, report, start_s)
    for axes in (above, below):
        tidy(axes)
    figure.legend(*above.get_legend_handles_labels(), loc="outside right upper", fontsize=8.5, frameon=False)
    return save(figure, path)


def _draw_looks(axes: Axes, report: BenchReport, start_s: float) -> None:
    """Draw the board's temperature if it was read, else the processor share of other processes."""
    looks = report.watched.looks
    warm = [(look.at_s - start_s, look.temperature_c) for look in looks if look.temperature_c is not None]
    busy = [(look.at_s - start_s, look.foreign_cores) for look in looks if look.foreign_cores is not None]
    axes.set_xlabel("seconds since the first timed call")
    if warm:
        axes.plot(*zip(*warm, strict=True), color="#4a4e69", linewidth=1)
        axes.set_ylabel("°C")
    elif busy:
        axes.step(*zip(*busy, strict=True), where="pre", color="#4a4e69", linewidth=1)
        axes.set(ylabel="others, cores", ylim=(0, max(1.0, *(cores for _, cores in busy))))
    else:
        axes.text(0.5, 0.5, "this machine tells neither temperature nor load", transform=axes.transAxes, ha="center")


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
