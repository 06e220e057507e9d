"""From a folder of photographs to all that is wrong with it.

Names are checked here, too: of labels, and of the files that `groups.csv` speaks of. Elsewhere that is told too late.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.dataset import Dataset, Photo
from waste_edge.dataset.folders import group_name, read_groups, strange_groups
from waste_edge.dataset.looking import cores
from waste_edge.dataset.sources import HOW_TO_MEND_LABELS
from waste_edge.errors import DataError, UserError
from waste_edge.files.atomic import folder_in_one_piece
from waste_edge.files.strict import to_json
from waste_edge.files.text import reading_key, same_text
from waste_edge.taxonomy import UNKNOWN, label_faults
from waste_edge.training.data.check.duplicates import find_duplicates, near_groups
from waste_edge.training.data.check.findings import DataReport, Finding, Severity, Suspect
from waste_edge.training.data.check.mislabels import as_indices, find_doubts
from waste_edge.training.data.check.outliers import find_imbalance, find_outliers, samples, spreads
from waste_edge.training.data.check.scan import SIMPLE, Odd, Scan, Seen, network_features, scan
from waste_edge.training.data.check.sheets import draw_sheet

_ORDER: list[Severity] = ["error", "warning", "note"]
_MOST_LOST = 1_000  # rows of groups.csv that are named; all are counted
CheckProgress = Callable[[str], Callable[[int, int], None]]


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
    suspects = [Suspect(file=name, says="no such picture") for name in lost[:_MOST_LOST]]
    severity: Severity = "error" if len(lost) == len(given) else "warning"  # the others refuse it, too
    return [Finding(kind="lost_groups", severity=severity, text=text, remedy=remedy, suspects=suspects)]


def given_groups(folder: Path) -> dict[str, str]:
    """Read the folder's `groups.csv`; see `read_groups`."""
    return read_groups([folder / "images" / "groups.csv", folder / "groups.csv"])


@dataclass(frozen=True)
class Checked:
    """A report, and where its files lie."""

    report: DataReport
    root: Path


def check_folder(folder: Path, weights: Path | None, unknown_ok: bool, watch: CheckProgress) -> Checked:
    """Look at every file of a data folder.

    Args:
        folder: with one folder a label, perhaps in train, val and test folders.
        weights: of a MobileNetV1, to find wrong labels by what it sees; if None, by colours and edges.
        unknown_ok: a folder called `unknown` holds pictures that are like no label; without, it is an error.
        watch: is told what is being done, and gives what is called with done and total.

    Raises:
        UserError: no such folder.
        ConfigError: the weights do not fit.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give one with one folder of pictures a label")
    try:
        seen = scan(folder, watch("looking"), cores())
    except DataError as error:
        return Checked(_unusable(folder, str(error)), folder)
    labels = sorted({one.label for one in seen.folders})
    known = [one for one in seen.pictures if not (unknown_ok and is_unknown(one.label))]
    findings = [*_odd(seen), *find_name_faults(seen, labels, unknown_ok), *find_lost_groups(folder, seen)]
    findings += find_imbalance(seen, [label for label in labels if not (unknown_ok and is_unknown(label))])
    groups = near_groups(seen.pictures)
    findings += find_duplicates(seen.pictures, groups)
    findings += find_outliers(seen.pictures)
    by = "nothing, since it takes two labels with pictures"
    if len({one.label for one in known}) > 1:
        chosen = np.array([not (unknown_ok and is_unknown(one.label)) for one in seen.pictures])
        features = seen.features if chosen.all() else seen.features[chosen]
        given = KnownPictures(folder, known, features, groups[chosen])
        doubts, by = _mislabels(given, weights, watch)
        findings += [*doubts, *_leaks(seen, known, groups[chosen])]
    findings.sort(key=lambda finding: _ORDER.index(finding.severity))
    report = DataReport(
        folder=str(folder),
        fit=all(finding.severity != "error" for finding in findings),
        pictures=len(seen.pictures),
        labels=_counts(seen, labels),
        spreads=spreads(seen.pictures),
        mislabels_by=by,
        findings=findings,
    )
    return Checked(report, seen.root)


def refuse_out(folder: Path, out: Path) -> None:
    """Raise UserError, before minutes of looking, if a report cannot go to `out`: in use, or among the photographs."""
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise UserError(f"{out}: lies among the photographs, where it would be taken for some; choose another --out")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: exists already; choose another --out or remove it first")


def write_report(checked: Checked, out: Path, watch: CheckProgress) -> DataReport:
    """Make `out`: `check.json`, and a contact sheet a finding.

    Returns:
        The report, with the sheets' names.

    Raises:
        UserError: `out` is in use, or cannot be written.
    """
    findings, progress = [], watch("drawing")
    with folder_in_one_piece(out) as folder:
        for done, finding in enumerate(checked.report.findings, 1):
            sheet = draw_sheet(finding, checked.root)
            if sheet is not None:
                sheet.save(folder / f"{finding.kind}.png")
                finding = msgspec.structs.replace(finding, sheet=f"{finding.kind}.png")
            findings.append(finding)
            progress(done, len(checked.report.findings))
        report = msgspec.structs.replace(checked.report, findings=findings)
        (folder / "check.json").write_text(to_json(report), encoding="utf-8")
    return report


def _unusable(folder: Path, why: str) -> DataReport:
    finding = Finding(
        kind="layout",
        severity="error",
        text=why,
        remedy="put each label's pictures in a folder of its own",
        suspects=[],
    )
    return DataReport(
        folder=str(folder),
        fit=False,
        pictures=0,
        labels={},
        spreads={},
        mislabels_by="nothing",
        findings=[finding],
    )


def _odd(seen: Scan) -> list[Finding]:
    """Files that are not readable pictures of a label."""
    kinds: tuple[tuple[str, Severity, list[Odd], str, str], ...] = (
        (
            "unreadable",
            "error",
            seen.unreadable,
            "files that cannot be read as pictures",
            "remove them, or get them again",
        ),
        (
            "stray",
            "warning",
            seen.stray,
            "files that are no pictures of a label",
            "move or convert them; they are passed over",
        ),
        (
            "hidden",
            "warning",
            seen.hidden,
            "hidden files or folders",
            "remove them; they are passed over, and may hold copies",
        ),
    )
    return [
        Finding(
            kind=kind,
            severity=severity,
            text=f"{text}: {len(odd)}",
            remedy=remedy,
            suspects=[Suspect(file=one.key, says=one.says) for one in odd],
        )
        for kind, severity, odd, text, remedy in kinds
        if odd
    ]


@dataclass(frozen=True, eq=False)
class KnownPictures:
    """Pictures of the labels to be learnt, with their features (N, F) and near-duplicates' groups (N,)."""

    folder: Path
    pictures: Sequence[Seen]
    features: NDArray[np.float32]
    groups: NDArray[np.int64]


