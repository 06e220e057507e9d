"""Index of the collected crops, in SQLite: what each shows, why it was kept, and what a person said of it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from waste_edge.errors import ConfigError

SCHEMA = 1
RECOVERED = "recovered"  # reason of a crop whose row was lost
_BUSY_S = 5.0  # a verb beside the station may be purging

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE crops (
    id TEXT PRIMARY KEY, file TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, reasons TEXT NOT NULL,
    label TEXT NOT NULL, stream TEXT NOT NULL, confidence REAL NOT NULL, answer_label TEXT, answer_stream TEXT,
    time_s REAL NOT NULL, in_step INTEGER NOT NULL, boot_id TEXT NOT NULL, kept_ns INTEGER NOT NULL,
    lived_s REAL NOT NULL
);
CREATE INDEX by_age ON crops (lived_s, time_s);
"""


@dataclass(frozen=True)
class Crop:
    """A collected crop.

    Attributes:
        id: of the item.
        file: its name.
        bytes: its size.
        reasons: for which it was kept, separated by commas.
        label, stream, confidence: as the station decided.
        answer_label, answer_stream: as a person said; None if nobody did, or only the stream.
        time_s: wall clock when it was kept, in seconds since 1970.
        in_step: that clock was kept in step, or has been put right since.
        boot_id, kept_ns: the monotonic time of the same moment, in ns, and its boot.
        lived_s: run time of the station at that moment, over all boots.
    """

    id: str
    file: str
    bytes: int
    reasons: str
    label: str
    stream: str
    confidence: float
    answer_label: str | None
    answer_stream: str | None
    time_s: float
    in_step: bool
    boot_id: str
    kept_ns: int
    lived_s: float


_COLUMNS = ", ".join(field.name for field in fields(Crop))
_MARKS = ", ".join("?" * len(fields(Crop)))


class CropIndex:
    """An open index; each change is on the disk when its call returns.

    Args:
        path: the database; made if it is missing.

    Raises:
        ConfigError: another version of the program made it.
        sqlite3.Error: it cannot be opened, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        # A rollback journal, not a log: whoever reads or purges beside the station leaves no file of his own behind.
        self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA secure_delete = ON")
            schema = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
            if schema not in (0, SCHEMA):
                raise ConfigError(
                    f"{path}: schema {schema}, this program reads schema {SCHEMA}: another version of waste-edge made "
                    "it; install that version, or move the folder away"
                )
            if schema == 0:
                with self._transaction():
                    for statement in _TABLES.split(";"):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {SCHEMA}")
            elif (problem := self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(str(problem))
        except BaseException:
            self._connection.close()
            raise

    def crops(self) -> list[Crop]:
        """Every crop, oldest first."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM crops ORDER BY lived_s, time_s, id").fetchall()
        return [_crop(row) for row in rows]

    def oldest(self) -> Crop | None:
        """The crop that was kept first; None if there is none."""
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM crops ORDER BY lived_s, time_s, id LIMIT 1").fetchone()
        return None if row is None else _crop(row)

    def expired(self, lived_s: float, now_s: float | None, max_s: float) -> list[Crop]:
        """Crops that are older than `max_s`, by run time or, where both clocks were in step, by the wall clock."""
        query = f"SELECT {_COLUMNS} FROM crops WHERE lived_s < ? OR (in_step AND time_s < ?)"
        wall_s = float("-inf") if now_s is None else now_s - max_s
        return [_crop(row) for row in self._connection.execute(query, (lived_s - max_s, wall_s)).fetchall()]

    def total(self) -> tuple[int, int]:
        """Count the crops and their bytes."""
        count, size = self._connection.execute("SELECT COUNT(*), coalesce(SUM(bytes), 0) FROM crops").fetchone()
        return int(count), int(size)

    def add(self, crop: Crop) -> None:
        """Add a crop; one of the same item is left as it is."""
        values = tuple(getattr(crop, field.name) for field in fields(Crop))
        with self._transaction():
            self._connection.execute(f"INSERT OR IGNORE INTO crops VALUES ({_MARKS})", values)
            self._keep_lived(crop.lived_s)

    def answer(self, item_id: str, label: str | None, stream: str, reason: str = "") -> bool:
        """Note what a person said of an item, and a further reason to keep it; False if it has no crop here."""
        row = self._connection.execute("SELECT reasons FROM crops WHERE id = ?", (item_id,)).fetchone()
        if row is None:
            return False
        reasons = [*row[0].split(","), *([reason] if reason and reason not in row[0].split(",") else [])]
        self._connection.execute(
            "UPDATE crops SET answer_label = ?, answer_stream = ?, reasons = ? WHERE id = ?",
            (label, stream, ",".join(reasons), item_id),
        )
        return True

    def put_right(self, boot_id: str, now_s: float, now_ns: int) -> None:
        """Correct the times of this boot's crops by a wall clock that is in step now."""
        self._connection.execute(
            "UPDATE crops SET in_step = 1, time_s = ? - (? - kept_ns) / 1e9 WHERE boot_id = ? AND NOT in_step",
            (now_s, now_ns, boot_id),
        )

    def remove(self, item_id: str) -> None:
        """Remove a row."""
        self._connection.execute("DELETE FROM crops WHERE id = ?", (item_id,))

    def lived_s(self) -> float:
        """Run time of all stations on this index, as it was kept last."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'lived_s'").fetchone()
        return float(row[0]) if row else 0.0

    def keep_lived(self, lived_s: float) -> None:
        """Keep the run time."""
        self._keep_lived(lived_s)

    def _keep_lived(self, lived_s: float) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('lived_s', ?)", (lived_s,))

    def close(self) -> None:
        """Close."""
        self._connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise


def _crop(row: tuple[object, ...]) -> Crop:
    values = dict(zip((field.name for field in fields(Crop)), row, strict=True))
    return Crop(**values | {"in_step": bool(values["in_step"])})  # type: ignore[arg-type]
