"""Fetched folders of photographs as one domains file: each a source, under its card's name, licence and citation."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from waste_edge.dataset import Domains, group_near_duplicates, open_dataset, open_domains
from waste_edge.dataset.domains import COLUMNS
from waste_edge.dataset.folders import class_folders
from waste_edge.errors import ConfigError, DataError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import read_json
from waste_edge.training.data.cards import read_card
from waste_edge.training.data.fetch import SOURCE_NAME, Source


def write_domains(
    folders: Sequence[Path], out: Path, taxonomy: str | None, progress: Callable[[int, int], None] | None = None
) -> Domains:
    """Write a domains file of folders that `data fetch` made, or that hold one folder of pictures a label.

    A folder without a SOURCE.json is a source of its own name without a licence: it measures, and teaches nothing.
    Near-copies within a folder share a group.

    Args:
        folders: at least one; their names tell groups apart.
        out: the CSV file; pictures are named relative to its folder.
        taxonomy: call labels as its card's map to this taxonomy does; those of a card without such a map stay.
        progress: told pictures looked at and in all, folder by folder.

    Raises:
        DataError: two folders of one source, or what `open_dataset` objects to.
        ConfigError: a SOURCE.json is damaged.
        UserError: `out` cannot be written.
    """
    text, seen = io.StringIO(), set[str]()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for folder in folders:
        source, title, licence, renamed = _origin(folder, taxonomy)
        if source in seen:
            raise DataError(f"{folder}: its source {source} was given already; give each folder once")
        seen.add(source)
        dataset = group_near_duplicates(open_dataset(folder, _labels_in(folder)), progress)
        for photo in dataset.photos:
            if photo.path is None:
                raise DataError(f"{folder}: holds texts without pictures; a domains file is of pictures")
            file = Path(os.path.relpath(photo.path, out.parent.resolve())).as_posix()
            label = renamed.get(photo.label, photo.label)
            writer.writerow([file, label, source, title, licence, f"{source}:{photo.group}"])
    write_atomically(out, text.getvalue())
    return open_domains(out)


def _labels_in(folder: Path) -> list[str]:
    """List the class folders' names; one is enough, since nothing is to be told apart by a source alone."""
    root = folder / "images" if (folder / "images").is_dir() else folder
    return sorted({one.label for one in class_folders(root)})


def _origin(folder: Path, taxonomy: str | None) -> tuple[str, str, str, dict[str, str]]:
    """Source, title, licence, and what labels are called instead."""
    if not (folder / SOURCE_NAME).is_file():
        return folder.resolve().name, "", "", {}
    origin = read_json(folder / SOURCE_NAME, Source)
    try:
        maps = read_card(origin.card).maps
    except ConfigError:  # a card of somebody's own, which is not at hand
        maps = {}
    return origin.card, f"{origin.title} ({origin.homepage})", origin.licence, maps.get(taxonomy or "", {})
