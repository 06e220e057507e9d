"""The README's figures are the shipped model's, and what it tells people to type exists."""

import re
from pathlib import Path

import pytest

from waste_edge.bundle.bundle import open_bundle
from waste_edge.cli.main import command_line
from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.evaluation.report.tables import accuracy_of, share_in
from waste_edge.export.model_card import CARD_NAME
from waste_edge.files.resources import BUNDLES
from waste_edge.files.strict import read_json
from waste_edge.training.recipe import shipped_recipes
from waste_edge.training.repeat import Summary

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def test_the_first_two_commands_are_make_run_and_make_test() -> None:
    blocks = re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    commands = [block.strip() for block in blocks if block.startswith("make ")]
    assert commands == ["make run", "make test"]


@pytest.mark.parametrize(("name", "most_bytes"), [("small", 381_000), ("accurate", 5_000_000)])
def test_a_shipped_bundle_is_as_small_and_as_good_as_promised(name: str, most_bytes: int) -> None:
    manifest = open_bundle(BUNDLES / name).manifest
    assert manifest.name == name
    size_bytes = manifest.artifacts["tflite-int8"].size_bytes
    assert size_bytes <= most_bytes
    assert f" {size_bytes:,} |" in README
    assert manifest.metrics.artifacts.keys() == manifest.artifacts.keys()
    assert all(one.scores.accuracy >= 0.85 for one in manifest.metrics.artifacts.values())


@pytest.mark.parametrize("name", ["small", "accurate"])
def test_the_measured_bundle_is_the_shipped_one(name: str) -> None:
    """What its card says of the test part, written at its export, is what the headline's comparison found."""
    report = read_json(ROOT / "training" / "results" / "model.json", ComparisonReport)
    card = (BUNDLES / name / CARD_NAME).read_text(encoding="utf-8")
    models = [one for one in report.models if one.name.startswith(f"{name}:")]
    assert f"{name}:tflite-int8" in [model.name for model in models]
    for model in models:
        artifact = model.name.partition(":")[2]
        assert f"| {artifact} | {share_in(accuracy_of(report, model))} | {model.scores.macro_f1:.3f} |" in card


def test_what_the_page_says_of_several_seeds_is_what_was_recorded() -> None:
    seeds = read_json(ROOT / "training" / "results" / "seeds_small.json", Summary)
    says = RESULTS[RESULTS.index("Results vary by seed") : RESULTS.index("make model-seeds")]
    found = [float(number) for number in re.findall(r"\d+\.\d", says)]
    expected: list[float] = []
    for part in ("test", "val"):
        over, each = seeds.accuracy[part], [run.scores[part].accuracy for run in seeds.runs]
        expected += [over.mean, *each, *((over.low, over.high) if part == "test" else ())]
    assert found == [round(100 * share, 1) for share in expected]


def test_it_begins_with_use_and_is_short() -> None:
    assert len(README.splitlines()) <= 150
    assert README.index("make run") < README.index("## Results")


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
