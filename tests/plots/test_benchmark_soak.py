"""A soak's picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.reports import made_up_report
from waste_edge.benchmarks.schema import SoakReport, Trend, Window
from waste_edge.plots.benchmark import draw_soak


@pytest.mark.parametrize("drifts", [True, False])
def test_latency_and_memory_over_time(tmp_path: Path, drifts: bool) -> None:
    report = made_up_report()
    trend = Trend(p=0.001 if drifts else 0.4, change=2.0, limit=1.0, drifts=drifts)
    soak = SoakReport(
        schema=2,
        mode="soak",
        valid=True,
        disturbances=[],
        stand_in="",
        created=report.created,
        waste_edge=report.waste_edge,
        commit=report.commit,
        machine=report.machine,
        subject=report.subjects[0],
        artifact="tflite-int8",
        engine="LiteRT 2.3.0",
        minutes=2.0,
        frames=6000,
        items=12,
        windows=[Window(at_s=10.0 * i, frames=500, p50_ms=1.4 + 0.1 * i, anonymous_mb=60.0) for i in range(12)],
        latency=trend,
        memory=trend,
        steady=not drifts,
        verdict="it slows down" if drifts else "steady",
        watched=report.watched,
    )
    (path,) = draw_soak(soak, tmp_path)
    assert path.stat().st_size > 10_000
