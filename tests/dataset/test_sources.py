from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.dataset.small import make_folder
from waste_edge.dataset import LabelMap, SplitSpec, open_dataset, split
from waste_edge.errors import DataError


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
        (b"file,group\na/000.png,1\na/000.png,1\na/000.png,2\n", "line 4: a/000.png is in another group above"),
        (b"file,group\na/000.png,1\0\n", "holds a NUL character"),
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


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train", "val", "test"), ["test", "train", "val"]),
        (("TRAIN", "Valid", "TESTING"), ["test", "train", "val"]),
        (("training", "Validation"), ["train", "val"]),
        (("TRAIN", "TEST"), ["test", "train"]),
    ],
)
@pytest.mark.parametrize("inside", ["", "images"])
def test_split_folders_are_matched_whatever_their_case(
    tmp_path: Path, names: tuple[str, ...], parts: list[str], inside: str
) -> None:
    for name in names:
        make_folder(tmp_path / inside / name, {"O": 2, "R": 1})
    (tmp_path / inside / ".cache" / "x").mkdir(parents=True)
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("O", "R")
    assert sorted({str(photo.part) for photo in dataset.photos}) == parts
    assert dataset.photos[-1].key == f"{max(names)}/R/000.png"
    assert dataset.has_parts
    divided = split(dataset, SplitSpec(val_fraction=0.0))
    assert {part: len(photos) for part, photos in divided.items() if photos} == dict.fromkeys(parts, 3)


def test_groups_of_split_folders(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", {"a": 2, "b": 1})
    (tmp_path / "groups.csv").write_bytes(b"\xef\xbb\xbffile,group\ntrain/a/000.png,1\ntrain/a/001.png,1\n")
    assert Counter(photo.group for photo in open_dataset(tmp_path).photos)["group:1"] == 2


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    make_folder(tmp_path, {"train": 2, "car": 1})
    assert open_dataset(tmp_path).labels == ("car", "train")
    make_folder(tmp_path / "train", {"wooden": 1})
    assert open_dataset(tmp_path).labels == ("car", "train"), "pictures lie in it, so it is a class"


@pytest.mark.parametrize("beside", ["docs/figures", "test"])
def test_folders_beside_train_and_val_are_refused(tmp_path: Path, beside: str) -> None:
    make_folder(tmp_path / "Train", {"a": 1, "b": 1})
    (tmp_path / beside).mkdir(parents=True)
    with pytest.raises(DataError, match=f"Train hold class folders, but {beside.split('/')[0]} beside them"):
        open_dataset(tmp_path)


def test_labels_in_two_spellings_are_refused_unless_merged(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", {"Glass": 1, "metal": 1})
    make_folder(tmp_path / "val", {"glass": 1, "metal": 1})
    with pytest.raises(DataError, match="class Glass and glass differ in case only"):
        open_dataset(tmp_path)
    merged = open_dataset(tmp_path, label_map=LabelMap(merge={"glass": ["Glass", "glass"]}))
    assert Counter(photo.label for photo in merged.photos) == {"glass": 2, "metal": 2}


def test_the_reserved_word_is_refused_before_any_training(tmp_path: Path) -> None:
    make_folder(tmp_path, {"glass": 1, "metal": 1, "unknown": 1})
    with pytest.raises(DataError, match="'unknown' is not allowed"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, label_map=LabelMap(drop=["unknown"])).labels == ("glass", "metal")


def test_classes_are_dropped_and_merged(tmp_path: Path) -> None:
    make_folder(tmp_path, {"cardboard": 1, "glass": 2, "paper": 3, "trash": 1})
    (tmp_path / "empty").mkdir()  # a class that is dropped may be empty
    label_map = LabelMap(drop=["trash", "empty"], merge={"fibre": ["cardboard", "paper"]})
    dataset = open_dataset(tmp_path, label_map=label_map)
    assert dataset.labels == ("fibre", "glass")
    assert Counter(photo.label for photo in dataset.photos) == {"fibre": 4, "glass": 2}
    assert {photo.key for photo in dataset.photos if photo.label == "glass"} == {"glass/000.png", "glass/001.png"}
    shutil.rmtree(tmp_path / "empty")
    shutil.rmtree(tmp_path / "trash")
    assert dataset.fingerprint() != open_dataset(tmp_path).fingerprint(), "other labels are other data"


@pytest.mark.parametrize(
    ("label_map", "message"),
    [
        (LabelMap(drop=["wood"]), "labels.drop names wood, which the data lack; they have a, b, c"),
        (LabelMap(merge={"x": ["a", "wood"]}), "labels.merge.x names wood, which the data lack; they have a, b, c"),
        (LabelMap(drop=["b", "c"]), r"only one label \(a\) is left by labels.drop and labels.merge"),
        (LabelMap(drop=["a", "b", "c"]), "no label is left by labels.drop"),
        (LabelMap(merge={"all": ["a", "b", "c"]}), r"only one label \(all\) is left"),
        (LabelMap(merge={"unknown": ["a"]}), "'unknown' is not allowed"),
    ],
)
def test_a_label_map_that_does_not_fit(tmp_path: Path, label_map: LabelMap, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(make_folder(tmp_path, {"a": 1, "b": 1, "c": 1}), label_map=label_map)


def test_a_models_labels_are_checked_after_the_map(tmp_path: Path) -> None:
    make_folder(tmp_path, {"glass": 1, "paper": 1})
    label_map = LabelMap(drop=["trash"], merge={"fibre": ["cardboard", "paper"]})
    dataset = open_dataset(tmp_path, ["fibre", "glass", "metal"], label_map)
    assert dataset.labels == ("fibre", "glass", "metal")
    assert [photo.label for photo in dataset.photos] == ["glass", "fibre"]
    with pytest.raises(DataError, match="class fibre is unknown to the model, which has glass, paper"):
        open_dataset(tmp_path, ["glass", "paper"], label_map)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "photo.png")
    with pytest.raises(DataError, match=r"photo\.png: is a file that does not end in \.csv; --data takes a folder"):
        open_dataset(tmp_path / "photo.png")
