"""Pictures from several sources in one CSV file: which source, whose licence, which scene, and what may teach.

Accuracy on the collection that a model was taught on says little of another camera. Such a file holds what else there
is: the labels of a model from other sources, and things that are none of them.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from waste_edge.dataset.folders import open_table
from waste_edge.dataset.sources import EVERY_LABEL, LabelMap
from waste_edge.dataset.splitting import SplitSpec
from waste_edge.dataset.table import picture_of_row
from waste_edge.dataset.values import Photo
from waste_edge.errors import DataError

NEEDED = ("file", "label", "source")
COLUMNS = (*NEEDED, "original_dataset", "licence", "group")
MEASURING = "measuring"  # a folder of this name holds pictures that no network may be taught with
_NO_LICENCE = ("no licen", "none", "unknown", "unlicen", "not stated", "unspecified", "all rights reserved")


@dataclass(frozen=True)
class DomainPhoto:
    """One row of a domains file.

    Attributes:
        photo: its `key` is the row's `file`; its group is told from other data's groups.
        source: who took such pictures; the unit of "elsewhere".
        original_dataset: the collection that the source took it from, in words.
        licence: as the file states it; empty if it does not.
    """

    photo: Photo
    source: str
    original_dataset: str = ""
    licence: str = ""

    @property
    def why_not(self) -> str:
        """Reason for which no network may be trained on it; empty if one may."""
        if is_for_measuring(self.photo):
            return f"lies in a folder {MEASURING}/"
        stated = self.licence.strip().casefold()
        if not stated or stated.startswith(_NO_LICENCE):
            return f"has no licence that allows it ({self.licence.strip() or 'none given'})"
        return ""


@dataclass(frozen=True)
class Domains:
    """Rows of a domains file, in its order.

    Attributes:
        path: the file.
        rows: all of it, or what was chosen of it.
    """

    path: Path
    rows: tuple[DomainPhoto, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source once, sorted."""
        return tuple(sorted({row.source for row in self.rows}))

    @property
    def photos(self) -> list[Photo]:
        return [row.photo for row in self.rows]

    def of(self, sources: Collection[str]) -> Domains:
        """The rows of some sources.

        Raises:
            DataError: a source is not in the file.
        """
        self.check_sources(sources)
        return replace(self, rows=tuple(row for row in self.rows if row.source in sources))

    def of_label(self, label: str) -> Domains:
        """The rows of one label."""
        return replace(self, rows=tuple(row for row in self.rows if row.photo.label == label))

    def without(self, sources: Collection[str]) -> Domains:
        """All but some sources, and but what shares a group with them: one scene is not on two sides.

        Raises:
            DataError: a source is not in the file.
        """
        self.check_sources(sources)
        gone = {row.photo.group for row in self.rows if row.source in sources}
        kept = (row for row in self.rows if row.source not in sources and row.photo.group not in gone)
        return replace(self, rows=tuple(kept))

    def check_sources(self, sources: Collection[str]) -> None:
        """Raise DataError naming the first source that the file has not."""
        for source in sources:
            if source not in self.sources:
                raise DataError(f"{self.path}: has no source {source!r}; it has {', '.join(self.sources)}")

    def teaching(self, sources: Collection[str] | None = None, leave_out: Collection[str] = ()) -> Domains:
        """The rows that a network may be taught with.

        Args:
            sources: which sources; all that may teach if None. A named one must be allowed to, in every row of it.
            leave_out: sources to keep away, with all that shares a group with them.

        Raises:
            DataError: a source is not in the file, or was named and may not teach.
        """
        if sources is not None:
            for row in self.of(sources).rows:
                if row.why_not:
                    raise DataError(
                        f"{self.path}: {row.photo.key} of {row.source} {row.why_not}, so nothing may be taught with "
                        f"it; leave {row.source} out of the sources to train on"
                    )
        chosen = self.without(leave_out)
        wanted = set(chosen.sources if sources is None else sources)
        return replace(chosen, rows=tuple(row for row in chosen.rows if row.source in wanted and not row.why_not))

    def apart_from(self, others: Domains) -> Domains:
        """The rows that are none of `others`, and share no group with them."""
        groups = {row.photo.group for row in others.rows}
        return replace(self, rows=tuple(row for row in self.rows if row.photo.group not in groups))

    def named(self, labels: Collection[str], label_map: LabelMap = EVERY_LABEL) -> Domains:
        """The rows with a model's labels, after its label map: the known ones."""
        target = self._targets(label_map)
        return replace(
            self,
            rows=tuple(
                replace(row, photo=replace(row.photo, label=target[row.photo.label]))
                for row in self.rows
                if target.get(row.photo.label) in labels
            ),
        )

    def strange(self, labels: Collection[str], label_map: LabelMap = EVERY_LABEL) -> Domains:
        """The rows with none of a model's labels, as they are; what its label map drops is left out here too."""
        target = self._targets(label_map)
        return replace(
            self,
            rows=tuple(row for row in self.rows if row.photo.label in target and target[row.photo.label] not in labels),
        )

    def divided(self, spec: SplitSpec) -> tuple[Domains, Domains]:
        """Split off held-out groups: (rows to train with, rows held out), the same on every machine.

        Each group falls by a hash of its own name, so that what else is in the file, or was left out, moves none.

        Args:
            spec: its seed and `val_fraction` are looked at, nothing else: a domain has no test part and no folds.
        """
        groups = {row.photo.group for row in self.rows}
        held_out = {group for group in groups if _place(spec.seed, group) < spec.val_fraction}
        return (
            replace(self, rows=tuple(row for row in self.rows if row.photo.group not in held_out)),
            replace(self, rows=tuple(row for row in self.rows if row.photo.group in held_out)),
        )

    def pictures_by_source(self) -> dict[str, int]:
        """Count the rows of each source, sorted by name."""
        return {source: sum(row.source == source for row in self.rows) for source in self.sources}

    def _targets(self, label_map: LabelMap) -> dict[str, str]:
        return label_map.targets({row.photo.label for row in self.rows}, self.path, complete=False)


