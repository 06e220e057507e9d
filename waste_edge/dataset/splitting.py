"""Splits of labelled photos: by group and label, the same on every machine.

Before a training, `split_to_train` checks that every label is in each part and no picture on both sides.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from waste_edge.dataset.values import Dataset, Part, Photo
from waste_edge.errors import DataError
from waste_edge.files.remarks import remark
from waste_edge.files.strict import Strict
from waste_edge.files.text import visible

_SHOWN = 3


class SplitSpec(Strict, frozen=True):
    """Shares of the parts and the seed of a split. Train is what remains.

    Attributes:
        val_fraction: share to validate on; with `folds` each fold has an equal share instead.
        test_fraction: share kept for the test; taken first, so all folds have the same test part.
        allow_leak: train although the same picture lies in two parts; see `split_to_train`.
        folds: 0 for one split; else the number of folds, of which number `fold`, from 0, is validated on.
    """

    seed: int = 0
    val_fraction: float = 0.2
    test_fraction: float = 0.0
    folds: int = 0
    fold: int = 0
    allow_leak: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.val_fraction < 1 and 0 <= self.test_fraction < 1):
            raise ValueError("val_fraction and test_fraction must be 0 to 1")
        if self.folds == 0 and self.val_fraction + self.test_fraction >= 1:
            raise ValueError("val_fraction and test_fraction leave no pictures to train on")
        if self.folds != 0 and not 2 <= self.folds <= 100:
            raise ValueError(f"folds must be 0 (one split) or 2 to 100, got {self.folds}")
        if not 0 <= self.fold < max(self.folds, 1):
            raise ValueError(f"fold must be 0 to {max(self.folds, 1) - 1} with folds = {self.folds}, got {self.fold}")


def split(dataset: Dataset, spec: SplitSpec) -> dict[Part, list[Photo]]:
    """Divide by group and label: no group on two sides, each label in the wanted shares.

    Parts that the data give are kept; a val or test part which they lack is cut from train. Groups are ordered by a
    hash of the seed and their name, so the split is the same on every machine and library version, and adding
    photographs moves few of the others.

    Raises:
        DataError: folds are asked for of data that say themselves what to validate on.
    """
    parts: dict[Part, list[Photo]] = {"train": [], "val": [], "test": []}
    for photo in dataset.photos:
        parts[photo.part or "train"].append(photo)
    if spec.folds and parts["val"]:
        raise DataError(
            f"{dataset.root}: the data have a val part of their own, so they cannot be split into {spec.folds} folds; "
            "set folds to 0, or take that part away"
        )
    wanted: list[tuple[Part, float]] = [("test", spec.test_fraction), ("val", 0.0 if spec.folds else spec.val_fraction)]
    shares = {part: share for part, share in wanted if not parts[part]}
    for part, photos in _cut(parts.pop("train"), shares, spec.seed).items():
        parts.setdefault(part, []).extend(photos)
    if spec.folds:
        parts["train"], parts["val"] = _one_fold(parts["train"], spec)
    return {part: sorted(parts[part], key=lambda photo: photo.key) for part in ("train", "val", "test")}


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


def _cut(photos: Iterable[Photo], shares: dict[Part, float], seed: int) -> dict[Part, list[Photo]]:
    """Each part gets whole groups of each label, up to its share; what is left is train."""
    parts: dict[Part, list[Photo]] = {"train": []}
    members = _by_group(photos)
    for names in _by_label(members).values():
        names.sort(key=lambda name: _shuffled(seed, name))
        total = sum(len(members[name]) for name in names)
        quotas = {part: round(total * share) for part, share in shares.items()}
        counts: Counter[Part] = Counter()
        for name in names:
            size = len(members[name])
            part: Part = next((p for p, quota in quotas.items() if counts[p] + size <= quota), "train")
            counts[part] += size
            parts.setdefault(part, []).extend(members[name])
    return parts


def _one_fold(photos: Iterable[Photo], spec: SplitSpec) -> tuple[list[Photo], list[Photo]]:
    """The photos outside and inside the wanted fold; groups go, largest first, to the fold with least of a label."""
    outside: list[Photo] = []
    inside: list[Photo] = []
    members = _by_group(photos)
    sizes = [0] * spec.folds
    for names in _by_label(members).values():
        names.sort(key=lambda name: (-len(members[name]), _shuffled(spec.seed, name)))
        counts = [0] * spec.folds
        for name in names:
            fold = min(range(spec.folds), key=lambda f: (counts[f], sizes[f], f))
            counts[fold] += len(members[name])
            sizes[fold] += len(members[name])
            (inside if fold == spec.fold else outside).extend(members[name])
    return outside, inside


def _by_group(photos: Iterable[Photo]) -> dict[str, list[Photo]]:
    members: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        members[photo.group].append(photo)
    return members


def _by_label(members: dict[str, list[Photo]]) -> dict[str, list[str]]:
    """Groups by their commonest label, labels sorted."""
    labels: dict[str, list[str]] = defaultdict(list)
    for group, photos in members.items():
        labels[_commonest(photo.label for photo in photos)].append(group)
    return dict(sorted(labels.items()))


def _commonest(labels: Iterable[str]) -> str:
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def _shuffled(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def split_to_train(source: Path, dataset: Dataset, spec: SplitSpec) -> dict[Part, list[Photo]]:
    """`split`, once it is sure that training on it and believing its scores makes sense.

    Said, but no error: a label that a val or test part lacks; the same picture on two sides under two labels.

    Raises:
        DataError: see `split`; a label has no picture to train on; or, unless `spec.allow_leak`, the same picture
            with the same label lies on two sides, so that what is scored was learnt by heart.
    """
    parts = split(dataset, spec)
    _check_labels(source, dataset, parts)
    _check_copies(source, parts, spec.allow_leak)
    return parts


def missing_labels(dataset: Dataset, parts: Mapping[Part, Sequence[Photo]]) -> dict[Part, list[str]]:
    """The labels that each part lacks; parts without any photo, and those that lack none, are left out."""
    missing = {}
    for part, photos in parts.items():
        present = {photo.label for photo in photos}
        if photos and (lacking := [label for label in dataset.labels if label not in present]):
            missing[part] = lacking
    return missing


def _check_labels(source: Path, dataset: Dataset, parts: Mapping[Part, Sequence[Photo]]) -> None:
    for part, labels in missing_labels(dataset, parts).items():
        names = _listed(labels)
        if part == "train":
            raise DataError(
                f"{source}: no picture to train on for {names}; add some to the training part, or leave the label out "
                "by the recipe's labels.drop"
            )
        remark(f"{source}: the {part} part has no picture of {names}, so it tells nothing of that")


def _check_copies(source: Path, parts: Mapping[Part, Sequence[Photo]], allowed: bool) -> None:
    sides: dict[str, list[tuple[Part, Photo]]] = defaultdict(list)
    for part, photos in parts.items():
        for photo in photos:
            if photo.path is not None:
                sides[photo.sha256()].append((part, photo))
    crossing = [copies for copies in sides.values() if len({part for part, _ in copies}) > 1]
    torn = [copies for copies in crossing if any(count > 1 for count in _parts_of_a_label(copies).values())]
    if torn and not allowed:
        raise DataError(
            f"{source}: {len(torn)} picture{' lies' if len(torn) == 1 else 's lie'} in two parts of the split "
            f"({_example(torn)}), so its score would be learnt by heart; remove the copies, or say --allow-leak"
        )
    if torn:
        remark(f"{source}: {len(torn)} of the pictures lie in two parts of the split ({_example(torn)}), as allowed")
    if odd := [copies for copies in crossing if copies not in torn]:
        remark(f"{source}: the same picture has two labels, in two parts of the split: {_example(odd)}; see data check")


def _parts_of_a_label(copies: Iterable[tuple[Part, Photo]]) -> Counter[str]:
    """Count, for each label they have, the parts in which a picture's copies lie."""
    return Counter(label for label, _ in {(photo.label, part) for part, photo in copies})


def _example(sets: Sequence[Sequence[tuple[Part, Photo]]]) -> str:
    return " and ".join(f"{visible(photo.key)} in {part}" for part, photo in sets[0][:2])


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return ", ".join(labels[:_SHOWN]) + more
