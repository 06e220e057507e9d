"""A last look is taken on the test part, says what evaluate says, and is refused where there is no such part."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.export.conftest import MODEL, QUANTIZE, Chain, command_line
from waste_edge.bundle.bundle import open_bundle
from waste_edge.evaluation.evaluate import without_progress
from waste_edge.export.build import Extras, Naming, without_fp32
from waste_edge.export.recalibrate import Wanted, recalibrate_bundle
from waste_edge.export.recipe import ExportRecipe
from waste_edge.files.strict import to_json

LEAST = MODEL.format(name="looked_at", architecture="mobilenet_v1", width=0.25) + "[split]\ntest_fraction = 0.1\n"


@pytest.fixture(scope="module")
def bundle(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("last-look")
    (folder / "recipe.toml").write_text(LEAST)
    (folder / "quantize.toml").write_text(QUANTIZE)
    run, recipe = folder / "run", folder / "quantize.toml"
    for arguments in (
        ("train", folder / "recipe.toml", "--data", chain.data, "--out", run),
        ("export", run, "--data", chain.data, "--out", folder / "bundle", "--recipe", recipe, "--last-look"),
    ):
        done = command_line(*arguments)
        assert done.returncode == 0, done.stderr
    return folder / "bundle"


def test_the_card_says_what_evaluate_says_of_the_test_part(bundle: Path, chain: Chain) -> None:
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    done = command_line("evaluate", bundle, "--data", chain.data, "--split", "test", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["scores"]
    assert said["pictures"] == 60
    look = card[card.index("## The last look") :]
    assert f"| tflite-int8 | {said['accuracy']:.1%} (" in look
    assert f" | {said['macro_f1']:.3f} | {said['ece']:.1%} | {said['rejected']:.1%} |" in look
    for row in said["labels"]:
        assert f"| {row['label']} | {row['precision']:.3f} | {row['recall']:.3f} |" in look


def test_the_card_tells_of_the_unknown_and_of_spoiled_pictures(bundle: Path) -> None:
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    unknown = card[card.index("## The unknown") : card.index("## Robustness")]
    assert "400 rendered stand-ins for the unknown (no photographs)" in unknown
    assert [line.split(" | ")[0] for line in unknown.splitlines() if line.startswith("| tflite")] == [
        "| tflite-fp32",
        "| tflite-int8",
    ], "no item of these plain pictures can be put elsewhere, so there is no second table"
    for corruption in ("blur", "noise", "white balance", "JPEG", "rotation", "occlusion", "all corruptions"):
        assert f"\n| {corruption} | " in card[card.index("## Robustness") :]


def test_a_bundle_of_int8_alone_is_looked_at_again(bundle: Path, chain: Chain, tmp_path: Path) -> None:
    slim = tmp_path / "slim"
    shutil.copytree(bundle, slim)
    with open_bundle(bundle) as opened:
        manifest = without_fp32(slim, opened.manifest)
    (slim / "manifest.json").write_text(to_json(manifest), encoding="utf-8")
    wanted = Wanted(ExportRecipe("static_wi8_ai8"), Naming("again", "2", "MIT"), Extras(test_evaluation=True))
    with open_bundle(slim) as opened:
        recalibrate_bundle(opened, chain.data, tmp_path / "again", wanted, print, without_progress)
    before, after = ((folder / "MODEL_CARD.md").read_text(encoding="utf-8") for folder in (bundle, tmp_path / "again"))
    rows = [line for line in after[after.index("## The last look") :].splitlines() if "tflite" in line]
    assert rows
    assert not any("fp32" in line for line in rows)
    accuracy = next(line.split("|")[2] for line in rows)
    assert f"| tflite-int8 |{accuracy}|" in before


def test_without_a_test_part_there_is_no_last_look(chain: Chain, tmp_path: Path) -> None:
    done = command_line("export", chain.student, "--data", chain.data, "--out", tmp_path / "bundle", "--last-look")
    assert done.returncode == 2
    assert "kept no test part for a last look; set split.test_fraction" in done.stderr
    assert not (tmp_path / "bundle").exists()
