"""A run, a bundle's FP32 and its INT8 in one robustness table."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from waste_edge.evaluation.robustness.report import RobustnessReport
from waste_edge.files.strict import read_json

WasteEdge = Callable[..., Any]


def test_a_run_and_a_bundles_networks_are_shown_the_same_pictures(
    waste_edge: WasteEdge, teacher: Path, tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    models = (teacher, f"{tiny_bundle}:onnx-fp32", f"{tiny_bundle}:onnx-int8")
    tables, picture = tmp_path / "robustness.md", tmp_path / "robustness.png"
    outcome = waste_edge(
        *("compare", *models, "--data", colour_photos, "--robustness", "--json"),
        *("--markdown", tables, "--plot", picture),
    )
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    (tmp_path / "report.json").write_text(outcome.stdout, encoding="utf-8")
    report = read_json(tmp_path / "report.json", RobustnessReport)
    assert [(model.name, model.engine.split()[0]) for model in report.models] == [
        ("teacher", "torch"),
        ("tiny:onnx-fp32", "ONNX"),
        ("tiny:onnx-int8", "ONNX"),
    ]
    assert report.protocol == "the validation part, 6 of 30 pictures of the models' own data"
    assert len(report.pairs) == 3
    text = tables.read_text(encoding="utf-8")
    for title in ("teacher (torch)", "Differences, points (95 %)", "Means of the strengths, points from clean (95 %)"):
        assert f"## {title}\n" in text
    assert all(line.count("|") in (0, 5, 6) for line in text.splitlines())
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_runs_clean_row_is_what_evaluate_says(waste_edge: WasteEdge, student: Path, colour_photos: Path) -> None:
    plain = waste_edge("evaluate", student, "--data", colour_photos).stdout
    table = waste_edge("evaluate", student, "--data", colour_photos, "--robustness").stdout
    accuracy = re.search(r"accuracy ([\d.]+%)", plain)
    assert accuracy
    assert re.search(rf"│ clean +│ +{re.escape(accuracy[1])} ", table)


def test_what_reads_text_alone_is_refused(waste_edge: WasteEdge, fused_run: Path, talking_photos: Path) -> None:
    outcome = waste_edge("evaluate", fused_run / "text", "--data", talking_photos, "--robustness")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "text: reads text alone, which no camera spoils; leave it out of --robustness" in outcome.stderr


def test_what_looks_and_reads_keeps_its_text(
    waste_edge: WasteEdge, fused_run: Path, talking_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waste_edge.training.input_pipeline import inputs

    texts: set[str] = set()
    asked = inputs.InputReader.inputs

    def spy(self: inputs.InputReader, pictures: Any, given: Any) -> inputs.Inputs:
        texts.update(given)
        return asked(self, pictures, given)

    monkeypatch.setattr(inputs.InputReader, "inputs", spy)
    outcome = waste_edge("evaluate", fused_run, "--data", talking_photos, "--robustness", "--split", "test")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert texts
    assert "" not in texts
