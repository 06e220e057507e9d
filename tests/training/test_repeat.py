"""Several seeds and folds: what is trained, kept and summed up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.conftest import Outcome
from tests.training.loop.test_checkpoint import TINY, changed
from tests.training.loop.test_fit import Silent
from waste_edge.errors import ConfigError, RunError
from waste_edge.files.strict import read_json
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import Recipe
from waste_edge.training.repeat import SUMMARY_NAME, Summary, by_folds, by_seeds, own_or_shared, train_each
from waste_edge.training.runs import RunInfo

QUICK = changed(TINY, {"fit.epochs": 1, "split.test_fraction": 0.2})
TOML = """
name = "quick"
[model]
architecture = "cnn4"
width = 0.1
[input]
width_px = 16
height_px = 16
[fit]
epochs = 1
batch_size = 8
[distill]
temperature = 2.0
"""


def test_folds_and_seeds_are_recipes() -> None:
    folds = by_folds(QUICK, 3)
    assert [(name, one.split.folds, one.split.fold) for name, one in folds.items()] == [
        ("fold-0", 3, 0), ("fold-1", 3, 1), ("fold-2", 3, 2),
    ]  # fmt: skip
    seeds = by_seeds(QUICK, [4, 0])
    assert {name: one.trained.seed for name, one in seeds.items()} == {"seed-4": 4, "seed-0": 0}
    assert all(one.split == QUICK.split for one in seeds.values())
    for wrong in ([1], [1, 1], [-1, 2]):
        with pytest.raises(ConfigError, match="--seeds"):
            by_seeds(QUICK, wrong)
    with pytest.raises(ConfigError, match="--folds 1"):
        by_folds(QUICK, 1)


def test_finished_runs_are_kept_and_summed_up(colour_photos: Path, tmp_path: Path) -> None:
    recipes, out, trained = by_seeds(QUICK, [0, 1, 2]), tmp_path / "runs", []

    def train_one(name: str, recipe: Recipe, folder: Path, resume: bool) -> RunInfo:
        trained.append((name, resume))
        if len(trained) == 2:
            folder.mkdir()
            raise KeyboardInterrupt
        return fit(recipe, colour_photos, folder, Silent(), resume=resume)

    with pytest.raises(KeyboardInterrupt):
        train_each(recipes, out, train_one, resume=False)
    with pytest.raises(RunError, match="--resume goes on"):
        train_each(recipes, out, train_one, resume=False)
    summary = train_each(recipes, out, train_one, resume=True)
    assert trained == [("seed-0", False), ("seed-1", False), ("seed-1", True), ("seed-2", False)]
    assert read_json(out / SUMMARY_NAME, Summary) == summary
    values = [run.scores["test"].accuracy for run in summary.runs]
    spread = summary.accuracy["test"]
    assert spread.mean == pytest.approx(np.mean(values))
    assert spread.std == pytest.approx(np.std(values, ddof=1))
    assert spread.high - spread.mean == pytest.approx(4.302653 * spread.std / np.sqrt(3))  # Student's t, 2 degrees
    assert set(summary.macro_f1) == {"val", "test"}
    other = by_seeds(msgspec.structs.replace(QUICK, name="other"), [0, 1])
    with pytest.raises(RunError, match="by another recipe"):
        train_each(other, out, train_one, resume=True)


def test_the_verbs_train_fold_by_fold(waste_edge: Callable[..., Outcome], colour_photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "quick.toml"
    recipe.write_text(TOML)
    teachers, students = tmp_path / "teachers", tmp_path / "students"
    common = ("--data", colour_photos, "--folds", 2)
    outcome = waste_edge("train", recipe, *common, "--out", teachers)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.stdout.count("fold-") == 2
    assert "95 % low" in outcome.stdout
    outcome = waste_edge("distill", recipe, *common, "--teacher", teachers, "--out", students, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    summary = msgspec.json.decode(outcome.stdout, type=Summary)
    assert (summary.by, [run.run for run in summary.runs]) == ("folds", ["fold-0", "fold-1"])
    held = [read_json(students / run.run / "run.json", RunInfo).recipe.split.fold for run in summary.runs]
    assert held == [0, 1]
    assert own_or_shared(teachers, "fold-1") == teachers / "fold-1"
    assert own_or_shared(teachers / "fold-1", "fold-1") == teachers / "fold-1"
    wrong = waste_edge("train", recipe, *common, "--seeds", "0,1", "--out", tmp_path / "x")
    assert (wrong.exit_code, "give one of them" in wrong.stderr) == (2, True)
    wrong = waste_edge("train", recipe, "--data", colour_photos, "--seeds", "0,a", "--out", tmp_path / "x")
    assert (wrong.exit_code, "expected whole numbers" in wrong.stderr) == (2, True)
