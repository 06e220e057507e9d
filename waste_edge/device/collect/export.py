"""Export of collected crops as a data set: a folder a label, and groups.csv, as `waste-edge train` takes it."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from waste_edge.dataset import Dataset, Photo, group_near_duplicates
from waste_edge.device.collect.index import Crop
from waste_edge.errors import DataError
from waste_edge.files.atomic import folder_in_one_piece, write_atomically
from waste_edge.files.strict import Strict
from waste_edge.files.text import visible
from waste_edge.taxonomy import UNKNOWN

Unanswered = Literal["skip", "label"]
By = Literal["label", "stream"]
GROUPS_NAME = "groups.csv"


@dataclass(frozen=True)
class ExportChoice:
    """Choices of an export.

    Attributes:
        by: folders are called by what a person said of the item: its label, or the stream where it belongs.
        unanswered: `skip` leaves crops out that nobody said anything of; `label` puts them under the station's own
            decision, right or wrong.
    """

    by: By = "label"
    unanswered: Unanswered = "skip"


class Exported(Strict, frozen=True):
    """Outcome of an export.

    Attributes:
        folder: where it lies.
        pictures: by folder.
        groups: how many things that were not taken twice.
        unanswered: crops left out since nobody said what they are, and the station does not know or is not asked.
        only_stream: crops left out since only their stream was told, and labels are wanted.
        missing: crops whose file has gone meanwhile.
    """

    folder: str
    pictures: dict[str, int]
    groups: int
    unanswered: int
    only_stream: int
    missing: int


def export_crops(
    source: Path,
    crops: Sequence[Crop],
    target: Path,
    choice: ExportChoice,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Copy crops into a new folder, one folder a label, with `groups.csv` beside them.

    Near-duplicates share a group, so that no split puts one thing on both sides.

    Args:
        source: the folder of the crops.
        crops: rows of its index.
        target: the folder to make; it appears whole or not at all.
        choice: which folder a crop goes to.
        progress: called with pictures compared and in all.

    Raises:
        DataError: no crop is left to export, or a label cannot be a folder's name.
        UserError: `target` exists already, or cannot be written.
    """
    missing, left_out = 0, Counter[str]()
    with folder_in_one_piece(target) as folder:
        photos = []
        for crop in crops:
            name, why = _folder_of(crop, choice)
            if name is None:
                left_out[why] += 1
                continue
            key = f"{_checked(name)}/{crop.file}"
            (folder / key).parent.mkdir(exist_ok=True)
            try:
                shutil.copyfile(source / crop.file, folder / key)
            except FileNotFoundError:  # the station deleted it meanwhile
                missing += 1
                continue
            photos.append(Photo(folder / key, key, name, key))
        if not photos:
            raise DataError(
                f"{source}: nothing to export ({left_out['unanswered']} of {len(crops)} crops are unanswered, of "
                f"{left_out['only_stream']} only the stream is known); see --unanswered and --by"
            )
        labels = tuple(sorted({photo.label for photo in photos}))
        dataset = group_near_duplicates(Dataset(folder, labels, tuple(photos), grouped=False), progress)
        write_atomically(folder / GROUPS_NAME, _groups_csv(dataset))
        for empty in [one for one in folder.iterdir() if one.is_dir() and not any(one.iterdir())]:
            empty.rmdir()
    return Exported(
        folder=str(target),
        pictures={label: sum(photo.label == label for photo in photos) for label in labels},
        groups=len({photo.group for photo in dataset.photos}),
        unanswered=left_out["unanswered"],
        only_stream=left_out["only_stream"],
        missing=missing,
    )


def _folder_of(crop: Crop, choice: ExportChoice) -> tuple[str | None, str]:
    """The folder that a crop goes to; None, and why, if it is left out."""
    if crop.answer_stream is not None:
        answer = crop.answer_label if choice.by == "label" else crop.answer_stream
        return answer, "only_stream"
    if choice.unanswered == "label" and crop.label != UNKNOWN:
        return (crop.label if choice.by == "label" else crop.stream), ""
    return None, "unanswered"


def _checked(name: str) -> str:
    if not name or "/" in name or "\0" in name or name.startswith("."):
        raise DataError(f"{visible(name)!r}: cannot be a folder's name; rename it in the site or the model")
    return name


def _groups_csv(dataset: Dataset) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "group"))
    writer.writerows((photo.key, photo.group) for photo in sorted(dataset.photos, key=lambda photo: photo.key))
    return text.getvalue()
