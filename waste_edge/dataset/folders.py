"""Finding labelled pictures in folders, and the `groups.csv` beside them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waste_edge.dataset.values import Part, Photo
from waste_edge.errors import DataError
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_CSV_BYTES
from waste_edge.files.remarks import remark
from waste_edge.files.text import fault_of_name, same_text, visible

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


def photos_of(root: Path, folders: Sequence[ClassFolder], groups: Mapping[str, str]) -> list[Photo]:
    """The pictures of class folders, sorted; files of a kind that is not read are counted in a remark.

    Args:
        root: the folder that keys are relative to.
        folders: where to look.
        groups: see `read_groups`; what it names and is not there is a remark.

    Raises:
        DataError: a folder has none, or one has a name that a table could not hold.
    """
    from waste_edge.imaging.image_files import (  # here: a manifest needs a SplitSpec, a station no Pillow
        Found,
        look_for_pictures,
    )

    photos, unread = [], Counter[str]()
    for folder in folders:
        found = look_for_pictures(folder.path)
        if not found.pictures:
            raise DataError(
                found.remark(folder.path)
                or f"{folder.path}: class folder without pictures; add some or remove the folder"
            )
        unread += found.unread
        for path in found.pictures:
            key = path.relative_to(root).as_posix()
            if fault := fault_of_name(key):
                raise DataError(f"{root}: {visible(key)}: {fault}; rename the file or folder")
            photos.append(Photo(path, key, folder.label, groups.get(same_text(key), key), part=folder.part))
    if told := Found(tuple(photo.path for photo in photos if photo.path), unread).remark(root):
        remark(told)
    return photos


def strange_groups(groups: Mapping[str, str], keys: Iterable[str]) -> list[str]:
    """The files that `groups.csv` names and that are no pictures of the data."""
    present = {same_text(key) for key in keys}
    return [name for name in groups if name not in present]


def group_name(given: str) -> str:
    """A group as the data call it: a prefix keeps its name from meeting the key of a picture that has none."""
    return f"group:{given}"


def read_groups(candidates: Iterable[Path]) -> dict[str, str]:
    """Keys, composed (NFC), and their groups from the first `groups.csv` that is there.

    Raises:
        DataError: it is not a readable CSV file with the columns file and group.
    """
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        return {}
    try:
        rows = csv.DictReader(open_table(path))
        if not {"file", "group"} <= set(rows.fieldnames or ()):
            raise DataError(f"{path}: expected the columns file and group, got {rows.fieldnames}")
        groups: dict[str, str] = {}
        for row in rows:
            if not row["file"] or not row["group"] or None in row:
                raise DataError(f"{path}: line {rows.line_num}: expected one file and its group in the row")
            file, group = same_text(row["file"]), group_name(row["group"])
            if groups.setdefault(file, group) != group:
                raise DataError(f"{path}: line {rows.line_num}: {file} is in another group above; keep one of the rows")
        return groups
    except csv.Error as error:
        raise DataError(f"{path}: not a readable CSV file ({error})") from error


def open_table(path: Path) -> io.StringIO:
    """The text of a CSV file, as `csv` reads it; a byte-order mark is left out.

    Raises:
        DataError: unreadable, too large, or not UTF-8.
    """
    try:
        text = read_bounded(path, MAX_CSV_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a readable CSV file ({error}); save it as UTF-8 with commas") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check it and its permissions") from error
    if "\0" in text:
        raise DataError(f"{path}: not a readable CSV file (holds a NUL character); save it as UTF-8 with commas")
    return io.StringIO(text, newline="")


def _visible_folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _is_part(folder: Path) -> bool:
    from waste_edge.imaging.image_files import PICTURE_SUFFIXES

    if folder.name.casefold() not in PART_NAMES or not _visible_folders(folder):
        return False
    return not any(entry.suffix.lower() in PICTURE_SUFFIXES for entry in folder.iterdir() if entry.is_file())
