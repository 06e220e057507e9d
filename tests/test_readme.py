"""The README's figures are the shipped model's, and what it tells people to type exists."""

import re
from pathlib import Path

import pytest

from waste_edge.bundle import open_bundle
from waste_edge.cli.main import command_line
from waste_edge.resources import BUNDLES, DEFAULT_BUNDLE
from waste_edge.training.recipe import shipped_recipes

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_two_commands_are_make_run_and_make_test() -> None:
    blocks = re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    commands = [block.strip() for block in blocks if block.startswith("make ")]
    assert commands == ["make run", "make test"]


def test_the_models_table_is_the_manifests() -> None:
    manifest = open_bundle(BUNDLES / DEFAULT_BUNDLE).manifest
    assert f"{manifest.parameters:,} parameters" in README
    for name, one in manifest.metrics.artifacts.items():
        scores = one.scores
        row = (
            f"| {name} | {manifest.artifacts[name].size_bytes:,} | {scores.accuracy:.1%} "
            f"({scores.accuracy_low:.1%} to {scores.accuracy_high:.1%}) | {one.agreement:.1%} |"
        )
        assert row in README, f"README.md's table has drifted; it should hold: {row}"
        assert f"on {scores.pictures} validation pictures" in README


def test_the_default_model_is_as_good_and_as_small_as_promised() -> None:
    manifest = open_bundle(BUNDLES / DEFAULT_BUNDLE).manifest
    assert manifest.metrics.artifacts["tflite-int8"].scores.accuracy >= 0.85
    assert manifest.metrics.artifacts["onnx-int8"].scores.accuracy >= 0.85
    assert manifest.artifacts["tflite-int8"].size_bytes <= 1_000_000


def test_every_verb_it_names_exists() -> None:
    app = command_line([])
    verbs = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    named = set(re.findall(r"(?:`|^|sudo |bin/)waste-edge ([a-z]+)\b", README, re.MULTILINE))
    assert named <= verbs, named - verbs
    assert verbs <= named, f"the README does not mention {verbs - named}"


@pytest.mark.parametrize("target", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_every_recipe_is_listed_in_its_rooms_readme() -> None:
    text = (ROOT / "training" / "README.md").read_text(encoding="utf-8")
    assert all(path.name in text for path in shipped_recipes())
