"""Data sets in CSV files, rough ones among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dataset.small import make_folder
from waste_edge.dataset import Dataset, LabelMap, SplitSpec, open_dataset, split, text_of, write_table
from waste_edge.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path, {"a": 3, "b": 2})


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_pictures_with_all_columns(folder: Path) -> None:
    rows = [
        "path,label,text,group,part",
        'a/000.png,glass," a jar, green ",1,train',
        "./a/001.png,glass,,1,VALID",
        "b/000.png,metal,a can,,Testing",
    ]
    dataset = open_dataset(table(folder, "\n".join(rows) + "\n\n"))
    assert (dataset.labels, dataset.grouped, dataset.root) == (("glass", "metal"), True, folder)
    assert (dataset.has_pictures, dataset.has_text, dataset.has_parts) == (True, True, True)
    first, second, third = dataset.photos
    assert (first.key, first.text, first.group, first.part) == ("a/000.png", "a jar, green", "group:1", "train")
    assert (second.key, second.text, second.group, second.part) == ("a/001.png", "", "group:1", "val")
    assert (third.group, third.part) == ("b/000.png", "test")
    assert first.pixels().shape == (2, 2, 3)


def test_a_spreadsheets_table(folder: Path) -> None:
    """A byte order mark, headings in capitals, spaces and CRLF."""
    text = "\ufeffPath , Label\r\na/000.png, glass \r\nb/000.png,metal\r\n"
    dataset = open_dataset(table(folder, text.encode()))
    assert [photo.label for photo in dataset.photos] == ["glass", "metal"]
    assert (dataset.grouped, dataset.has_parts, dataset.has_text) == (False, False, False)


def test_text_alone(tmp_path: Path) -> None:
    dataset = open_dataset(table(tmp_path, 'text,label\n"a green\njar",glass\na can,metal\na can,metal\n'))
    assert (dataset.has_pictures, dataset.has_text) == (False, True)
    assert [photo.key for photo in dataset.photos] == ["row 1", "row 2", "row 3"]
    assert [text_of(photo, "column") for photo in dataset.photos] == ["a green\njar", "a can", "a can"]
    with pytest.raises(DataError, match="row 1: is text without a picture; give data with pictures"):
        dataset.photos[0].pixels()
    with pytest.raises(DataError, match="row 1: is text without a picture, so it has no file name"):
        text_of(dataset.photos[0], "file_name")


def test_labels_are_mapped_and_held_against_a_models(folder: Path) -> None:
    path = table(folder, "path,label\na/000.png,jar\na/001.png,bottle\nb/000.png,metal\n")
    merged = open_dataset(path, label_map=LabelMap(merge={"glass": ["jar", "bottle"]}))
    assert [photo.label for photo in merged.photos] == ["glass", "glass", "metal"]
    with pytest.raises(DataError, match=r"data\.csv: label bottle, jar is unknown to the model, which has metal"):
        open_dataset(path, ["metal"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected path,label or text,label .* got nothing"),
        ("path,label\n", "no rows; expected one a picture"),
        ("path;label\na/000.png;a\n", "got path;label"),
        ("file,label\na/000.png,a\n", "expected path,label or text,label"),
        ("path,text\na/000.png,a\n", "expected path,label"),
        ("path,label,grup\na/000.png,a,1\n", "unknown column 'grup'"),
        ("path,label,label\na/000.png,a,a\n", "column label stands twice"),
        ("path,label\na/000.png,a\na/001.png\n", "line 3: expected 2 cells"),
        ("path,label\na/000.png,a,b\n", "line 2: expected 2 cells"),
        ("path,label\na/000.png, \n", "line 2: label is empty"),
        ("path,label\n,a\n", "line 2: path is empty"),
        ("text,label\n ,a\n", "line 2: text is empty"),
        ("path,label,part\na/000.png,a,train\nb/000.png,b,\n", "line 3: part is empty"),
        ("path,label,part\na/000.png,a,trian\n", "line 2: part 'trian' is none of train, val, test"),
        ("path,label\na/000.png,a\na/gone.png,a\n", "line 3: a/gone.png: no such picture; paths are relative to"),
        ("path,label\na,a\n", "line 2: a: no such picture"),
        ("path,label\na\\000.png,a\n", "no such picture; .* with forward slashes"),
        ("path,label\n" + "x" * 5000 + ".png,a\n", "no such picture"),
        ("path,label\n/etc/passwd,a\n", "line 2: /etc/passwd: expected a path relative to"),
        ("path,label\na/\0.png,a\n", "a name with control characters|not a readable CSV"),
        ("path,label\na/000.png,a\n./a/000.png,b\n", "a/000.png stands in two rows"),
        ("path,label\na/000.png,a\na/001.png,a\n", r"only one label \(a\); a classifier needs at least two"),
        ("path,label\na/000.png,Glass\na/001.png,glass\n", "label Glass and glass differ in case only"),
        ('path,label\n"a/000.png,a\n', "not a readable CSV file"),
        (b"path,label\na/000.png,pl\xe1stico\n", "not a readable CSV file .*; save it as UTF-8 with commas"),
        ("path,label\na/000.png,a\n".encode("utf-16"), "save it as UTF-8"),
    ],
)
def test_rough_tables_are_refused(folder: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(table(folder, text))
    assert "\n" not in str(caught.value)
    assert str(folder / "data.csv") in str(caught.value)


def test_the_fingerprint_follows_what_the_table_says(folder: Path) -> None:
    def fingerprint(header: str, *cells: str) -> str:
        rows = [f"a/000.png,{cells[0]}", f"b/000.png,{cells[1]}"]
        return open_dataset(table(folder, "\n".join([f"path,{header}", *rows]))).fingerprint()

    tables = [
        fingerprint("label", "a", "b"),
        fingerprint("label", "b", "a"),
        fingerprint("label,text", "a,x", "b,"),
        fingerprint("label,text", "a,", "b,x"),
        fingerprint("label,part", "a,train", "b,train"),
        fingerprint("label,part", "a,train", "b,test"),
    ]
    assert len(set(tables)) == len(tables)
    assert fingerprint("label", "a", "b") == tables[0]


def content(dataset: Dataset) -> list[tuple[object, ...]]:
    return sorted((p.path and p.path.resolve(), p.label, p.text, p.part) for p in dataset.photos)


@pytest.mark.parametrize("place", ["split.csv", "elsewhere/deep/split.csv"])
def test_a_written_split_is_read_back_exactly(folder: Path, place: str) -> None:
    rows = ["path,label,text,group", *(f'a/00{i}.png,a,"one, two",{i // 2}' for i in range(3)), "b/000.png,b,x,\u00e9"]
    dataset = open_dataset(table(folder, "\n".join(rows)))
    parts = split(dataset, SplitSpec(val_fraction=0.3))
    write_table(folder / place, dataset, parts)
    again = open_dataset(folder / place)
    assert again.grouped
    assert {p.path.resolve(): p.group for p in again.photos if p.path} == {
        p.path.resolve(): p.group if p.group.startswith("group:") else f"group:{p.group}"
        for p in dataset.photos
        if p.path
    }
    found = split(again, SplitSpec(seed=9, val_fraction=0.0))
    for part, photos in parts.items():
        assert [p.path.resolve() for p in found[part] if p.path] == [p.path.resolve() for p in photos if p.path]
    assert [row[1:3] for row in content(again)] == [row[1:3] for row in content(dataset)]


def test_a_written_split_of_texts(tmp_path: Path) -> None:
    dataset = open_dataset(table(tmp_path, 'text,label\n"a ""green"" jar",glass\na can,metal\ntwo\tcans,metal\n'))
    parts = split(dataset, SplitSpec(val_fraction=0.5))
    write_table(tmp_path / "split.csv", dataset, parts)
    again = open_dataset(tmp_path / "split.csv")
    assert [(p.key, p.text, p.label) for p in again.photos] == [(p.key, p.text, p.label) for p in dataset.photos]
    assert [p.key for p in split(again, SplitSpec(seed=4))["val"]] == [p.key for p in parts["val"]]


def test_a_linked_picture_keeps_its_name(folder: Path) -> None:
    (folder / "a" / "green jar.png").symlink_to(folder / "b" / "000.png")
    dataset = open_dataset(folder)
    write_table(folder / "split.csv", dataset, split(dataset, SplitSpec()))
    assert "green jar" in {text_of(photo, "file_name") for photo in open_dataset(folder / "split.csv").photos}
