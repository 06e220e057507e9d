"""`evaluate --robustness` and `compare --robustness` with a bundle alone, on a board too."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from waste_edge.evaluation.evaluate import Evaluation
from waste_edge.evaluation.robustness.conditions import CONDITIONS
from waste_edge.evaluation.robustness.report import RobustnessReport
from waste_edge.files.strict import read_json
from waste_edge.imaging.corruptions import CORRUPTIONS, STRENGTHS

WasteEdge = Callable[..., Any]


@pytest.fixture
def asked(waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path) -> WasteEdge:
    """`waste-edge evaluate` of the tiny bundle on its own data, with more options."""
    return lambda *options: waste_edge("evaluate", tiny_bundle, "--data", colour_photos, *options)


def reported(text: str, tmp_path: Path) -> RobustnessReport:
    (tmp_path / "printed.json").write_text(text, encoding="utf-8")
    return read_json(tmp_path / "printed.json", RobustnessReport)


def test_the_json_is_a_strict_document_of_every_condition(asked: WasteEdge, tmp_path: Path) -> None:
    outcome = asked("--robustness", "--json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    report = reported(outcome.stdout, tmp_path)
    assert report.schema == 1
    assert (report.pictures, report.groups, report.grouped) == (6, 3, True)
    assert "the validation part, 6 of 30 pictures of the model's own data" in report.protocol
    (model,) = report.models
    assert (model.name, model.role, report.pairs) == ("tiny:onnx-int8", "INT8", [])
    assert model.engine.startswith("ONNX Runtime")
    assert [(one.condition, one.strength) for one in model.cells] == [one[:2] for one in CONDITIONS]
    clean = model.cells[0].accuracy
    assert clean is not None
    (tmp_path / "plain.json").write_text(asked("--json").stdout, encoding="utf-8")
    assert clean.value == read_json(tmp_path / "plain.json", Evaluation).scores.accuracy == 1.0
    assert model.cells[-1].pictures == 0, "coloured squares fill their pictures"
    assert reported(asked("--robustness", "--json").stdout, tmp_path).models == report.models, "the same twice"


def test_an_artifact_and_a_split_are_heeded(asked: WasteEdge, tmp_path: Path) -> None:
    outcome = asked("--robustness", "--json", "--artifact", "onnx-fp32", "--split", "all")
    report = reported(outcome.stdout, tmp_path)
    assert report.pictures == 30
    assert [(model.name, model.role) for model in report.models] == [("tiny:onnx-fp32", "FP32")]


def test_people_get_a_table(asked: WasteEdge) -> None:
    outcome = asked("--robustness")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    for words in (
        "scored on the validation part, 6 of 30 pictures",
        "tiny:onnx-int8 (ONNX Runtime",
        "accuracy (95 %)",
        "points from clean (95 %)",
        "all corruptions",
        "the 3 groups of pictures drawn anew",
        "of the 0 of 6 pictures whose item can be told from its board",
        *(f"{name} {strength}" for name in CORRUPTIONS for strength in STRENGTHS),
    ):
        assert words in outcome.stdout
    row = next(line for line in outcome.stdout.splitlines() if "│ clean" in line)
    assert "100.0% (61.0% to 100.0%)" in row, "drawing three right groups anew has no width; Wilson's has"
    assert max(map(len, outcome.stdout.split("Each row")[0].splitlines()[1:])) <= 80


def test_files_are_written_beside_what_is_printed(asked: WasteEdge, tmp_path: Path) -> None:
    tables, picture = tmp_path / "tables.md", tmp_path / "robustness.png"
    outcome = asked("--robustness", "--markdown", tables, "--plot", picture)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert str(tables) in outcome.stdout
    assert str(picture) in outcome.stdout
    text = tables.read_text(encoding="utf-8")
    assert text.startswith("# Robustness of tiny:onnx-int8 on ")
    assert text.count("\n| blur |") == 4, "three strengths and their mean"
    assert "| condition | strength | pictures | accuracy (95 %) | points from clean (95 %) |" in text
    assert "## Differences" not in text
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG"
        assert np.asarray(drawn.convert("L")).std() > 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["robustness.png", "tables.md"]


def test_two_networks_stand_side_by_side(
    waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    tables = tmp_path / "tables.md"
    given = ("compare", f"{tiny_bundle}:all", "--data", colour_photos, "--robustness")
    report = reported(waste_edge(*given, "--json").stdout, tmp_path)
    assert [model.name for model in report.models] == ["tiny:onnx-fp32", "tiny:onnx-int8"]
    (pair,) = report.pairs
    assert (pair.first, pair.second) == ("tiny:onnx-fp32", "tiny:onnx-int8")
    for fp32, int8, difference in zip(report.models[0].cells, report.models[1].cells, pair.cells, strict=True):
        if fp32.accuracy and int8.accuracy and difference.points:
            apart = 100 * (fp32.accuracy.value - int8.accuracy.value)
            assert difference.points.value == pytest.approx(apart, abs=1e-6)
    outcome = waste_edge(*given, "--markdown", tables)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "Differences" in outcome.stdout
    assert "tiny:onnx-fp32 − tiny:onnx-int8" in tables.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plot", "a.png"], "--plot a.png: is of --robustness; add that"),
        (["--markdown", "a.md"], "--markdown a.md: is of --robustness and --domains; add one, or write"),
        (["--robustness", "--report", "a.html"], "--robustness and --report are two reports; ask for one at a time"),
        (["--robustness", "--unknown", "."], "--robustness and --unknown are two reports"),
        (["--robustness", "--plot", "a.jpg"], "--plot a.jpg: the picture is a PNG"),
        (["--robustness", "--plot", "nowhere/a.png"], "nowhere/a.png: expected a file in a folder that exists"),
        (["--robustness", "--markdown", "nowhere/a.md"], "nowhere/a.md: expected a file in a folder that exists"),
        (["--robustness", "--split", "test"], "the test part is empty"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_measured(
    asked: WasteEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = asked(*options)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert message in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_compare_has_one_report_at_a_time_too(
    waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    given = ("compare", f"{tiny_bundle}:all", "--data", colour_photos)
    both = waste_edge(*given, "--robustness", "--out", tmp_path / "page.html")
    assert (both.exit_code, both.stdout) == (2, "")
    assert "--robustness and --out are two reports" in both.stderr
    assert "is of --robustness" in waste_edge(*given, "--plot", tmp_path / "a.png").stderr


def test_without_matplotlib_it_says_what_else_can_be_done(
    asked: WasteEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "matplotlib" else find_spec(name, *more)
    )
    outcome = asked("--robustness", "--plot", tmp_path / "a.png")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "--plot: matplotlib is not installed here; pip install matplotlib, or leave it out" in outcome.stderr


def test_a_report_of_one_model_refuses_several(asked: WasteEdge, waste_edge: WasteEdge, tiny_bundle: Path,
                                               colour_photos: Path, tmp_path: Path) -> None:  # fmt: skip
    page = tmp_path / "a.html"
    outcome = waste_edge("evaluate", f"{tiny_bundle}:all", "--data", colour_photos, "--report", page)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "means 2 networks; name one, or use waste-edge compare" in outcome.stderr


def test_a_board_without_the_training_packages_measures_its_bundle(tiny_bundle: Path, colour_photos: Path) -> None:
    program = """
import sys
for name in ("torch", "torchvision", "jinja2", "markupsafe", "matplotlib", "sklearn", "safetensors", "onnx"):
    sys.modules[name] = None
from waste_edge.cli.main import main
main(sys.argv[1:])
"""
    for words in (("evaluate", tiny_bundle), ("compare", f"{tiny_bundle}:all")):
        command = [sys.executable, "-c", program, *map(str, words), "--data", str(colour_photos), "--robustness"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "all corruptions" in done.stdout
