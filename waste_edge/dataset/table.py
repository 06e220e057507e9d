"""A data set as a CSV file: read, and written as a split one can keep."""

from __future__ import annotations

import csv
import io
import os
import posixpath
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from waste_edge.dataset.folders import PART_NAMES, group_name, open_table
from waste_edge.dataset.values import Dataset, Part, Photo
from waste_edge.errors import DataError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.text import fault_of_name

COLUMNS = ("path", "text", "label", "group", "part")


def read_table(path: Path) -> tuple[list[Photo], bool]:
    """Photos from a CSV file (UTF-8, commas, a first line with the columns' names), and whether it groups them.

    - `path`: a picture, relative to the CSV file's folder, with forward slashes; or left out where there is only text.
    - `label`
    - `text`: for networks that read one.
    - `group`: rows with the same one stay on one side of every split; where it is empty, the row stands alone.
    - `part`: train, val or test, in every row or nowhere; see `split`.

    Raises:
        DataError: unreadable, a column missing or unknown, a row too long, too short or empty where it must not be,
            a picture that is not there or stands twice.
    """
    try:
        rows = csv.DictReader(open_table(path), strict=True)
        columns = [name.strip().casefold() for name in rows.fieldnames or ()]
        _check_columns(path, columns)
        rows.fieldnames = columns
        photos = [_photo(f"{path}: line {rows.line_num}", path.parent, n, row) for n, row in enumerate(rows, start=1)]
    except csv.Error as error:
        raise DataError(f"{path}: not a readable CSV file ({error}); save it as UTF-8 with commas") from error
    if not photos:
        raise DataError(f"{path}: no rows; expected one a {'picture' if 'path' in columns else 'text'}")
    seen: set[str] = set()
    for photo in photos:
        if photo.key in seen:
            raise DataError(f"{path}: {photo.key} stands in two rows; leave one of them")
        seen.add(photo.key)
    return photos, any(photo.group != photo.key for photo in photos)


def write_table(path: Path, dataset: Dataset, parts: Mapping[Part, Sequence[Photo]]) -> None:
    """Write a split as a data set that `open_dataset` reads back: the same photos, labels, groups and parts.

    Raises:
        UserError: the file cannot be written.
    """
    part_of = {photo.key: part for part, photos in parts.items() for photo in photos}
    columns = [
        *(["path"] if dataset.has_pictures else []),
        "label",
        *(["text"] if dataset.has_text else []),
        "group",
        "part",
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    folder = path.parent.resolve()
    resolved = cache(Path.resolve)  # of as many folders as there are labels, not of each picture anew
    for photo in dataset.photos:
        group = photo.group.removeprefix(group_name(""))
        row = {"label": photo.label, "text": photo.text, "group": group, "part": part_of[photo.key]}
        if photo.path is not None:
            # The folder resolved, not the picture, which may be a link: its name may be its text.
            row["path"] = os.path.relpath(resolved(photo.path.parent) / photo.path.name, folder)
        writer.writerow(row)
    write_atomically(path, text.getvalue())


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    wanted = "expected path,label or text,label and perhaps text, group, part"
    if "label" not in columns or not {"path", "text"} & set(columns):
        raise DataError(f"{path}: {wanted} in the first line, got {','.join(columns) or 'nothing'}")
    if strange := [name for name in columns if name not in COLUMNS]:
        raise DataError(f"{path}: unknown column {', '.join(map(repr, strange))}; {wanted}: rename or remove it")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(f"{path}: column {', '.join(twice)} stands twice in the first line; remove one")


def _photo(where: str, folder: Path, number: int, row: Mapping[str | None, str | None]) -> Photo:
    if None in row or None in row.values():
        wanted = sum(name is not None for name in row)
        raise DataError(f"{where}: expected {wanted} cells as in the first line; put a cell with commas in quotes")
    cells = {str(name): (cell or "").strip() for name, cell in row.items()}
    needed = [name for name in ("path", "label", "part") if name in cells]
    for name in needed if "path" in cells else [*needed, "text"]:
        if not cells[name]:
            raise DataError(f"{where}: {name} is empty; fill it in, or remove the row")
    part = PART_NAMES.get(cells["part"].casefold()) if "part" in cells else None
    if "part" in cells and part is None:
        raise DataError(f"{where}: part {cells['part']!r} is none of train, val, test; write one of them, or nothing")
    picture, key = picture_of_row(where, folder, cells["path"]) if "path" in cells else (None, f"row {number}")
    group = group_name(cells["group"]) if cells.get("group") else key
    return Photo(picture, key, cells["label"], group, cells.get("text", ""), part)


def picture_of_row(where: str, folder: Path, given: str) -> tuple[Path, str]:
    """A row's picture below `folder` and its key; raises DataError, which begins with `where`, if it is not there."""
    if fault := fault_of_name(given):
        raise DataError(f"{where}: {given!r}: {fault}; rename the file")
    if posixpath.isabs(given):
        raise DataError(f"{where}: {given}: expected a path relative to {folder}, so that the data can be moved")
    written = posixpath.normpath(given)
    # As written; else as a Mac composes accents, or as everybody else does.
    for key in (written, unicodedata.normalize("NFC", written), unicodedata.normalize("NFD", written)):
        try:
            if (folder / key).is_file():
                return folder / key, key
        except (OSError, ValueError):  # a name longer than any file's
            break
    raise DataError(f"{where}: {given}: no such picture; paths are relative to {folder}, with forward slashes")
