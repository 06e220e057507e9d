"""`waste-edge data split`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import write_photos
from waste_edge.dataset import SplitSpec, group_near_duplicates, open_dataset, split


def parts_of(path: Path) -> dict[str, set[Path]]:
    parts = split(open_dataset(path), SplitSpec(seed=99, val_fraction=0.0))
    return {part: {photo.path.resolve() for photo in photos if photo.path} for part, photos in parts.items()}


def expected(folder: Path, spec: SplitSpec) -> dict[str, set[Path]]:
    parts = split(group_near_duplicates(open_dataset(folder)), spec)
    return {part: {photo.path.resolve() for photo in photos if photo.path} for part, photos in parts.items()}


def test_the_file_is_a_data_set_with_exactly_this_split(waste_edge, colour_photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept" / "split.csv"
    outcome = waste_edge("data", "split", colour_photos, "--out", out, "--seed", 3)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert out.read_text().splitlines()[0] == "path,label,group,part"
    assert parts_of(out) == expected(colour_photos, SplitSpec(seed=3, test_fraction=0.2))
    rows = [line.replace("│", " ").split() for line in outcome.stdout.splitlines()]
    for label in ("blue", "green", "red"):
        assert [label, "6", "2", "2"] in rows
    assert ["all", "18", "6", "6"] in rows
    assert "30 in 15 groups (the data's own groups)" in outcome.stdout


def test_json_counts_each_label_and_part(waste_edge, tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", {"red": 10, "blue": 20})
    out = tmp_path / "split.csv"
    outcome = waste_edge("data", "split", photos, "--out", out, "--val", 0.1, "--test", 0.3, "--json")
    assert json.loads(outcome.stdout) == {
        "splits": [
            {
                "path": str(out),
                "grouped": "near-duplicates",
                "groups": 30,
                "counts": {
                    "blue": {"train": 12, "val": 2, "test": 6},
                    "red": {"train": 6, "val": 1, "test": 3},
                },
            }
        ]
    }


def test_folds_are_a_file_each_or_one_alone(waste_edge, colour_photos: Path, tmp_path: Path) -> None:
    arguments = ("data", "split", colour_photos, "--folds", 3, "--test", 0.2, "--seed", 1)
    assert waste_edge(*arguments, "--out", tmp_path / "folds.csv").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folds-0.csv", "folds-1.csv", "folds-2.csv"]
    for fold in range(3):
        spec = SplitSpec(seed=1, test_fraction=0.2, folds=3, fold=fold)
        assert parts_of(tmp_path / f"folds-{fold}.csv") == expected(colour_photos, spec)
    assert waste_edge(*arguments, "--fold", 2, "--out", tmp_path / "one.csv").exit_code == 0
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "folds-2.csv").read_text()


def test_texts_are_split_too(waste_edge, tmp_path: Path) -> None:
    rows = [f"a {kind} number {n},{kind}" for kind in ("jar", "can") for n in range(10)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]))
    outcome = waste_edge("data", "split", tmp_path / "texts.csv", "--out", tmp_path / "split.csv", "--json")
    assert json.loads(outcome.stdout)["splits"][0]["counts"]["jar"] == {"train": 6, "val": 2, "test": 2}
    assert (tmp_path / "split.csv").read_text().startswith("label,text,group,part\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "split.txt"), "split.txt: --out takes the name of a .csv file"),
        (("--out", "there.csv"), "there.csv: exists already"),
        (("--out", "new.csv", "--fold", "1"), "--fold 1: of how many? Give --folds too"),
        (("--out", "new.csv", "--folds", "3", "--val", "0.2"), "--val 0.2: --folds 3 gives each part its share"),
        (("--out", "new.csv", "--folds", "0"), "--folds 0: expected 2 or more"),
        (("--out", "new.csv", "--folds", "1"), "folds must be 0 (one split) or 2 to 100, got 1"),
        (("--out", "new.csv", "--folds", "3", "--fold", "3"), "fold must be 0 to 2"),
        (("--out", "new.csv", "--val", "0.7", "--test", "0.5"), "val and test leave no pictures to train on"),
        (("--out", "new.csv", "--val", "nan"), "val and test must be 0 to 1"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    waste_edge, colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.csv").touch()
    outcome = waste_edge("data", "split", colour_photos, *arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert not Path("new.csv").exists()
