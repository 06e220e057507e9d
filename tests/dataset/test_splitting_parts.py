from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from tests.dataset.small import make_folder
from waste_edge.dataset import Part, SplitSpec, group_near_duplicates, open_dataset, split_to_train
from waste_edge.errors import DataError

NO_CUT = SplitSpec(val_fraction=0.0)


def divided(root: Path, parts: dict[str, dict[str, int]]) -> Path:
    """Folders of parts; no two pictures are the same."""
    for number, (part, counts) in enumerate(parts.items()):
        make_folder(root / part, counts)
        for path in (root / part).rglob("*.png"):
            path.write_bytes(path.read_bytes() + f"{number}{path.parent.name}".encode())
    return root


def parts_of(root: Path, spec: SplitSpec = NO_CUT) -> dict[Part, int]:
    dataset = group_near_duplicates(open_dataset(root))
    return {part: len(photos) for part, photos in split_to_train(root, dataset, spec).items()}


def test_a_label_without_pictures_to_train_on_is_an_error(tmp_path: Path) -> None:
    root = divided(tmp_path / "d", {"train": {"glass": 3, "paper": 3}, "test": {"glass": 2, "metal": 2}})
    with pytest.raises(DataError, match=r"no picture to train on for metal; add some .* or leave the label out"):
        parts_of(root)


def test_a_label_that_a_part_lacks_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = divided(tmp_path / "d", {"train": {"glass": 3, "paper": 3}, "test": {"glass": 2}})
    assert parts_of(root) == {"train": 6, "val": 0, "test": 2}
    assert "the test part has no picture of paper" in caplog.text


def test_the_same_picture_on_two_sides_refuses_unless_allowed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = divided(tmp_path / "d", {"train": {"glass": 3, "paper": 3}, "test": {"glass": 2, "paper": 2}})
    shutil.copy(root / "train" / "glass" / "000.png", root / "test" / "glass" / "again.png")
    with pytest.raises(DataError, match=r"1 picture lies in two parts .*glass/000\.png.* say --allow-leak"):
        parts_of(root)
    assert parts_of(root, SplitSpec(val_fraction=0.0, allow_leak=True))["test"] == 5
    assert "as allowed" in caplog.text


def test_one_picture_with_two_labels_is_said_and_no_leak(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = divided(tmp_path / "d", {"train": {"glass": 3, "paper": 3}, "test": {"glass": 2, "paper": 2}})
    shutil.copy(root / "train" / "glass" / "000.png", root / "test" / "paper" / "again.png")
    assert parts_of(root)["test"] == 5
    assert "the same picture has two labels" in caplog.text


def test_rows_of_groups_that_name_nothing_are_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = make_folder(tmp_path / "d", {"glass": 3, "paper": 3})
    (root / "groups.csv").write_text(
        "file,group\nglass\\000.png,b7\nglass/001.PNG,b7\npaper/000.png,s\npaper/001.png,s\n", encoding="utf-8"
    )
    with caplog.at_level(logging.WARNING):
        dataset = open_dataset(root)
    assert "2 of 4 rows name no picture (glass\\000.png, glass/001.PNG)" in caplog.text
    assert {photo.group for photo in dataset.photos if photo.label == "paper"} == {"group:s", "paper/002.png"}


def test_groups_find_what_a_mac_wrote_decomposed(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "d", {"verre\u0301": 2, "paper": 2})
    rows = "file,group\nverr\u00e9/000.png,x\nverr\u00e9/001.png,x\n"
    (root / "groups.csv").write_bytes(b"\xef\xbb\xbf" + rows.encode())
    assert [photo.group for photo in open_dataset(root).photos if photo.label != "paper"] == ["group:x"] * 2
    (tmp_path / "d.csv").write_text("path,label\nd/verr\u00e9/000.png,a\nd/paper/000.png,b\n", encoding="utf-8")
    assert len(open_dataset(tmp_path / "d.csv").photos) == 2


def test_names_that_people_really_have_are_names(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "d", {"glass": 1, "paper": 1})
    names = ["Screenshot 9.41.00\u202fAM.png", "\u5199\u771f\u30001.png", "a\u00a0b.png"]
    names += ["\U0001f469\u200d\U0001f52c.png"]
    for name in names:
        shutil.copy(root / "glass" / "000.png", root / "glass" / name)
    assert {photo.key for photo in open_dataset(root).photos} >= {f"glass/{name}" for name in names}


def test_what_is_not_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = make_folder(tmp_path / "d", {"glass": 2, "paper": 2})
    (root / "glass" / "x.heic").touch()
    assert len(open_dataset(root).photos) == 4
    assert "passed over 1 .heic" in caplog.text
    for path in (root / "paper").iterdir():
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(DataError, match=r"paper: passed over 2 \.heic.*convert"):
        open_dataset(root)
