"""The same picture again: byte for byte, or nearly; in one label, in two, on two sides of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from waste_edge.dataset import near_hashes
from waste_edge.training.data.check.findings import Finding, Severity, Suspect
from waste_edge.training.data.check.scan import Seen

_TEXTS: dict[str, tuple[Severity, str, str]] = {
    "copies_across_labels": (
        "error",
        "have exact copies under another label",
        "decide which label is right and remove the others: no model can learn both",
    ),
    "copies_across_parts": (
        "error",
        "have exact copies on another side of the split",
        "remove them from all sides but one: what was trained on tests nothing",
    ),
    "copies": ("warning", "have exact copies under the same label", "remove all but one of each: they count twice"),
    "alike_across_labels": (
        "warning",
        "look nearly the same as one under another label",
        "look at the sheet: if they show one thing, one of the labels is wrong",
    ),
    "alike_across_parts": (
        "warning",
        "look nearly the same as one on another side of the split",
        "put each group on one side: what nearly was trained on tests little",
    ),
    "alike": (
        "note",
        "look nearly the same as another of their label",
        "nothing to do: train and data split keep such groups on one side",
    ),
}


def near_groups(pictures: Sequence[Seen]) -> NDArray[np.int64]:
    """A group's number for each picture: equal where pictures are copies or nearly so, one through another."""
    count = len(pictures)
    first: dict[str, int] = {}
    copies = np.array([first.setdefault(one.sha256, index) for index, one in enumerate(pictures)], dtype=np.int64)
    hashed = np.array(
        [index for index, one in enumerate(pictures) if one.hash and first[one.sha256] == index], dtype=np.int64
    )
    roots = copies.copy()
    if len(hashed):
        roots[hashed] = hashed[near_hashes.near_groups(near_hashes.unpacked([pictures[i].hash for i in hashed]))]
    links = coo_array((np.ones(2 * count, bool), (np.tile(np.arange(count), 2), np.concatenate([copies, roots]))),
                      shape=(count, count))  # fmt: skip
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def find_duplicates(pictures: Sequence[Seen], groups: NDArray[np.int64]) -> list[Finding]:
    """Every kind of duplicate; pictures that are exact copies are told as such, not as look-alikes as well."""
    exact: dict[str, list[Seen]] = defaultdict(list)
    near: dict[int, list[Seen]] = defaultdict(list)
    for one, group in zip(pictures, groups.tolist(), strict=True):
        if one.sha256 not in exact:
            near[group].append(one)  # one of each set of copies stands for all
        exact[one.sha256].append(one)
    found: dict[str, list[list[Seen]]] = defaultdict(list)
    for word, sets in (("copies", exact.values()), ("alike", near.values())):
        for members in sets:
            if len(members) > 1:
                for kind in _kinds(word, members):
                    found[kind].append(members)
    return [_finding(kind, found[kind]) for kind in _TEXTS if found[kind]]


def _kinds(word: str, members: Sequence[Seen]) -> Iterable[str]:
    apart = []
    if len({one.label for one in members}) > 1:
        apart.append(f"{word}_across_labels")
    if len({one.part for one in members}) > 1:
        apart.append(f"{word}_across_parts")
    return apart or [word]


def _finding(kind: str, sets: list[list[Seen]]) -> Finding:
    severity, text, remedy = _TEXTS[kind]
    count = sum(map(len, sets))
    suspects = [
        Suspect(file=one.key, says=", ".join(word for word in (one.label, one.part) if word), group=number)
        for number, members in enumerate(sets)
        for one in members
    ]
    return Finding(
        kind=kind,
        severity=severity,
        text=f"{count} pictures in {len(sets)} group{'' if len(sets) == 1 else 's'} {text}",
        remedy=remedy,
        suspects=suspects,
    )
