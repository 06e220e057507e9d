"""Opening a data set: a folder of class folders, the same in train, val and test folders, or a CSV file.

A `LabelMap` leads from the labels of the data to the labels to learn: some dropped, some merged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from waste_edge.dataset.folders import class_folders, photos_of, read_groups, strange_groups
from waste_edge.dataset.table import read_table
from waste_edge.dataset.values import Dataset, Photo
from waste_edge.errors import DataError
from waste_edge.files.remarks import remark
from waste_edge.files.strict import Strict
from waste_edge.taxonomy import label_faults

HOW_TO_MEND_LABELS = "rename it, or drop or merge it by the recipe's labels.drop and labels.merge"
_WANTED = "--data takes a folder with one folder of pictures a label, or a .csv file"


class LabelMap(Strict, frozen=True):
    """A recipe's `[labels]`: which labels of the data are left out, and which are learnt as one.

    Attributes:
        drop: labels of the data whose pictures are left out.
        merge: new label -> the labels of the data that it stands for; one alone is renamed.
    """

    drop: list[str] = msgspec.field(default_factory=list)
    merge: dict[str, list[str]] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = Counter([*self.drop, *(label for labels in self.merge.values() for label in labels)])
        if twice := sorted(label for label, count in counts.items() if count > 1):
            raise ValueError(
                f"{', '.join(twice)}: named twice in labels.drop and labels.merge; a label of the data has one place"
            )
        for new, labels in self.merge.items():
            if not labels:
                raise ValueError(f"labels.merge.{new} is empty; expected the labels of the data that become {new}")

    def targets(self, present: Collection[str], source: object, complete: bool = True) -> dict[str, str]:
        """Map each label of the data to its target label; dropped ones are missing.

        Args:
            present: the labels that the data have.
            source: the data, for the message.
            complete: the data must have every label that the map names. Not so where a finished model meets
                other data: its map was checked in training, and these may hold some of the labels.

        Raises:
            DataError: the map names a label that the data lack.
        """
        named = {"labels.drop": self.drop} | {f"labels.merge.{new}": old for new, old in self.merge.items()}
        for key, labels in named.items():
            if complete and (missing := sorted(set(labels) - set(present))):
                raise DataError(
                    f"{source}: {key} names {', '.join(missing)}, which the data lack; they have "
                    f"{', '.join(sorted(present))}"
                )
        renamed = {old: new for new, labels in self.merge.items() for old in labels}
        return {label: renamed.get(label, label) for label in present if label not in self.drop}


EVERY_LABEL = LabelMap()


def open_dataset(source: Path, labels: Sequence[str] | None = None, label_map: LabelMap = EVERY_LABEL) -> Dataset:
    """Find labelled pictures, or texts.

    A folder holds one folder a label, in itself or in `images`; or folders called train, val (valid, validation) and
    test, in any case, with such folders in each. A `groups.csv` (columns file, group) beside the images or beside the
    `images` folder says which pictures show the same object. Hidden files and folders are passed over.

    A CSV file has the columns path and label, or text and label, and perhaps text, group and part; see `read_table`.

    Args:
        source: what the user gave as --data.
        labels: a model's labels; the data may then hold some of them, after the label map, and nothing else.
        label_map: which labels of the data to leave out or learn as one.

    Raises:
        DataError: missing or unreadable source, no or one class, a class without pictures, a label the model lacks,
            a label map that names what is not there.
    """
    if source.is_dir():
        return _from_folder(source, labels, label_map)
    if not source.is_file():
        raise DataError(f"{source}: no such folder or file; {_WANTED}")
    if source.suffix.lower() != ".csv":
        raise DataError(f"{source}: is a file that does not end in .csv; {_WANTED}")
    photos, grouped = read_table(source)
    targets = _targets(source, {photo.label for photo in photos}, "label", labels, label_map)
    return _mapped(source.parent, photos, targets, labels, grouped)


def _from_folder(folder: Path, labels: Sequence[str] | None, label_map: LabelMap) -> Dataset:
    root = folder / "images" if (folder / "images").is_dir() else folder
    classes = class_folders(root)
    targets = _targets(root, {one.label for one in classes}, "class", labels, label_map)
    groups = read_groups([root / "groups.csv", root.parent / "groups.csv"])
    photos = photos_of(root, [one for one in classes if one.label in targets], groups)
    dropped = {one.path.relative_to(root).as_posix() + "/" for one in classes if one.label not in targets}
    strange = [name for name in strange_groups(groups, (p.key for p in photos)) if not name.startswith(tuple(dropped))]
    if groups and len(strange) == len(groups):
        raise DataError(f"{root}: groups.csv names none of the pictures; expected paths like {photos[0].key}")
    if strange:
        remark(
            f"{root}: groups.csv: {len(strange)} of {len(groups)} rows name no picture ({', '.join(strange[:3])}); "
            f"expected paths like {photos[0].key}: what they were to hold together may lie on two sides of a split"
        )
    return _mapped(root, photos, targets, labels, grouped=bool(groups))


def _mapped(
    root: Path, photos: Sequence[Photo], targets: dict[str, str], labels: Sequence[str] | None, grouped: bool
) -> Dataset:
    kept = tuple(replace(photo, label=targets[photo.label]) for photo in photos if photo.label in targets)
    return Dataset(root, tuple(labels or sorted(set(targets.values()))), kept, grouped)


def _targets(
    source: Path, present: Collection[str], noun: str, labels: Sequence[str] | None, label_map: LabelMap
) -> dict[str, str]:
    """Map each label of the data to its target, after checking that the model has or can learn that label."""
    targets = label_map.targets(present, source, complete=labels is None)
    found = sorted(set(targets.values()))
    if labels is not None:
        if strange := sorted(set(found) - set(labels)):
            raise DataError(
                f"{source}: {noun} {', '.join(strange)} is unknown to the model, which has {', '.join(labels)}"
            )
        return targets
    if len(found) < 2:
        what = "label" if label_map != EVERY_LABEL else {"class": "class folder"}.get(noun, noun)
        where = " is left by labels.drop and labels.merge" if label_map != EVERY_LABEL else ""
        only = f"only one {what} ({found[0]}){where}" if found else f"no {what}{where}"
        raise DataError(f"{source}: {only}; a classifier needs at least two")
    if faults := label_faults(found):
        raise DataError(f"{source}: {noun} {faults[0]}; {HOW_TO_MEND_LABELS}")
    return targets
