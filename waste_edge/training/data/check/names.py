"""Names that are told too late elsewhere: of labels, and of the files that `groups.csv` speaks of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from waste_edge.dataset.folders import read_groups, strange_groups
from waste_edge.dataset.sources import HOW_TO_MEND_LABELS
from waste_edge.files.text import reading_key
from waste_edge.taxonomy import UNKNOWN, label_faults
from waste_edge.training.data.check.findings import Finding, Severity, Suspect
from waste_edge.training.data.check.outliers import samples
from waste_edge.training.data.check.scan import Scan


def find_name_faults(seen: Scan, labels: Sequence[str], unknown_ok: bool) -> list[Finding]:
    """Find the folders' names that `data split` and `train` will refuse."""
    named = [label for label in labels if not is_unknown(label)]
    faults = [
        Finding(kind=kind, severity="error", text=f"label {fault}", remedy=HOW_TO_MEND_LABELS, suspects=[])
        for kind, fault in zip(_kinds("label_name"), label_faults(named), strict=False)
    ]
    return [*_reserved(seen, unknown_ok), *faults]


def is_unknown(label: str) -> bool:
    """Return whether a label reads like the word for what a model does not know."""
    return reading_key(label) == UNKNOWN


def _reserved(seen: Scan, unknown_ok: bool) -> list[Finding]:
    called = sorted({one.label for one in seen.folders if is_unknown(one.label)})
    if unknown_ok or not called:
        return []
    text = f"a class folder is called {called[0]!r}, which is what a model answers when it does not know"
    remedy = "rename it; or, if it holds pictures like none of the labels, say --unknown-ok and do not train on it"
    return [
        Finding(kind="reserved", severity="error", text=text, remedy=remedy, suspects=samples(seen.pictures, called))
    ]


def _kinds(word: str) -> Iterator[str]:
    """A kind for each of several findings, since each is a file's name."""
    return (word if number == 1 else f"{word}_{number}" for number in itertools.count(1))


def find_lost_groups(folder: Path, seen: Scan) -> list[Finding]:
    """Rows of `groups.csv` that hold nothing together."""
    given = given_groups(folder)
    lost = strange_groups(given, [one.key for one in seen.pictures] + [one.key for one in seen.unreadable])
    if not lost:
        return []
    text = f"{len(lost)} of the {len(given)} rows of groups.csv name no picture"
    remedy = (
        "write paths as below the data folder, with forward slashes and the file's own letters; till then what they "
    )
    remedy += "hold together may lie on two sides of a split"
    suspects = [Suspect(file=name, says="no such picture") for name in lost]
    severity: Severity = "error" if len(lost) == len(given) else "warning"  # the others refuse it, too
    return [Finding(kind="lost_groups", severity=severity, text=text, remedy=remedy, suspects=suspects)]


def given_groups(folder: Path) -> dict[str, str]:
    """Read the folder's `groups.csv`; see `read_groups`."""
    return read_groups([folder / "images" / "groups.csv", folder / "groups.csv"])