def _mislabels(given: KnownPictures, weights: Path | None, watch: CheckProgress) -> tuple[list[Finding], str]:
    """Likely wrong labels, and in words what they were judged by."""
    known, features, by = given.pictures, given.features, SIMPLE
    if weights is not None:
        features, by = network_features([one.path for one in known], weights, watch("asking the network"))
    names = sorted({one.label for one in known})
    labels = as_indices([one.label for one in known], names)
    progress = watch("comparing labels")
    answer = find_doubts(features, labels, _joined(given.folder, known, given.groups))
    progress(1, 1)
    if answer is None:
        return [], "nothing, since a label has too few different pictures"
    doubts, accuracy = answer
    by = f"{by}; right about {accuracy:.0%} of pictures it was not fitted on"
    if not doubts:
        return [], by
    suspects = [
        Suspect(
            file=known[doubt.index].key,
            says=f"is {known[doubt.index].label} ({doubt.own_probability:.0%}), looks like {names[doubt.other]} "
            f"({doubt.other_probability:.0%})",
        )
        for doubt in doubts
    ]
    text = f"pictures that look like another label's: {len(doubts)}, judged by {by}"
    remedy = "look at the sheet: some are wrong labels, some are merely hard"
    return [Finding(kind="mislabels", severity="warning", text=text, remedy=remedy, suspects=suspects)], by


def _joined(folder: Path, known: Sequence[Seen], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The groups that the data give, where they give any; else the near-duplicates."""
    given = given_groups(folder)
    if not given:
        return groups
    names = [given.get(same_text(one.key), one.key) for one in known]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _leaks(seen: Scan, known: Sequence[Seen], groups: NDArray[np.int64]) -> list[Finding]:
    """Find labels that a file's name alone gives away."""
    from waste_edge.training.data.leakage import find_leaks

    labels = sorted({one.label for one in known})
    photos = [
        Photo(one.path, one.key, one.label, group_name(str(group)), part=one.part)
        for one, group in zip(known, groups.tolist(), strict=True)
    ]
    return [
        Finding(
            kind="leak",
            severity="warning",
            text=leak.sentence.rstrip("."),
            remedy="train on the pictures alone, or rename the files",
            suspects=samples(known, labels),
        )
        for leak in find_leaks(Dataset(seen.root, tuple(labels), tuple(photos), grouped=True))
    ]


def _counts(seen: Scan, labels: Sequence[str]) -> dict[str, dict[str, int]]:
    counts = Counter((one.label, one.part or "all") for one in seen.pictures)
    parts = sorted({folder.part or "all" for folder in seen.folders}, key=["all", "train", "val", "test"].index)
    return {label: {part: counts[label, part] for part in parts} for label in labels}
