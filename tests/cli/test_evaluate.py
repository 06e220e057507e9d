from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from waste_edge.bundle.manifest import ARTIFACT_NAMES
from waste_edge.cli.evaluate import ArtifactChoice
from waste_edge.evaluation.evaluate import Evaluation
from waste_edge.files.strict import read_json
from waste_edge.metrics.classification import Scores, score

WasteEdge = Callable[..., Any]


def test_the_artifacts_offered_are_the_manifests() -> None:
    assert get_args(ArtifactChoice) == ARTIFACT_NAMES


def test_the_models_own_data_are_scored_on_their_validation_part(
    waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    outcome = waste_edge("evaluate", tiny_bundle, "--data", colour_photos, "--json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    (tmp_path / "a.json").write_text(outcome.stdout, encoding="utf-8")
    result = read_json(tmp_path / "a.json", Evaluation)
    assert (result.scores.pictures, result.scores.accuracy, result.artifact) == (6, 1.0, "onnx-int8")
    assert "the validation part, 6 of 30 pictures of the model's own data (split by group" in result.protocol
    assert [row.label for row in result.scores.labels] == ["blue", "green", "red"]


def test_other_data_are_scored_whole(
    waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(colour_photos / "images" / "red", other / "red")
    result = json.loads(
        waste_edge("evaluate", tiny_bundle, "--data", other, "--artifact", "onnx-fp32", "--json").stdout
    )
    assert (result["scores"]["pictures"], result["artifact"]) == (10, "onnx-fp32")
    assert "all 10 pictures" in result["protocol"]


def test_people_get_tables(waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path) -> None:
    outcome = waste_edge("evaluate", tiny_bundle, "--data", colour_photos, "--split", "all")
    assert outcome.exit_code == 0
    for words in (
        "accuracy 100.0%, 95 % interval 88.6% to 100.0%",
        "per class",
        "confusion",
        "F1",
        "all 30 pictures",
        "0.0% unknown",
    ):
        assert words in outcome.stdout
    assert outcome.stderr == "", "a progress bar is for terminals"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "test"], "the test part is empty"),
        (["--artifact", "tflite-fp32"], "has no artifact tflite-fp32"),
        (["--data", "/nowhere"], "/nowhere: no such folder"),
    ],
)
def test_mistakes_are_one_line(
    waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path, options: list[str], message: str
) -> None:
    outcome = waste_edge("evaluate", tiny_bundle, "--data", colour_photos, *options)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert message in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    return tmp_path / "run"


def test_a_run_is_scored_by_the_training_room(
    waste_edge: WasteEdge, run_folder: Path, colour_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def evaluate_run(run: Path, data: Path, part: str, progress: Callable[[int, int], None]) -> tuple[Scores, str]:
        asked.extend([run, data, part])
        progress(1, 1)
        import numpy as np

        return score(np.eye(2), np.array([0, 1]), ["can", "jar"]), "two made-up pictures"

    room = types.ModuleType("waste_edge.training.evaluation.evaluate")
    room.evaluate_run = evaluate_run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "waste_edge.training.evaluation.evaluate", room)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    outcome = waste_edge("evaluate", run_folder, "--data", colour_photos, "--split", "train", "--json")
    result = json.loads(outcome.stdout)
    assert asked == [run_folder, colour_photos, "train"]
    assert (result["artifact"], result["engine"], result["protocol"]) == (None, "torch", "two made-up pictures")
    assert [row["label"] for row in result["scores"]["labels"]] == ["can", "jar"]
    assert "thresholds" not in waste_edge("evaluate", run_folder, "--data", colour_photos).stdout


def test_a_run_without_torch_says_what_to_install(
    waste_edge: WasteEdge, run_folder: Path, colour_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome = waste_edge("evaluate", run_folder, "--data", colour_photos)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "pip install 'waste-edge[train]'" in outcome.stderr


def test_a_run_has_no_artifacts(waste_edge: WasteEdge, run_folder: Path, colour_photos: Path) -> None:
    outcome = waste_edge("evaluate", run_folder, "--data", colour_photos, "--artifact", "onnx-fp32")
    assert outcome.exit_code == 2
    assert "leave out --artifact onnx-fp32" in outcome.stderr


def test_through_the_station_scores_what_a_station_would_show(waste_edge, tmp_path):
    folder = tmp_path / "photos" / "metal"
    folder.mkdir(parents=True)
    board = np.random.default_rng(0).normal(205, 2, (256, 192, 3))
    board[60:200, 50:140] = (90, 95, 100)
    Image.fromarray(board.clip(0, 255).astype(np.uint8)).save(folder / "can.png")
    outcome = waste_edge("evaluate", "small", "--data", tmp_path / "photos", "--through-the-station", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert "of 1 items on rendered surfaces" in json.loads(outcome.stdout)["protocol"]


def test_through_the_station_goes_with_nothing_else(waste_edge, colour_photos, tiny_bundle):
    for words, complaint in (
        (("--through-the-station", "--elsewhere"), "goes without --elsewhere"),
        (("--grounds", colour_photos), "is of --through-the-station"),
    ):
        outcome = waste_edge("evaluate", tiny_bundle, "--data", colour_photos, *words)
        assert outcome.exit_code == 2
        assert complaint in outcome.stderr
