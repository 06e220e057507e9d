"""Places of a station's records: its folder, its configuration, or files that were copied from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path

from waste_edge.device.reporting.items import Period
from waste_edge.device.reporting.reading import Ledger, older_files, read_json_lines, read_outbox
from waste_edge.device.service.find_state import find_state
from waste_edge.errors import DataError, UserError

OUTBOX_NAME = "outbox.sqlite"  # as device/station.py calls it
LINES_NAME = "events.jsonl"  # the default of [json_lines] path
_SQLITE = b"SQLite format 3\0"


def read_files(paths: Sequence[Path], ledger: Ledger) -> None:
    """Read files of JSON lines with the older ones beside them, copies of an outbox, or a station's folders.

    Raises:
        DataError, ConfigError: see `reading`.
    """
    for path in paths:
        if path.is_dir():
            read_state(path, path / LINES_NAME, ledger)
        elif _is_sqlite(path):
            read_outbox(path, ledger)
        else:
            read_json_lines(path, ledger)


def read_state(state: Path, lines: Path | None, ledger: Ledger) -> None:
    """Read a station's folder: its outbox, and its JSON lines if there are any.

    Args:
        state: the folder.
        lines: the file of the JSON lines; None: none are written.
        ledger: takes all that is found.

    Raises:
        DataError: there is neither, or one cannot be read.
    """
    outbox = state / OUTBOX_NAME
    has_lines = lines is not None and (lines.exists() or bool(older_files(lines)))
    if not outbox.exists() and not has_lines:
        raise DataError(f"{state}: neither {OUTBOX_NAME} nor {LINES_NAME} there; give the --state DIR of a station")
    if outbox.exists():
        read_outbox(outbox, ledger)
    if lines is not None and has_lines:
        read_json_lines(lines, ledger)


def read_station(state: Path | None, config: Path | None, ledger: Ledger) -> None:
    """Read what a station of this machine keeps; see `find_state`.

    Raises:
        ConfigError, DataError, UserError: see `find_state`; or nothing is kept, or it cannot be read.
    """
    folder, station = find_state(state, config)
    if station is None:
        lines: Path | None = folder / LINES_NAME
    else:
        lines = None if station.json_lines is None else folder / station.json_lines.path
    read_state(folder, lines, ledger)


def period_of(day: bool, week: bool, start: str | None, end: str | None, now: datetime) -> Period:
    """The period that was asked for, in local time.

    Args:
        day: today.
        week: the last seven days, today included.
        start, end: dates or moments, ISO 8601; a date as `end` is included.
        now: with a time zone, that of the words.

    Raises:
        UserError: several exclude each other, or a moment cannot be read.
    """
    if day + week + (start is not None or end is not None) > 1:
        raise UserError("give one of --day, --week, and --from with --to")
    if day or week:
        first = now.date() - timedelta(days=6 if week else 0)
        return Period(_midnight(datetime.combine(first, time()), now), _after(now))
    period = Period(
        float("-inf") if start is None else _moment("--from", start, now, last=False),
        float("inf") if end is None else _moment("--to", end, now, last=True),
    )
    if period.start_s >= period.end_s:
        raise UserError(f"--from {start} is not before --to {end}; exchange them")
    return period


def _moment(option: str, given: str, now: datetime, last: bool) -> float:
    try:
        found = datetime.fromisoformat(given.strip())
        if "T" not in given and " " not in given.strip():
            return _midnight(found + timedelta(days=int(last)), now)
        return found.timestamp() if found.tzinfo else _midnight(found, now)
    except (ValueError, OverflowError, OSError) as error:
        raise UserError(
            f"{option} {given!r}: expected a date or a moment, as 2026-03-01 or 2026-03-01T14:00"
        ) from error


def _midnight(local: datetime, now: datetime) -> float:
    """A moment in the zone of `now`, by the rules of that very day where it is the machine's own."""
    if now.tzinfo is not None and now.utcoffset() == now.astimezone().utcoffset():
        return local.astimezone().timestamp()
    return local.replace(tzinfo=now.tzinfo).timestamp()


def _after(now: datetime) -> float:
    return now.timestamp() + 1.0


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False  # its reader says why
