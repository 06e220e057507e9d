"""Features of decided items on the disk, for replay and for a head that is fitted on the device. No picture.

They lie in a file of their own beside the outbox: damage to it costs no event, nothing waits for it to reach the disk,
and a program from before features knows nothing of it. What is kept of one item is in `looks.py`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from waste_edge.device.clock import NS_PER_S, Clock, RetryPolicy
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.outbox.looks import PackedLooks, pack

FEATURES_NAME = "features.sqlite"
FEATURES_SCHEMA = 1
_FILES = ("", "-wal", "-shm", "-journal")
_PAGE_BYTES = 4096
_WAL_PAGES = 256
_BUSY_S = 0.2  # how long the loop waits for whoever reads along
_AT_ONCE = 20  # items that are deleted in one transaction
_RETRY = RetryPolicy(first_s=10.0, longest_s=600.0)

_TABLES = """
CREATE TABLE settings (number INTEGER PRIMARY KEY, setting TEXT NOT NULL UNIQUE);
CREATE TABLE items (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, setting INTEGER NOT NULL, looks INTEGER NOT NULL,
    labels INTEGER NOT NULL, features INTEGER NOT NULL, parts INTEGER NOT NULL, numbers BLOB NOT NULL
);
"""

Holds = Callable[[Sequence[str]], set[str]]  # which of these items the outbox still has events of


class FeatureStore:
    """Keeps the features of decided items, as many of the newest as there is room for.

    No failure of the disk raises: what cannot be kept is left out, `trouble` says why, and it is tried again. All
    methods are for one thread, the loop's.

    Args:
        path: the database; made at the first item.
        clock: times retries.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._failures, self._retry_ns = 0, 0
        self.trouble = ""  # why features are not kept at present, in words
        self.remark = ""  # what happened to the file in this run, in words

    def keep(self, event: Event) -> None:
        """Keep what an item was decided from; what is there already stays."""
        packed = pack(event)
        if packed is not None:
            self._attempt(lambda connection: _insert(connection, event.id, packed))

    def tend(self, holds: Holds, room_bytes: float) -> None:
        """Delete what the outbox has no event of any more, and the oldest beyond the room there is.

        Args:
            holds: of the outbox.
            room_bytes: how large the file may be, without its log.
        """
        if self._connection is None and not self._path.exists():
            return
        if self._connection is not None and not self._path.exists():  # removed under way: what it held is gone
            self.close()
            return
        self._attempt(lambda connection: _prune(connection, holds, room_bytes))

    def close(self) -> None:
        """Close; SQLite writes the log back."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _attempt(self, work: Callable[[sqlite3.Connection], None]) -> None:
        if self.trouble and self._clock.now_ns() < self._retry_ns:
            return
        try:
            try:
                work(self._opened())
            except sqlite3.DatabaseError as error:
                if not _is_unusable(error):
                    raise
                self.close()
                remove_features(self._path)
                self.remark = f"{self._path} could not be read ({error}): a new one was begun; check the card"
                work(self._opened())
        except (sqlite3.Error, OSError) as error:
            self.close()
            self._failures += 1
            self._retry_ns = self._clock.now_ns() + round(_RETRY.after(self._failures) * NS_PER_S)
            self.trouble = f"features of items are not kept, so they cannot be replayed: {self._path}: {error}"
            return
        self.trouble, self._failures = "", 0

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def remove_features(path: Path) -> None:
    """Remove a database of features with its log.

    Raises:
        OSError: it cannot be removed.
    """
    for suffix in _FILES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection) -> None:
    execute = connection.execute
    execute("PRAGMA auto_vacuum = INCREMENTAL")  # without effect on a database that exists
    execute("PRAGMA journal_mode = WAL")
    execute("PRAGMA synchronous = NORMAL")  # a power cut may take the last items' features; it never waits for the card
    execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    execute(f"PRAGMA journal_size_limit = {_WAL_PAGES * _PAGE_BYTES}")
    schema = _integer(connection, "PRAGMA user_version")
    if schema == FEATURES_SCHEMA:
        execute("SELECT id, setting, looks, labels, features, parts, numbers FROM items LIMIT 1").fetchall()
        with _transaction(connection):
            execute("DELETE FROM settings WHERE number NOT IN (SELECT setting FROM items)")
        return
    if schema or execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None:
        raise sqlite3.DatabaseError("file is not a database of features that this version reads")
    with _transaction(connection):
        for statement in _TABLES.split(";"):
            execute(statement)
        execute(f"PRAGMA user_version = {FEATURES_SCHEMA}")


def _insert(connection: sqlite3.Connection, item_id: str, packed: PackedLooks) -> None:
    execute = connection.execute
    with _transaction(connection):
        execute("INSERT OR IGNORE INTO settings (setting) VALUES (?)", (packed.setting,))
        number = execute("SELECT number FROM settings WHERE setting = ?", (packed.setting,)).fetchone()[0]
        execute(
            "INSERT OR IGNORE INTO items (id, setting, looks, labels, features, parts, numbers) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (item_id, number, packed.looks, packed.labels, packed.features, packed.parts, packed.numbers),
        )


def _prune(connection: sqlite3.Connection, holds: Holds, room_bytes: float) -> None:
    execute = connection.execute
    while rows := execute("SELECT number, id FROM items ORDER BY number LIMIT ?", (_AT_ONCE,)).fetchall():
        kept = holds([item_id for _, item_id in rows])
        gone = [number for number, item_id in rows if item_id not in kept]
        if _used_bytes(connection) > room_bytes:
            gone = [number for number, _ in rows]
        if not gone:
            break
        with _transaction(connection):
            execute(f"DELETE FROM items WHERE number IN ({', '.join('?' * len(gone))})", gone)
    if _integer(connection, "PRAGMA freelist_count") * 4 > _integer(connection, "PRAGMA page_count"):
        execute("PRAGMA incremental_vacuum").fetchall()


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages = _integer(connection, "PRAGMA page_count") - _integer(connection, "PRAGMA freelist_count")
    return pages * _PAGE_BYTES


def _is_unusable(error: sqlite3.DatabaseError) -> bool:
    """Return whether the file is damaged or holds other tables: an error of SQL, since our statements are right."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _integer(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
