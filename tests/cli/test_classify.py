from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

WasteEdge = Callable[..., Any]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / ".ipynb_checkpoints").mkdir()
    Image.new("RGB", (9, 9), (220, 20, 20)).save(folder / "a.png")
    Image.new("RGB", (1, 1), (20, 20, 220)).save(folder / "more" / "b.jpg")
    Image.new("RGB", (9, 9), (128, 128, 128)).save(folder / "more" / "c.png")
    Image.new("RGB", (9, 9)).save(folder / ".ipynb_checkpoints" / "d.png")
    (folder / ".DS_Store").write_bytes(b"\0")
    return folder


def test_json_is_one_object_a_line(waste_edge: WasteEdge, photos: Path, tiny_bundle: Path) -> None:
    outcome = waste_edge("classify", photos, "--bundle", tiny_bundle, "--json")
    rows = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert [row["path"] for row in rows] == [str(photos / name) for name in ("a.png", "more/b.jpg", "more/c.png")]
    assert [row["label"] for row in rows] == ["red", "blue", "unknown"]
    for row in rows:
        assert list(row) == ["path", "label", "confidence", "probabilities", "known_score", "latency_ms"]
        assert list(row["probabilities"]) == ["blue", "green", "red"]
        assert sum(row["probabilities"].values()) == pytest.approx(1.0)
        assert row["confidence"] == max(row["probabilities"].values())
        assert row["latency_ms"] > 0


def test_people_get_a_line_a_picture(waste_edge: WasteEdge, photos: Path, tiny_bundle: Path) -> None:
    outcome = waste_edge("classify", photos / "a.png", "-b", tiny_bundle, "--precision", "fp32", "--engine", "onnx")
    (line,) = outcome.stdout.splitlines()
    assert outcome.exit_code == 0
    assert line.startswith(f"{photos / 'a.png'}: red 100.0% (red 1.000, ")
    assert "known score" in line
    assert line.endswith(" ms")
    assert "\x1b" not in line, "no colours where there is no terminal"


def test_one_bad_picture_is_reported_and_the_rest_go_on(waste_edge: WasteEdge, photos: Path, tiny_bundle: Path) -> None:
    (photos / "b.jpg").write_text("I am a text file")
    (photos / "empty").mkdir()
    paths = [photos / "gone.png", photos / "empty", photos, photos / "a.png"]
    outcome = waste_edge("classify", *paths, "--bundle", tiny_bundle, "--json")
    assert outcome.exit_code == 2
    assert len(outcome.stdout.splitlines()) == 4
    complaints = outcome.stderr.splitlines()
    assert [complaint.split(": ")[1] for complaint in complaints] == [
        str(photos / "gone.png"),
        str(photos / "empty"),
        str(photos / "b.jpg"),
    ]
    assert all(complaint.startswith("waste-edge: ") for complaint in complaints)
    assert "no such picture" in complaints[0]
    assert "folder without pictures" in complaints[1]
    assert "not a picture" in complaints[2]


def test_a_name_in_another_encoding_is_printed(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "gr\udcfcn.png"  # a Latin-1 file name, as Python sees it
    Image.new("RGB", (4, 4), (10, 220, 10)).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(path)
    outcome = waste_edge("classify", path, tmp_path / "b\udcfc.png", "--bundle", tiny_bundle, "--json")
    assert outcome.exit_code == 2
    assert json.loads(outcome.stdout)["path"] == str(tmp_path / "gr") + "\\udcfcn.png"
    assert len(outcome.stderr.splitlines()) == 1


def test_a_bundle_that_cannot_be_used_ends_it(waste_edge: WasteEdge, photos: Path, tiny_bundle: Path) -> None:
    outcome = waste_edge("classify", photos, "--bundle", tiny_bundle, "--engine", "litert")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "has no artifact tflite-int8; it has onnx-fp32, onnx-int8" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


@pytest.mark.parametrize("engine", ["onnx", "litert", "auto"])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_default_bundle_runs_everywhere(
    waste_edge: WasteEdge, photos: Path, default_bundle: Path, engine: str, precision: str
) -> None:
    outcome = waste_edge("classify", photos, "--engine", engine, "--precision", precision, "--threads", 2, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert len([json.loads(line) for line in outcome.stdout.splitlines()]) == 3


@pytest.mark.parametrize("engine", ["onnx", "litert"])
def test_an_engine_adds_nothing_to_stderr(
    waste_edge: WasteEdge, photos: Path, default_bundle: Path, engine: str
) -> None:
    outcome = waste_edge("classify", photos / "gone.png", photos / "a.png", "--engine", engine)
    assert outcome.exit_code == 2
    assert outcome.stderr.splitlines() == [f"waste-edge: {photos / 'gone.png'}: no such picture; check the path"]
