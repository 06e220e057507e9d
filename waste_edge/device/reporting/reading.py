"""Reading of a station's outbox and JSON lines, beside a station that may be running: nothing is written or locked.

The same item may lie in the outbox and in several files: each id counts once, each answer by its number.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from waste_edge.device.outbox.read_only import REMEDY, stored_records
from waste_edge.device.reporting.records import HealthLine, Told, decode_line, decode_stored
from waste_edge.errors import DataError
from waste_edge.files.bounded import open_file
from waste_edge.files.limits import MAX_EVENT_LINE_BYTES, MAX_REPORT_FILE_BYTES, MAX_REPORT_RECORDS

_OLDER = re.compile(r"\.(\d{1,6})")


@dataclass
class Ledger:
    """Records that were read, each once.

    Attributes:
        records: items and answers, by key.
        health: lines of health, in the order of the files.
        sources: what was read, in words.
        damaged: lines and records that cannot be read.
    """

    records: dict[tuple[str, int], Told] = field(default_factory=dict)
    health: list[HealthLine] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    damaged: int = 0
    _told_health: set[tuple[str, int, float]] = field(default_factory=set)

    def add(self, found: Told | HealthLine | str | None) -> None:
        """Take up what a line or a row says, unless it is known."""
        if found is None:
            self.damaged += 1
        elif isinstance(found, HealthLine):
            key = (found.outbox_id, found.sequence, found.told_s)
            if key not in self._told_health:
                self._told_health.add(key)
                self.health.append(found)
        elif isinstance(found, Told):
            self.records.setdefault(found.key, found)
            if len(self.records) + len(self.health) > MAX_REPORT_RECORDS:
                raise DataError(
                    f"more than {MAX_REPORT_RECORDS:,} items, answers and lines of health: too many for one report; "
                    "give fewer files"
                )


def read_outbox(path: Path, ledger: Ledger) -> None:
    """Read what an outbox still keeps.

    Raises:
        ConfigError: another version of the program made it.
        DataError: it is no outbox, damaged, or may not be read.
    """
    for sequence, stored in stored_records(path, MAX_REPORT_RECORDS + 1, f"{REMEDY}, or files of its JSON lines"):
        ledger.add(decode_stored(sequence, stored) if isinstance(stored, bytes) else None)
    ledger.sources.append(str(path))


def read_json_lines(path: Path, ledger: Ledger) -> None:
    """Read a file of events and the older ones beside it, `path.1` and so on.

    The newest is opened first: if the file is rotated meanwhile, lines come twice and none is missed.

    Raises:
        DataError: none of them is there, or one cannot be read or holds something else.
    """
    files = [*([path] if path.exists() else []), *older_files(path)]
    if not files:
        raise DataError(f"{path}: no such file; give a file of the JSON lines sink, or --state DIR")
    with contextlib.ExitStack() as stack:
        try:
            opened = [stack.enter_context(open_file(one, MAX_REPORT_FILE_BYTES)) for one in files]
        except OSError as error:
            raise DataError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
        for one, stream in zip(reversed(files), reversed(opened), strict=True):
            _read_lines(one, stream, ledger)
    ledger.sources += [str(one) for one in files]


def older_files(path: Path) -> list[Path]:
    """The rotated files beside a file of JSON lines, newest first."""
    found = {
        int(match[1]): one
        for one in path.parent.glob("*")
        if one.name.startswith(path.name) and (match := _OLDER.fullmatch(one.name[len(path.name) :]))
    }
    return [found[number] for number in sorted(found)]


def _read_lines(path: Path, stream: BinaryIO, ledger: Ledger) -> None:
    told = strange = 0
    while line := stream.readline(MAX_EVENT_LINE_BYTES):
        if not line.strip(b" \t\r\n\0"):
            continue
        found = decode_line(line)
        told += isinstance(found, Told | HealthLine)
        strange += not isinstance(found, Told | HealthLine)
        if not isinstance(found, str):
            ledger.add(found)
    if strange and not told:
        raise DataError(f"{path}: holds no events; expected a file of the JSON lines sink (docs/events.md)")
