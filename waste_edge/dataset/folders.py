"""Finding labelled pictures in folders, and the `groups.csv` beside them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from waste_edge.dataset.values import Part, Photo
from waste_edge.errors import DataError

PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}  # casefolded


@dataclass(frozen=True)
class ClassFolder:
    """A folder of one label's pictures; `part` where it lies in a train, val or test folder."""

    path: Path
    part: Part | None

    @property
    def label(self) -> str:
        return self.path.name


def class_folders(root: Path) -> list[ClassFolder]:
    """The folders of pictures in `root`, or in its train, val and test folders.

    A folder called train is one of these only if folders, and no pictures, lie in it: else it is a class of trains.

    Raises:
        DataError: there are none, or train, val and test folders stand among others.
    """
    folders = _visible_folders(root)
    if not folders:
        raise DataError(f"{root}: no class folders; expected one folder of pictures a label")
    divided = [folder for folder in folders if _is_part(folder)]
    if not divided:
        return [ClassFolder(folder, None) for folder in folders]
    if others := [folder.name for folder in folders if folder not in divided]:
        raise DataError(
            f"{root}: {', '.join(folder.name for folder in divided)} hold class folders, but {', '.join(others)} "
            "beside them is no train, val or test folder that does; move it away"
        )
    return [
        ClassFolder(one, PART_NAMES[folder.name.casefold()]) for folder in divided for one in _visible_folders(folder)
    ]


def photos_of(root: Path, folder: ClassFolder, groups: dict[str, str]) -> list[Photo]:
    """A class folder's pictures, sorted.

    Raises:
        DataError: there are none, or one has a name that no other system could read.
    """
    from waste_edge.imaging.image_files import find_pictures  # here: a manifest needs a SplitSpec, a station no Pillow

    paths = list(find_pictures(folder.path))
    if not paths:
        raise DataError(f"{folder.path}: class folder without pictures; add some or remove the folder")
    keys = [path.relative_to(root).as_posix() for path in paths]
    for key in keys:
        if not key.isprintable():  # a name that is not UTF-8 has surrogates in it
            raise DataError(f"{root}: {key!r}: not a UTF-8 name, or one with control characters; rename the file")
    return [
        Photo(path, key, folder.label, groups.get(key, key), part=folder.part)
        for path, key in zip(paths, keys, strict=True)
    ]


def group_name(given: str) -> str:
    """A group as the data call it: a prefix keeps its name from meeting the key of a picture that has none."""
    return f"group:{given}"


def read_groups(candidates: Iterable[Path]) -> dict[str, str]:
    """Keys and their groups from the first `groups.csv` that is there.

    Raises:
        DataError: it is not a readable CSV file with the columns file and group.
    """
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            if not {"file", "group"} <= set(rows.fieldnames or ()):
                raise DataError(f"{path}: expected the columns file and group, got {rows.fieldnames}")
            groups = {}
            for row in rows:
                if not row["file"] or not row["group"] or None in row:
                    raise DataError(f"{path}: line {rows.line_num}: expected one file and its group in the row")
                groups[row["file"]] = group_name(row["group"])
            return groups
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file ({error})") from error


def _visible_folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _is_part(folder: Path) -> bool:
    from waste_edge.imaging.image_files import PICTURE_SUFFIXES

    if folder.name.casefold() not in PART_NAMES or not _visible_folders(folder):
        return False
    return not any(entry.suffix.lower() in PICTURE_SUFFIXES for entry in folder.iterdir() if entry.is_file())
