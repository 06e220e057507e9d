"""Validity of values in the outbox's database: `PRAGMA quick_check` finds damaged pages, not a cursor that is too high.

A value out of range is corruption like any other: it would make events vanish, or end the station at the next start.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import msgspec

from waste_edge.files.limits import MAX_RECORD_BYTES, MAX_SCENE_BYTES

MOST_SEQUENCE = 2**53  # beyond it JSON's readers round, and near SQLite's own bound nothing more could be inserted
MOST_NS = 200 * 366 * 86_400 * 10**9  # 200 years
_MOST_STREAMS = 10_000

_LAST = (
    "max((SELECT coalesce(max(sequence), 0) FROM events), "
    "(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'))"
)
# Each finds a row that must not be there.
_WRONG = {
    "a table, view or trigger": "SELECT 1 FROM sqlite_master WHERE type IN ('view', 'trigger') OR (type = 'table' "
    "AND name NOT IN ('meta', 'events', 'scene', 'cursors') AND name NOT LIKE 'sqlite%')",
    "the counter of sequences": "SELECT 1 FROM sqlite_sequence WHERE name = 'events' AND "
    f"(typeof(seq) != 'integer' OR seq NOT BETWEEN 0 AND {MOST_SEQUENCE})",
    "an event's sequence, id, age or record": "SELECT 1 FROM events WHERE "
    f"sequence NOT BETWEEN 1 AND {MOST_SEQUENCE} OR typeof(id) != 'text' OR length(id) NOT BETWEEN 1 AND 200 "
    f"OR typeof(lived_ns) != 'integer' OR lived_ns NOT BETWEEN 0 AND {MOST_NS} OR typeof(record) != 'blob' "
    f"OR length(record) > {MAX_RECORD_BYTES}",
    "a sink's cursor": "SELECT 1 FROM cursors WHERE "
    f"typeof(sink) != 'text' OR typeof(sequence) != 'integer' OR sequence NOT BETWEEN 0 AND {_LAST}",
    "the scene, or the times beside it": "SELECT 1 FROM scene WHERE "
    f"typeof(scene) NOT IN ('blob', 'null') OR length(scene) > {MAX_SCENE_BYTES} OR typeof(boot_id) != 'text' "
    f"OR typeof(monotonic_ns) != 'integer' OR monotonic_ns NOT BETWEEN 0 AND {MOST_NS} "
    f"OR typeof(lived_ns) != 'integer' OR lived_ns NOT BETWEEN 0 AND {MOST_NS} OR typeof(stream_items) != 'text'",
}


def corrupt(text: str) -> sqlite3.DatabaseError:
    """An error as SQLite raises it for a damaged file."""
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def check_values(connection: sqlite3.Connection, path: Path) -> None:
    """Look at every value once.

    Raises:
        sqlite3.DatabaseError: one is out of range, or a table is missing; the message names it.
    """
    try:
        for what, query in _WRONG.items():
            if connection.execute(f"{query} LIMIT 1").fetchone() is not None:
                raise corrupt(f"{path}: {what} is out of range, or none of ours")
        outbox_id = connection.execute("SELECT value FROM meta WHERE key = 'outbox_id'").fetchone()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_ERROR:
            raise
        raise corrupt(f"{path}: {error}") from error  # our own statements are right, so its tables are not ours
    if outbox_id is None or not re.fullmatch("[0-9a-f]{32}", str(outbox_id[0])):
        raise corrupt(f"{path}: the outbox's own id is missing or damaged")


def last_sequence(connection: sqlite3.Connection) -> int:
    """The highest sequence that was ever given to an event, 0 before the first."""
    return int(connection.execute(f"SELECT {_LAST}").fetchone()[0])


def stream_counts(text: str, path: Path) -> dict[str, int]:
    """Parse the stored item counts by stream; raises sqlite3.DatabaseError if they are damaged."""
    try:
        counts = msgspec.json.decode(text, type=dict[str, int])
    except (msgspec.DecodeError, ValueError) as error:
        raise corrupt(f"{path}: the streams' counters are unreadable") from error
    if len(counts) > _MOST_STREAMS or not all(0 <= count <= MOST_SEQUENCE for count in counts.values()):
        raise corrupt(f"{path}: a stream's counter is out of range")
    return counts
