"""Findings of `data check` about a folder."""

from __future__ import annotations

from typing import Literal

from waste_edge.files.strict import Strict

Severity = Literal["error", "warning", "note"]


class Suspect(Strict, frozen=True):
    """One file or folder of a finding.

    Attributes:
        file: its path below the data folder.
        says: what is the matter with this one.
        group: suspects of one group belong together, as copies of one picture do.
    """

    file: str
    says: str = ""
    group: int = 0


class Finding(Strict, frozen=True):
    """One kind of thing that was found.

    Attributes:
        kind: a word for it; its contact sheet is `<kind>.png`.
        severity: `error`: not fit to train on; `warning`: look at it; `note`: good to know.
        text: what was found, in a line.
        remedy: what to do about it.
        suspects: every file, the clearest case first.
        sheet: the contact sheet's name in the report's folder; empty if none was drawn.
    """

    kind: str
    severity: Severity
    text: str
    remedy: str
    suspects: list[Suspect]
    sheet: str = ""


class Spread(Strict, frozen=True):
    """Spread of a measure over the pictures: 5 % lie below `low`, 5 % above `high`."""

    least: float
    low: float
    median: float
    high: float
    most: float


class DataReport(Strict, frozen=True):
    """Result of a check of a folder.

    Attributes:
        folder: what was checked.
        fit: whether it can be trained on, that is, whether there is no error.
        pictures: how many can be read.
        labels: label -> part (`all` where the folder is not divided) -> readable pictures.
        spreads: width_px, height_px, aspect (longer to shorter side), brightness (0 to 255), sharpness (variance of the
            Laplacian, the shorter side at most 256 px).
        mislabels_by: what the search for wrong labels looked at, and how good it was; or why there was none.
        findings: errors first.
    """

    folder: str
    fit: bool
    pictures: int
    labels: dict[str, dict[str, int]]
    spreads: dict[str, Spread]
    mislabels_by: str
    findings: list[Finding]
