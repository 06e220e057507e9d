from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from waste_edge.benchmarks.report import Report
from waste_edge.engines.engine import Output
from waste_edge.engines.onnx import OnnxEngine
from waste_edge.frames import Pixels
from waste_edge.strict import read_json

WasteEdge = Callable[..., Any]


def test_what_is_printed_is_what_is_written(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.json"
    outcome = waste_edge("bench", "--bundle", tiny_bundle, "--seconds", 0.2, "--json", "--out", out)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert out.read_text(encoding="utf-8") == outcome.stdout
    report = read_json(out, Report)
    assert (report.mode, report.bundle.name, report.scenario.seconds) == ("quick", "tiny", 0.2)
    assert [row.status for row in report.rows] == ["measured", "measured", "not in bundle", "not in bundle"]


def test_people_get_a_table(waste_edge: WasteEdge, tiny_bundle: Path) -> None:
    outcome = waste_edge("bench", "--bundle", tiny_bundle, "--seconds", 0.2, "--threads", 2)
    assert outcome.exit_code == 0
    for words in ("p50 ms", "p95 ms", "onnx-fp32 takes", "times as long as onnx-int8", "2 threads", "a quick run"):
        assert words in outcome.stdout
    assert "tflite-int8: tiny has no tflite-int8" in outcome.stdout


def test_an_engine_that_is_not_installed_is_a_row(
    waste_edge: WasteEdge, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waste_edge.engines.engine.LITERT_MODULES", ("no_such_package",))
    outcome = waste_edge("bench", "--bundle", tiny_bundle, "--seconds", 0.2, "--json")
    rows = json.loads(outcome.stdout)["rows"]
    assert [row["status"] for row in rows] == ["measured", "measured", "not installed", "not installed"]
    assert "pip install ai-edge-litert" in rows[2]["reason"]


@pytest.mark.parametrize("seconds", ["0", "nan", "inf", "-3", "soon"])
def test_impossible_seconds(waste_edge: WasteEdge, tiny_bundle: Path, seconds: str) -> None:
    outcome = waste_edge("bench", "--bundle", tiny_bundle, "--seconds", seconds)
    assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_cpu_time_is_what_one_thread_worked(
    waste_edge: WasteEdge, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, infer_s = OnnxEngine.infer, 0.02

    def idle(self: OnnxEngine, pixels: Pixels) -> Output:
        time.sleep(infer_s)
        return honest(self, pixels)

    monkeypatch.setattr(OnnxEngine, "infer", idle)
    medians_ms = {}
    for words in ((), ("--cpu-time",)):
        report = json.loads(waste_edge("bench", "--bundle", tiny_bundle, "--seconds", 0.1, "--json", *words).stdout)
        medians_ms[report["scenario"]["time"]] = report["rows"][0]["latency"]["p50_ms"]
    assert medians_ms["wall"] >= 20 > 10 > medians_ms["cpu"]
    outcome = waste_edge("bench", "--bundle", tiny_bundle, "--seconds", 0.1, "--cpu-time")
    assert "1 thread, CPU time" in outcome.stdout
    refused = waste_edge("bench", "--bundle", tiny_bundle, "--cpu-time", "--threads", 2)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "CPU time is that of one thread" in refused.stderr


def test_a_place_that_cannot_be_written(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    outcome = waste_edge("bench", "--bundle", tiny_bundle, "--seconds", 0.1, "--out", tmp_path)
    assert outcome.exit_code == 2
    assert "expected a file in a folder that exists" in outcome.stderr
    assert outcome.stdout == "", "refused before anything is measured"


def test_the_default_bundle(waste_edge: WasteEdge, default_bundle: Path) -> None:
    outcome = waste_edge("bench", "--seconds", 1, "--json")
    report = json.loads(outcome.stdout)
    assert [row["status"] for row in report["rows"]] == ["measured"] * 4
    assert [speedup["engine"] for speedup in report["speedups"]] == ["litert", "onnx"]
