"""Checks of a split before training: every label is in it, and no picture on both sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from waste_edge.dataset.splitting import SplitSpec, split
from waste_edge.dataset.values import Dataset, Part, Photo
from waste_edge.errors import DataError
from waste_edge.files.remarks import remark
from waste_edge.files.text import visible

_SHOWN = 3


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
