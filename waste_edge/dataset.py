"""A folder of labelled photographs, and how it is split.

In the core, because `evaluate` on a board must find the same validation pictures as training did.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from waste_edge.errors import DataError
from waste_edge.files import sha256_of
from waste_edge.strict import Strict

Part = Literal["train", "val", "test"]


class SplitSpec(Strict, frozen=True):
    """How photographs are divided: the share of each part and the seed. Train is what remains."""

    seed: int = 0
    val_fraction: float = 0.2
    test_fraction: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.val_fraction < 1 and 0 <= self.test_fraction < 1):
            raise ValueError("val_fraction and test_fraction must be 0 to 1")
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError("val_fraction and test_fraction leave no pictures to train on")


@dataclass(frozen=True)
class Photo:
    """One labelled picture. `key` is its path below the data folder with forward slashes."""

    path: Path
    key: str
    label: str
    group: str


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures below one folder; `labels` sorted by name unless a model's order was asked for."""

    root: Path
    labels: tuple[str, ...]
    photos: tuple[Photo, ...]
    grouped: bool

    def label_index(self, photo: Photo) -> int:
        return self.labels.index(photo.label)

    def fingerprint(self) -> str:
        """SHA-256 over every picture's key and content: equal exactly when the data are."""
        total = hashlib.sha256()
        for photo in sorted(self.photos, key=lambda photo: photo.key):
            total.update(f"{photo.key}\0{sha256_of(photo.path)}\n".encode())
        return total.hexdigest()


def open_dataset(folder: Path, labels: Sequence[str] | None = None) -> Dataset:
    """Find labelled pictures: one folder a label, in `folder` itself or in `folder/images`.

    A `groups.csv` (columns file, group) beside the images or beside the `images` folder says which pictures
    show the same object. Hidden files and folders are passed over.

    Args:
        folder: what the user gave as --data.
        labels: a model's labels; the folder may then hold some of them, and nothing else.

    Raises:
        DataError: missing folder, no or one class, a class without pictures, a label the model lacks.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; --data takes a folder with one folder of pictures a label")
    root = folder / "images" if (folder / "images").is_dir() else folder
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise DataError(f"{root}: no class folders; expected one folder of pictures a label")
    if labels is None and len(classes) < 2:
        raise DataError(f"{root}: only one class folder ({classes[0]}); a classifier needs at least two")
    if labels is not None and (strange := sorted(set(classes) - set(labels))):
        raise DataError(f"{root}: class {', '.join(strange)} is unknown to the model, which has {', '.join(labels)}")
    groups = _read_groups([root / "groups.csv", root.parent / "groups.csv"])
    photos = [photo for label in classes for photo in _photos_of(root, label, groups)]
    if groups and not any(photo.key in groups for photo in photos):
        raise DataError(f"{root}: groups.csv names none of the pictures; expected paths like {photos[0].key}")
    return Dataset(root, tuple(labels or classes), tuple(photos), grouped=bool(groups))


def split(dataset: Dataset, spec: SplitSpec) -> dict[Part, list[Photo]]:
    """Divide by group and label: no group on two sides, each label in the wanted shares.

    Groups are ordered by a hash of the seed and their name, so the split is the same on every machine and
    library version, and adding photographs moves few of the others.
    """
    members: dict[str, list[Photo]] = defaultdict(list)
    for photo in dataset.photos:
        members[photo.group].append(photo)
    by_label: dict[str, list[str]] = defaultdict(list)
    for group, photos in members.items():
        by_label[_commonest(photo.label for photo in photos)].append(group)
    parts: dict[Part, list[Photo]] = {"train": [], "val": [], "test": []}
    for label in sorted(by_label):
        names = sorted(by_label[label], key=lambda name: _shuffled(spec.seed, name))
        total = sum(len(members[name]) for name in names)
        quotas: list[tuple[Part, int]] = [
            ("test", round(total * spec.test_fraction)),
            ("val", round(total * spec.val_fraction)),
        ]
        counts: Counter[Part] = Counter()
        for name in names:
            size = len(members[name])
            part: Part = next((p for p, quota in quotas if counts[p] + size <= quota), "train")
            counts[part] += size
            parts[part].extend(members[name])
    for chosen in parts.values():
        chosen.sort(key=lambda photo: photo.key)
    return parts


def stratified(dataset: Dataset, photos: Sequence[Photo], count: int, seed: int) -> list[Photo]:
    """`count` of `photos`, taken from each label in turn, in an order fixed by the seed."""
    piles = [
        sorted((p for p in photos if p.label == label), key=lambda photo: _shuffled(seed, photo.key))
        for label in dataset.labels
    ]
    chosen: list[Photo] = []
    for depth in range(max((len(pile) for pile in piles), default=0)):
        chosen.extend(pile[depth] for pile in piles if depth < len(pile))
    return chosen[:count]


def _photos_of(root: Path, label: str, groups: dict[str, str]) -> list[Photo]:
    from waste_edge.pictures import find_pictures  # here: a manifest needs a SplitSpec, a station no Pillow

    paths = list(find_pictures(root / label))
    if not paths:
        raise DataError(f"{root / label}: class folder without pictures; add some or remove the folder")
    keys = [path.relative_to(root).as_posix() for path in paths]
    for key in keys:
        if not key.isprintable():  # a name that is not UTF-8 has surrogates in it
            raise DataError(f"{root}: {key!r}: not a UTF-8 name, or one with control characters; rename the file")
    return [Photo(path, key, label, groups.get(key, key)) for path, key in zip(paths, keys, strict=True)]


def _read_groups(candidates: Iterable[Path]) -> dict[str, str]:
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = csv.DictReader(stream)
            if not {"file", "group"} <= set(rows.fieldnames or ()):
                raise DataError(f"{path}: expected the columns file and group, got {rows.fieldnames}")
            groups = {}
            for row in rows:
                if not row["file"] or not row["group"] or None in row:
                    raise DataError(f"{path}: line {rows.line_num}: expected one file and its group in the row")
                # A prefix keeps a group's name from meeting the key of a picture that has none.
                groups[row["file"]] = f"group:{row['group']}"
            return groups
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file ({error})") from error


def _commonest(labels: Iterable[str]) -> str:
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def _shuffled(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