def open_domains(path: Path) -> Domains:
    """Read a domains file: UTF-8, commas, a first line with the columns' names.

    - `file`: a picture, relative to the CSV file's folder, with forward slashes.
    - `label`: one of a model's labels, or what the thing is if it is none of them.
    - `source`: who took such pictures.
    - `original_dataset`, `licence`: in words; may be missing where nothing is taught with them.
    - `group`: near-copies and pictures of one scene share one; where it is empty, the row stands alone.

    Raises:
        DataError: unreadable, a column missing or unknown, a row too long, too short or empty where it must not be,
            a picture that is not there or stands twice.
    """
    try:
        if not os.path.lexists(path):
            raise DataError(f"{path}: no such file; give a CSV file with the columns {', '.join(COLUMNS)}")
        rows = csv.DictReader(open_table(path), strict=True)
        columns = [name.strip().casefold() for name in rows.fieldnames or ()]
        _check_columns(path, columns)
        rows.fieldnames = columns
        found = [_row(f"{path}: line {rows.line_num}", path.parent, row) for row in rows]
    except csv.Error as error:
        raise DataError(f"{path}: not a readable CSV file ({error}); save it as UTF-8 with commas") from error
    if not found:
        raise DataError(f"{path}: no rows; expected one a picture")
    _check_once(path, found)
    return Domains(path, tuple(found))


def is_for_measuring(photo: Photo) -> bool:
    """Return whether a picture lies in a folder whose pictures are for measuring only."""
    folders = photo.path.resolve().parts[:-1] if photo.path else PurePosixPath(photo.key).parts[:-1]
    return MEASURING in folders


def refuse_measuring(photos: Iterable[Photo]) -> None:
    """Raise DataError naming the first picture that is for measuring only: called before any is read to teach."""
    for photo in photos:
        if is_for_measuring(photo):
            raise DataError(
                f"{photo.path or photo.key}: lies in a folder {MEASURING}/, whose pictures no network may be taught "
                "with; train on others, and measure with these (waste-edge evaluate --domains)"
            )


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    wanted = f"expected {','.join(NEEDED)} and perhaps {', '.join(COLUMNS[len(NEEDED) :])}"
    if missing := [name for name in NEEDED if name not in columns]:
        raise DataError(
            f"{path}: lacks the column {', '.join(missing)}; {wanted}, got {','.join(columns) or 'nothing'}"
        )
    if strange := [name for name in columns if name not in COLUMNS]:
        raise DataError(f"{path}: unknown column {', '.join(map(repr, strange))}; {wanted}: rename or remove it")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(f"{path}: column {', '.join(twice)} stands twice in the first line; remove one")


def _row(where: str, folder: Path, row: Mapping[str | None, str | None]) -> DomainPhoto:
    if None in row or None in row.values():
        wanted = sum(name is not None for name in row)
        raise DataError(f"{where}: expected {wanted} cells as in the first line; put a cell with commas in quotes")
    cells = {str(name): (cell or "").strip() for name, cell in row.items()}
    for name in NEEDED:
        if not cells[name]:
            raise DataError(f"{where}: {name} is empty; fill it in, or remove the row")
    picture, key = picture_of_row(where, folder, cells["file"])
    group = f"domains:{cells['group']}" if cells.get("group") else f"domains:{key}"
    photo = Photo(picture, key, cells["label"], group)
    return DomainPhoto(photo, cells["source"], cells.get("original_dataset", ""), cells.get("licence", ""))


def _check_once(path: Path, rows: Iterable[DomainPhoto]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.photo.key in seen:
            raise DataError(f"{path}: {row.photo.key} stands in two rows; leave one of them")
        seen.add(row.photo.key)


def _place(seed: int, group: str) -> float:
    """Map a group to a pseudo-random number from 0 to below 1."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8]) / 2**64
