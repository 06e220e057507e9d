"""Export: a folder a label and groups.csv, which the project's own data check and training take."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.device.collect.crops import id_of, pixels_of
from tests.device.collect.test_store import CROP
from waste_edge.dataset import open_dataset
from waste_edge.device.collect.export import ExportChoice, export_crops
from waste_edge.device.collect.index import Crop
from waste_edge.errors import DataError, UserError


def made(folder: Path, number: int, answer: tuple[str | None, str] | None, shows: int | None = None, **changes) -> Crop:
    """A crop with its file; `shows`: the number of what it shows, else its own."""
    folder.mkdir(exist_ok=True)
    name = f"{id_of(number)}.jpg"
    picture = pixels_of(number if shows is None else shows)
    if shows is not None and shows != number:  # the same thing, a little lighter
        picture = np.clip(picture.astype(int) + 6, 0, 255).astype(np.uint8)
    cv2.imwrite(str(folder / name), picture)
    label, stream = answer or (None, None)
    return replace(CROP, id=id_of(number), file=name, answer_label=label, answer_stream=stream, **changes)


def groups_of(folder: Path) -> dict[str, str]:
    with (folder / "groups.csv").open(encoding="utf-8") as stream:
        return {row["file"]: row["group"] for row in csv.DictReader(stream)}


def test_answers_are_the_labels_and_near_duplicates_share_a_group(tmp_path: Path) -> None:
    source = tmp_path / "collect"
    crops = [
        made(source, 1, ("metal", "yellow")),
        made(source, 2, ("metal", "yellow"), shows=1),
        made(source, 3, ("paper", "blue"), label="metal"),
        made(source, 4, None, label="metal"),
        made(source, 5, (None, "blue")),
        replace(made(source, 6, ("paper", "blue")), file=f"{id_of(7)}.jpg"),  # gone meanwhile
    ]
    done = export_crops(source, crops, tmp_path / "out", ExportChoice())
    assert done.pictures == {"metal": 2, "paper": 1}
    assert (done.groups, done.unanswered, done.only_stream, done.missing) == (2, 1, 1, 1)
    groups = groups_of(tmp_path / "out")
    assert groups[f"metal/{id_of(1)}.jpg"] == groups[f"metal/{id_of(2)}.jpg"]
    assert groups[f"paper/{id_of(3)}.jpg"] not in (groups[f"metal/{id_of(1)}.jpg"], "")
    dataset = open_dataset(tmp_path / "out")
    assert dataset.grouped
    assert dataset.labels == ("metal", "paper")
    assert len({photo.group for photo in dataset.photos}) == 2
    assert (tmp_path / "out" / f"paper/{id_of(3)}.jpg").read_bytes() == (source / f"{id_of(3)}.jpg").read_bytes()


def test_unanswered_ones_go_under_the_station_s_label_if_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "collect"
    crops = [
        made(source, 1, None, label="metal", stream="yellow"),
        made(source, 2, None, label="unknown", stream="black"),
        made(source, 3, (None, "blue")),
    ]
    done = export_crops(source, crops, tmp_path / "a", ExportChoice(unanswered="label"))
    assert done.pictures == {"metal": 1}
    assert (done.unanswered, done.only_stream) == (1, 1)
    by_stream = export_crops(source, crops, tmp_path / "b", ExportChoice("stream", "label"))
    assert by_stream.pictures == {"blue": 1, "yellow": 1}


def test_nothing_is_left_of_what_cannot_be_exported(tmp_path: Path) -> None:
    source = tmp_path / "collect"
    with pytest.raises(DataError, match="nothing to export"):
        export_crops(source, [made(source, 1, None)], tmp_path / "out", ExportChoice())
    for evil in ("../../etc", "/etc", ".hidden", ""):
        with pytest.raises(DataError, match="cannot be a folder's name"):
            export_crops(source, [made(source, 1, (evil, "blue"))], tmp_path / "out", ExportChoice())
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    with pytest.raises(UserError, match="exists already"):
        export_crops(source, [made(source, 1, ("metal", "yellow"))], tmp_path / "there", ExportChoice())
    assert {path.name for path in tmp_path.iterdir()} == {"collect", "there"}
