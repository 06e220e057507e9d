from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waste_edge.dataset import Dataset, Photo, SplitSpec, open_dataset, split, stratified
from waste_edge.errors import DataError


def make_folder(root: Path, counts: dict[str, int]) -> Path:
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (2, 2), (index, 0, 0)).save(root / label / f"{index:03}.png")
    return root


def imagined(seed: int) -> Dataset:
    """A data set without files: groups of 1 to 6 pictures, some of them with two labels."""
    generator = np.random.default_rng(seed)
    photos = []
    for group in range(int(generator.integers(30, 120))):
        label = generator.choice(["glass", "metal", "paper"], p=[0.6, 0.3, 0.1])
        for member in range(int(generator.integers(1, 7))):
            own = generator.choice(["glass", label], p=[0.1, 0.9])
            key = f"{own}/{group}-{member}.jpg"
            photos.append(Photo(Path(key), key, str(own), f"group:{group}"))
    return Dataset(Path(), ("glass", "metal", "paper"), tuple(photos), grouped=True)


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


@pytest.mark.parametrize("inside", [True, False], ids=["one up from images", "beside the classes"])
def test_groups_are_read_from_either_place(tmp_path: Path, inside: bool) -> None:
    root = make_folder(tmp_path / "images" if inside else tmp_path, {"a": 3, "b": 1})
    (tmp_path / "groups.csv").write_text("file,group\na/000.png,1\na/001.png,1\n", encoding="utf-8")
    dataset = open_dataset(tmp_path)
    assert dataset.root == root
    assert dataset.grouped
    groups = {photo.key: photo.group for photo in dataset.photos}
    assert groups["a/000.png"] == groups["a/001.png"] != groups["a/002.png"]


def test_without_groups_every_picture_stands_alone(tmp_path: Path) -> None:
    dataset = open_dataset(make_folder(tmp_path, {"a": 3, "b": 2}))
    assert not dataset.grouped
    assert len({photo.group for photo in dataset.photos}) == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name;group\n", "expected the columns file and group"),
        (b"", "expected the columns"),
        (b"\xff\xfe\x00", "not a readable CSV"),
        (b"file,group\na/000.png\n", "line 2"),
        (b"file,group\na/gone.png,7\na/000.png,7,8\n", "line 3"),
        (b"file,group\n,7\n", "line 2"),
        (b"file,group\nimages/a/000.png,7\n", "names none of the pictures; expected paths like a/000.png"),
    ],
)
def test_a_wrong_groups_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    make_folder(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "groups.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("counts", "labels", "message"),
    [
        ({}, None, "no class folders"),
        ({"a": 1}, None, "only one class folder"),
        ({"a": 1, "b": 0}, None, "b: class folder without pictures"),
        ({"a": 1, "wood": 1}, ["a", "b"], "class wood is unknown to the model, which has a, b"),
    ],
)
def test_unusable_folders_are_refused(
    tmp_path: Path, counts: dict[str, int], labels: list[str] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(make_folder(tmp_path, counts), labels)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(tmp_path / "none")


def test_a_models_labels_keep_their_order_and_may_be_more(tmp_path: Path) -> None:
    dataset = open_dataset(make_folder(tmp_path, {"a": 1}), ["z", "a"])
    assert dataset.labels == ("z", "a")
    assert dataset.label_index(dataset.photos[0]) == 1


def test_hidden_folders_are_no_classes(tmp_path: Path) -> None:
    make_folder(tmp_path, {"a": 1, "b": 1, ".ipynb_checkpoints": 1})
    assert open_dataset(tmp_path).labels == ("a", "b")


def test_the_fingerprint_follows_content_and_names_alone(tmp_path: Path) -> None:
    one, two = make_folder(tmp_path / "1", {"a": 2, "b": 1}), make_folder(tmp_path / "2", {"a": 2, "b": 1})
    first = open_dataset(one).fingerprint()
    assert first == open_dataset(two).fingerprint()
    (two / "a" / "000.png").rename(two / "a" / "009.png")
    renamed = open_dataset(two).fingerprint()
    Image.new("RGB", (2, 2), (9, 9, 9)).save(one / "a" / "000.png")
    assert len({first, renamed, open_dataset(one).fingerprint()}) == 3
