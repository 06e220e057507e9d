"""Films that a person made, with a CSV file that says what lay before the camera when."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from waste_edge.dataset.folders import open_table
from waste_edge.device.cameras.video import VideoFile
from waste_edge.device.capture.convert import frame_of
from waste_edge.device.clock import Clock
from waste_edge.errors import DataError
from waste_edge.imaging.frames import Frame
from waste_edge.rehearsal.film import Visit
from waste_edge.taxonomy import UNKNOWN

COLUMNS = ("file", "start_s", "end_s", "label")


@dataclass(frozen=True)
class RecordedVideo:
    """A video file, and what lay there when."""

    path: Path
    visits: tuple[Visit, ...]
    clock: Clock

    @property
    def title(self) -> str:
        return self.path.name

    def frames(self) -> Iterator[Frame]:
        """See `Video.frames`.

        Raises:
            CameraError: the file is no video that can be read.
        """
        with closing(VideoFile(self.path, self.clock)) as video:
            first_ns: int | None = None
            while (raw := video.read()) is not None:
                frame = frame_of(raw, share=True)
                first_ns = frame.captured_ns if first_ns is None else first_ns
                yield Frame(frame.pixels, frame.captured_ns - first_ns)


def read_videos(path: Path, labels: Sequence[str], clock: Clock) -> list[RecordedVideo]:
    """The films of a CSV file (UTF-8) with the columns file, start_s, end_s, label, and perhaps group.

    `file` is relative to the CSV file's folder. The item is in view from `start_s` to `end_s`, seconds from the film's
    start. `label` is one of the model's, or "unknown". Rows of one `group` show the same object.

    Args:
        labels: of the model.
        clock: of the films; its `sleep` decides how fast they play.

    Raises:
        DataError: it cannot be read, a column is missing, a cell cannot be used, or two items are in view at once.
    """
    rows: dict[str, list[Visit]] = {}
    for where, row in _rows(path):
        visit = _visit(where, row, labels)
        rows.setdefault(row["file"], []).append(visit)
    if not rows:
        raise DataError(f"{path}: no rows; expected one an item: {','.join(COLUMNS)}")
    return [RecordedVideo(_video(path, name), _in_order(path, name, visits), clock) for name, visits in rows.items()]


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        reader = csv.DictReader(open_table(path), strict=True)
        columns = [name.strip() for name in reader.fieldnames or ()]
        if missing := [name for name in COLUMNS if name not in columns]:
            raise DataError(f"{path}: column {', '.join(missing)} is missing; expected {','.join(COLUMNS)}")
        if strange := [name for name in columns if name not in (*COLUMNS, "group")]:
            raise DataError(
                f"{path}: unknown column {', '.join(map(repr, strange))}; expected {','.join(COLUMNS)} "
                "and perhaps group"
            )
        reader.fieldnames = columns
        for row in reader:
            where = f"{path}: line {reader.line_num}"
            if None in row or None in row.values():
                raise DataError(f"{where}: expected {len(columns)} cells as in the first line")
            yield where, {name: cell.strip() for name, cell in row.items()}
    except csv.Error as error:
        raise DataError(f"{path}: not a readable CSV file ({error}); save it as UTF-8 with commas") from error


def _visit(where: str, row: dict[str, str], labels: Sequence[str]) -> Visit:
    start_s, end_s = _seconds(where, "start_s", row), _seconds(where, "end_s", row)
    if not start_s < end_s:
        raise DataError(f"{where}: start_s {start_s:g} must be before end_s {end_s:g}")
    if row["label"] not in (*labels, UNKNOWN):
        raise DataError(f"{where}: label {row['label']!r}: expected one of {', '.join(labels)}, or {UNKNOWN}")
    name = f"{row['file']} {start_s:g} s"
    return Visit(row["label"], row.get("group") or name, name, start_s, end_s)


def _seconds(where: str, column: str, row: dict[str, str]) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e6:
        raise DataError(f"{where}: {column} {row[column]!r}: expected seconds from the film's start, e.g. 12.5")
    return value


def _video(table: Path, name: str) -> Path:
    video = table.parent / name
    if not name or not video.is_file():
        raise DataError(f"{table}: file {name!r}: there is no such film beside the table")
    return video


def _in_order(path: Path, name: str, visits: list[Visit]) -> tuple[Visit, ...]:
    ordered = sorted(visits, key=lambda visit: visit.arrives_s)
    for before, after in itertools.pairwise(ordered):
        if after.arrives_s < before.gone_s:
            raise DataError(
                f"{path}: {name}: two items are in view at {after.arrives_s:g} s; expected one at a time: "
                "end the one before the next starts"
            )
    return tuple(ordered)
