from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.dataset.small import imagined
from waste_edge.dataset import PARTS, Dataset, Part, Photo, SplitSpec, split, stratified
from waste_edge.errors import DataError


@pytest.mark.parametrize("seed", range(20))
def test_no_group_is_on_two_sides_and_no_picture_is_lost(seed: int) -> None:
    dataset = imagined(seed)
    parts = split(dataset, SplitSpec(seed=seed, val_fraction=0.2, test_fraction=0.15))
    sides = [{photo.group for photo in photos} for photos in parts.values()]
    assert sum(map(len, sides)) == len(set().union(*sides))
    assert sorted(p.key for photos in parts.values() for p in photos) == sorted(p.key for p in dataset.photos)


@pytest.mark.parametrize("seed", range(5))
def test_each_label_has_its_share(seed: int) -> None:
    photos = tuple(
        Photo(Path(f"{label}/{i}"), f"{label}/{i}", label, f"{label}/{i // 2}")
        for label, count in (("a", 200), ("b", 50), ("c", 10))
        for i in range(count)
    )
    parts = split(Dataset(Path(), ("a", "b", "c"), photos, True), SplitSpec(seed=seed, val_fraction=0.2))
    assert Counter(photo.label for photo in parts["val"]) == {"a": 40, "b": 10, "c": 2}
    assert parts["test"] == []


def test_the_seed_decides_and_only_the_seed() -> None:
    dataset = imagined(1)
    shuffled = Dataset(dataset.root, dataset.labels, dataset.photos[::-1], True)
    assert split(dataset, SplitSpec(seed=4)) == split(shuffled, SplitSpec(seed=4))
    assert split(dataset, SplitSpec(seed=4)) != split(dataset, SplitSpec(seed=5))


@pytest.mark.parametrize(
    ("val", "test"), [(1.0, 0.0), (-0.1, 0.0), (0.6, 0.4), (0.2, 1.5)], ids=["all", "negative", "both", "above one"]
)
def test_a_split_must_leave_pictures_to_train_on(val: float, test: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        SplitSpec(val_fraction=val, test_fraction=test)


def test_stratified_takes_turns() -> None:
    dataset = imagined(2)
    chosen = stratified(dataset, dataset.photos, 9, seed=0)
    assert Counter(photo.label for photo in chosen) == {"glass": 3, "metal": 3, "paper": 3}
    assert chosen == stratified(dataset, dataset.photos[::-1], 9, seed=0)
    assert chosen != stratified(dataset, dataset.photos, 9, seed=1)
    assert len(stratified(dataset, dataset.photos, 10_000, seed=0)) == len(dataset.photos)


def test_a_split_is_found_again_in_every_version() -> None:
    """The digest was taken when the default model was made; its validation pictures hang on it."""
    parts = split(imagined(7), SplitSpec(seed=7, val_fraction=0.2, test_fraction=0.1))
    lines = "".join(f"{part} {photo.key}\n" for part in PARTS for photo in parts[part])
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == "997edf0d4b206dc0"


def keys(photos: list[Photo]) -> set[str]:
    return {photo.key for photo in photos}


@pytest.mark.parametrize("seed", range(10))
def test_each_picture_is_validated_on_in_exactly_one_fold(seed: int) -> None:
    dataset = imagined(seed)
    folds = [split(dataset, SplitSpec(seed=seed, test_fraction=0.15, folds=4, fold=fold)) for fold in range(4)]
    tests = {frozenset(keys(parts["test"])) for parts in folds}
    assert len(tests) == 1, "all folds have the same test part"
    rest = {photo.key for photo in dataset.photos} - next(iter(tests))
    assert sorted(key for parts in folds for key in keys(parts["val"])) == sorted(rest)
    for parts in folds:
        assert keys(parts["train"]) == rest - keys(parts["val"])
        assert not {p.group for p in parts["train"]} & {p.group for p in parts["val"]}


def test_folds_have_equal_shares_of_each_label() -> None:
    photos = tuple(
        Photo(Path(f"{label}/{i}"), f"{label}/{i}", label, f"{label}/{i // 2}")
        for label, count in (("a", 200), ("b", 50), ("c", 10))
        for i in range(count)
    )
    dataset = Dataset(Path(), ("a", "b", "c"), photos, True)
    for fold in range(5):
        val = split(dataset, SplitSpec(folds=5, fold=fold))["val"]
        assert Counter(photo.label for photo in val) == {"a": 40, "b": 10, "c": 2}
    assert split(dataset, SplitSpec(folds=5, seed=1)) != split(dataset, SplitSpec(folds=5, seed=2))


@pytest.mark.parametrize(
    ("folds", "fold", "message"),
    [(1, 0, "folds must be"), (-3, 0, "folds must be"), (101, 0, "folds must"), (5, 5, "fold must be 0 to 4"),
     (5, -1, "fold must"), (0, 1, "fold must be 0 to 0")],
)  # fmt: skip
def test_impossible_folds(folds: int, fold: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitSpec(folds=folds, fold=fold)


def given(counts: dict[Part, int]) -> Dataset:
    photos = [
        Photo(None, f"{part}/{label}/{i}", label, f"{part}/{label}/{i // 2}", part=part)
        for part, count in counts.items()
        for label in ("a", "b")
        for i in range(count)
    ]
    return Dataset(Path("somewhere"), ("a", "b"), tuple(photos), grouped=True)


def test_parts_that_the_data_give_are_kept() -> None:
    dataset = given({"train": 10, "val": 4, "test": 2})
    for spec in (SplitSpec(), SplitSpec(seed=3, val_fraction=0.5, test_fraction=0.4)):
        parts = split(dataset, spec)
        assert {part: len(photos) for part, photos in parts.items()} == {"train": 20, "val": 8, "test": 4}
        assert all(photo.part == part for part, photos in parts.items() for photo in photos)


@pytest.mark.parametrize(
    ("counts", "spec", "expected"),
    [
        ({"train": 10, "test": 6}, SplitSpec(val_fraction=0.2), {"train": 16, "val": 4, "test": 12}),
        ({"train": 10, "val": 6}, SplitSpec(val_fraction=0.5), {"train": 20, "val": 12, "test": 0}),
        ({"train": 10, "val": 6}, SplitSpec(test_fraction=0.2), {"train": 16, "val": 12, "test": 4}),
        ({"train": 10, "test": 6}, SplitSpec(folds=5, fold=2), {"train": 16, "val": 4, "test": 12}),
        ({"test": 6}, SplitSpec(), {"train": 0, "val": 0, "test": 12}),
    ],
    ids=["no val", "no test, none wanted", "no test, one wanted", "folds", "test alone"],
)
def test_a_part_that_the_data_lack_is_cut_from_train(
    counts: dict[Part, int], spec: SplitSpec, expected: dict[Part, int]
) -> None:
    parts = split(given(counts), spec)
    assert {part: len(photos) for part, photos in parts.items()} == expected
    assert not {p.group for p in parts["train"]} & {p.group for p in parts["val"]}


def test_folds_of_data_with_a_val_part_of_their_own() -> None:
    with pytest.raises(DataError, match="somewhere: the data have a val part of their own"):
        split(given({"train": 10, "val": 2}), SplitSpec(folds=5))


def test_where_some_parts_are_open_they_are_trained_on() -> None:
    dataset = given({"train": 2, "val": 2})
    opened = tuple(replace(photo, part=None if photo.part == "train" else photo.part) for photo in dataset.photos)
    assert len(split(replace(dataset, photos=opened), SplitSpec())["train"]) == 4
