"""`classify --run`: image, text and fused runs are asked alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

WasteEdge = Callable[..., Any]


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """Two pictures whose names say their colour."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (24, 24), (220, 30, 30)).save(folder / "the-old-crimson-can.png")
    Image.new("RGB", (24, 24), (30, 30, 220)).save(folder / "the-old-navy-jar.png")
    return folder


def rows(outcome: Any) -> list[dict[str, Any]]:
    assert outcome.exit_code == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def test_a_fused_run_tells_each_opinion(waste_edge: WasteEdge, fused_run: Path, named: Path) -> None:
    told = rows(waste_edge("classify", "--run", fused_run, named, "--text-from-name", "--logits", "--json"))
    assert [row["path"] for row in told] == [
        str(named / "the-old-crimson-can.png"),
        str(named / "the-old-navy-jar.png"),
    ]
    assert [row["text"] for row in told] == ["the old crimson can", "the old navy jar"]
    assert [row["label"] for row in told] == ["red", "blue"]
    alpha = json.loads((fused_run / "run.json").read_text())["alpha"]
    for row in told:
        assert list(row["opinions"]) == ["image", "text"]
        assert sum(row["probabilities"].values()) == pytest.approx(1.0)
        for label, logit in row["logits"].items():
            image, text = (row["opinions"][name]["logits"][label] for name in ("image", "text"))
            assert logit == pytest.approx(alpha * text + (1 - alpha) * image, abs=1e-4)


def test_people_get_a_line_with_every_opinion(waste_edge: WasteEdge, fused_run: Path, named: Path) -> None:
    path = named / "the-old-navy-jar.png"
    outcome = waste_edge("classify", "--run", fused_run, path, "--text", "the old navy can")
    (line,) = outcome.stdout.splitlines()
    assert line.startswith(f"{path}: blue ")
    assert "; image: blue " in line
    assert "; text: blue " in line
    assert "logits" not in line
    (longer,) = waste_edge(
        "classify", "--run", fused_run, path, "--text", "the old navy can", "--logits"
    ).stdout.splitlines()
    assert longer.count("logits") == 3


def test_the_text_member_needs_no_picture(waste_edge: WasteEdge, fused_run: Path, named: Path) -> None:
    (told,) = rows(waste_edge("classify", "--run", fused_run / "text", "--text", "the old leafy box", "--json"))
    assert (told["path"], told["text"], told["label"], told["opinions"]) == (None, "the old leafy box", "green", {})
    assert "logits" not in told
    outcome = waste_edge("classify", "--run", fused_run / "text", "--text", "the old leafy box")
    assert outcome.stdout.startswith("'the old leafy box': green ")
    named_ones = rows(waste_edge("classify", "--run", fused_run / "text", named, "--text-from-name", "--json"))
    assert [row["label"] for row in named_ones] == ["red", "blue"]


def test_the_image_member_looks_alone(waste_edge: WasteEdge, fused_run: Path, named: Path) -> None:
    told = rows(waste_edge("classify", "--run", fused_run / "image", named, "--json"))
    assert [(row["label"], row["text"]) for row in told] == [("red", None), ("blue", None)]


def test_a_bad_picture_is_reported_and_the_rest_go_on(waste_edge: WasteEdge, fused_run: Path, named: Path) -> None:
    (named / "a.jpg").write_text("no picture")
    for run, more in ((fused_run / "image", ()), (fused_run / "text", ("--text-from-name",))):
        outcome = waste_edge("classify", "--run", run, named, named / "gone.png", *more)
        assert outcome.exit_code == 2
        complaints = outcome.stderr.splitlines()
        assert str(named / "gone.png") in complaints[-1]
        assert len(outcome.stdout.splitlines()) == (2 if not more else 3)


@pytest.mark.parametrize(
    ("run", "arguments", "message"),
    [
        (".", ["PHOTO"], "reads text; give it with --text"),
        (".", ["--text", "x"], "looks at pictures; give their paths"),
        (".", ["PHOTO", "--text", "x", "--text-from-name"], "give one of them"),
        ("image", ["PHOTO", "--text", "x"], "looks at pictures alone"),
        ("image", [], "looks at pictures; give their paths"),
        ("text", [], "reads text; give it with --text"),
        ("text", ["PHOTO", "--text", "x"], "leave out either the paths or --text"),
        ("text", ["--text-from-name"], "needs the paths"),
        (".", ["PHOTO", "--text", "x", "--bundle", "other"], "--bundle, --engine, --precision and --threads"),
        (".", ["PHOTO", "--text", "x", "--require-key", "key.pub"], "never signed"),
        ("gone", ["PHOTO"], "no run"),
    ],
)
def test_a_question_that_a_run_cannot_be_asked(
    waste_edge: WasteEdge, fused_run: Path, named: Path, run: str, arguments: list[str], message: str
) -> None:
    words = [str(named / "the-old-navy-jar.png") if word == "PHOTO" else word for word in arguments]
    outcome = waste_edge("classify", "--run", fused_run / run, *words)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert message in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", [["--text", "x"], ["--text-from-name"], ["--logits"]])
def test_a_bundle_reads_nothing(waste_edge: WasteEdge, named: Path, option: list[str]) -> None:
    outcome = waste_edge("classify", named, *option)
    assert outcome.exit_code == 2
    assert "name one with --run" in outcome.stderr


def test_a_fusion_is_trained_from_the_command_line(
    waste_edge: WasteEdge, fused_run: Path, reading_recipes: Path, talking_photos: Path, tmp_path: Path
) -> None:
    members = [f"--member={name}={fused_run / name}" for name in ("image", "text")]
    recipe, out = reading_recipes / "fused.toml", tmp_path / "run"
    outcome = waste_edge("train", recipe, "--data", talking_photos, "--out", out, *members)
    assert outcome.exit_code == 0, outcome.stderr
    assert "validation accuracy" in outcome.stdout
    assert "test accuracy" in outcome.stdout
    evaluated = waste_edge("evaluate", out, "--data", talking_photos, "--split", "test", "--json")
    assert evaluated.exit_code == 0, evaluated.stderr
    facts = json.loads((out / "run.json").read_text())
    assert json.loads(evaluated.stdout)["scores"]["accuracy"] == facts["test_scores"]["accuracy"]
    assert waste_edge("train", recipe, "--data", talking_photos, "--out", out, "--member", "image").exit_code == 2


def test_a_text_model_is_trained_from_the_command_line(
    waste_edge: WasteEdge, reading_recipes: Path, talking_photos: Path, tmp_path: Path
) -> None:
    words = ["--data", talking_photos, "--out", tmp_path / "run", "--set", "fit.epochs=2", "--json"]
    outcome = waste_edge("train", reading_recipes / "reads.toml", *words)
    assert outcome.exit_code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["recipe"]["text"]["source"] == "column"
