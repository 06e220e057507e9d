"""Pictures by label, and outliers in size, shape, light and sharpness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from waste_edge.dataset import Part
from waste_edge.training.data.check.findings import Finding, Severity, Spread, Suspect
from waste_edge.training.data.check.scan import Scan, Seen

MIN_SIDE_PX = 32
MAX_ASPECT = 3.0
DARK, BRIGHT = 30.0, 235.0  # mean level
FLAT = 4.0  # standard deviation of levels
BLUR_Z = -3.5  # robust standard deviations of the logarithm, below the median
FEW = 20
MAX_IMBALANCE = 10.0
_EXTREMES = 8

MEASURES: dict[str, Callable[[Seen], float]] = {
    "width_px": lambda one: one.width_px,
    "height_px": lambda one: one.height_px,
    "aspect": lambda one: one.aspect,
    "brightness": lambda one: one.brightness,
    "sharpness": lambda one: one.sharpness,
}


def spreads(pictures: Sequence[Seen]) -> dict[str, Spread]:
    """Compute the spread of each measure."""
    if not pictures:
        return {}
    return {name: _spread([of(one) for one in pictures]) for name, of in MEASURES.items()}


def _spread(values: Sequence[float]) -> Spread:
    least, low, median, high, most = np.quantile(values, (0, 0.05, 0.5, 0.95, 1)).tolist()
    return Spread(least=least, low=low, median=median, high=high, most=most)


def find_outliers(pictures: Sequence[Seen]) -> list[Finding]:
    """Pictures that are too small, too narrow, too dark or bright, or blurred; and, as a note, the extremes."""
    found = [
        _finding(
            "small",
            f"pictures with a side below {MIN_SIDE_PX} px",
            "remove them: they show too little",
            pictures,
            _small,
        ),
        _finding(
            "narrow",
            f"pictures more than {MAX_ASPECT:g} times as long as wide",
            "look at the sheet: a crop cuts their ends, letterbox leaves little of them",
            pictures,
            _narrow,
        ),
        _finding(
            "light",
            "pictures nearly black, nearly white or nearly of one colour",
            "look at the sheet and remove what shows nothing",
            pictures,
            _badly_lit,
        ),
        _finding(
            "blurred",
            "pictures far less sharp than the others",
            "look at the sheet and remove what cannot be told",
            pictures,
            _blurred(pictures),
        ),
    ]
    found.append(_extremes(pictures))
    return [finding for finding in found if finding.suspects]


def find_imbalance(scan: Scan, labels: Sequence[str]) -> list[Finding]:
    """Empty classes, rare ones, labels that a part lacks; and, as a note, how many pictures each label has."""
    counts = Counter(one.label for one in scan.pictures)
    filled = {(one.part, one.label) for one in scan.pictures}
    empty = [folder for folder in scan.folders if (folder.part, folder.label) not in filled]
    findings = []
    if empty:
        findings.append(
            _told(
                "empty_class",
                "error",
                f"class folders without a readable picture: {len(empty)}",
                "add pictures, or remove the folder",
                [Suspect(file=one.path.relative_to(scan.root).as_posix(), says="no readable picture") for one in empty],
            )
        )
    findings += _missing_in_parts(scan, labels, filled)
    have = {label: counts[label] for label in labels if counts[label]}
    if len(have) < 2:
        findings.append(
            _told(
                "one_class",
                "error",
                f"labels with pictures: {len(have)}",
                "a classifier needs at least two",
                samples(scan.pictures, list(have)),
            )
        )
        return findings
    few = [label for label, count in have.items() if count < FEW]
    if few:
        findings.append(
            _told(
                "few",
                "warning",
                f"fewer than {FEW} pictures of {', '.join(few)}",
                "add some: neither training nor its score means much with so few",
                [Suspect(file=one.key, says=one.label) for one in scan.pictures if one.label in few],
            )
        )
    most, least = max(have, key=have.__getitem__), min(have, key=have.__getitem__)
    ratio = have[most] / have[least]
    findings.append(
        _told(
            "classes",
            "warning" if ratio > MAX_IMBALANCE else "note",
            f"{most} has {ratio:.1f} times as many pictures as {least} ({have[most]:,} to {have[least]:,})"
            if ratio > 1
            else f"every label has {have[most]:,} pictures",
            "add pictures of the rare ones, or give classes weights in the recipe" if ratio > 2 else "nothing to do",
            samples(scan.pictures, list(have)),
        )
    )
    return findings


def _missing_in_parts(scan: Scan, labels: Sequence[str], filled: set[tuple[Part | None, str]]) -> list[Finding]:
    parts = {folder.part for folder in scan.folders} - {None}
    there = {(folder.part, folder.label) for folder in scan.folders}
    lacking = sorted((str(part), label) for part in parts for label in labels if (part, label) not in there)
    if not lacking:
        return []
    untrained = any(part == "train" for part, _ in lacking)
    return [
        _told(
            "missing_in_part",
            "error" if untrained else "warning",
            "not every part has every label: " + ", ".join(f"{part} lacks {label}" for part, label in lacking),
            "give each part all labels: one that is not trained cannot be told, one that is not tested is not known",
            [Suspect(file=f"{part}/{label}", says="no such folder") for part, label in lacking],
        )
    ]


def samples(pictures: Sequence[Seen], labels: Sequence[str]) -> list[Suspect]:
    """Choose pictures of each label, evenly spaced, for a sheet with a row a label."""
    suspects = []
    for number, label in enumerate(labels):
        mine = [one for one in pictures if one.label == label]
        chosen = np.unique(np.linspace(0, len(mine) - 1, _EXTREMES).astype(int))
        suspects += [Suspect(file=mine[index].key, says=f"{label}: {len(mine):,}", group=number) for index in chosen]
    return suspects


def _extremes(pictures: Sequence[Seen]) -> Finding:
    rows = [
        (f"{word} {name.removesuffix('_px')}", of, sign)
        for name, of in MEASURES.items()
        for word, sign in (("least", 1), ("most", -1))
        if (name, word) != ("aspect", "least") and len({of(one) for one in pictures}) > 1
    ]
    suspects = [
        Suspect(file=one.key, says=f"{title} {of(one):,.4g}", group=number)
        for number, (title, of, sign) in enumerate(rows)
        for one in sorted(pictures, key=lambda one: sign * of(one))[:_EXTREMES]
    ]
    return _told("extremes", "note", "the smallest, largest, darkest, sharpest …", "look at the sheet", suspects)


def _finding(kind: str, text: str, remedy: str, pictures: Sequence[Seen], why: Callable[[Seen], str]) -> Finding:
    suspects = [Suspect(file=one.key, says=says) for one in pictures if (says := why(one))]
    return _told(kind, "warning", f"{text}: {len(suspects)}", remedy, suspects)


def _told(kind: str, severity: Severity, text: str, remedy: str, suspects: list[Suspect]) -> Finding:
    return Finding(kind=kind, severity=severity, text=text, remedy=remedy, suspects=suspects)


def _small(one: Seen) -> str:
    return f"{one.width_px}x{one.height_px} px" if min(one.width_px, one.height_px) < MIN_SIDE_PX else ""


def _narrow(one: Seen) -> str:
    return f"{one.width_px}x{one.height_px} px" if one.aspect > MAX_ASPECT else ""


def _badly_lit(one: Seen) -> str:
    if one.brightness < DARK:
        return f"dark, mean level {one.brightness:.0f}"
    if one.brightness > BRIGHT:
        return f"bright, mean level {one.brightness:.0f}"
    return f"one colour, levels vary by {one.contrast:.1f}" if one.contrast < FLAT else ""


def _blurred(pictures: Sequence[Seen]) -> Callable[[Seen], str]:
    """Sharpness has a long tail, so its logarithm is judged, by median and median deviation."""
    logs = np.log([one.sharpness + 1e-3 for one in pictures]) if pictures else np.zeros(1)
    middle = float(np.median(logs))
    deviation = max(1.4826 * float(np.median(np.abs(logs - middle))), 0.1)
    limit = min(float(np.exp(middle + BLUR_Z * deviation)), float(np.exp(middle)) / 4)
    return lambda one: f"sharpness {one.sharpness:.0f}, usual {np.exp(middle):.0f}" if one.sharpness < limit else ""
