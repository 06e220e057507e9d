"""Training and evaluation must agree on what was held out."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.training.loop.test_fit import RECIPE, Silent
from waste_edge.dataset import Photo, SplitSpec, group_near_duplicates, open_dataset, split, write_table
from waste_edge.evaluation.evaluate import choose_photos
from waste_edge.training.evaluation.evaluate import evaluate_run
from waste_edge.training.loop.fit import fit


def held_out(run: Path) -> list[str]:
    with (run / "split.csv").open(newline="") as stream:
        return [row["file"] for row in csv.DictReader(stream) if row["part"] == "val"]


def keys(photos: list[Photo]) -> list[str]:
    return [photo.key for photo in photos]


def test_a_split_written_down_is_the_split_of_the_run(colour_photos: Path, tmp_path: Path) -> None:
    dataset = group_near_duplicates(open_dataset(colour_photos))
    spec = SplitSpec(seed=5, test_fraction=0.2, folds=3, fold=1)
    parts = split(dataset, spec)
    write_table(tmp_path / "split.csv", dataset, parts)
    info = fit(RECIPE, tmp_path / "split.csv", tmp_path / "run", Silent())
    assert info.pictures == {part: len(photos) for part, photos in parts.items()}
    assert [Path(file).parts[-2:] for file in held_out(tmp_path / "run")] == [
        p.path.parts[-2:] for p in parts["val"] if p.path
    ]
    scores, protocol = evaluate_run(tmp_path / "run", tmp_path / "split.csv", "auto", lambda done, total: None)
    assert scores == info.scores
    assert "divided by the data themselves" in protocol


def test_which_fold_was_scored_is_said(colour_photos: Path) -> None:
    dataset = open_dataset(colour_photos)
    photos, protocol = choose_photos(dataset, "val", SplitSpec(seed=2, folds=5, fold=4), dataset.fingerprint())
    assert keys(photos) == keys(split(dataset, SplitSpec(seed=2, folds=5, fold=4))["val"])
    assert "split by group and label, seed 2, fold 4 of 0 to 4" in protocol
