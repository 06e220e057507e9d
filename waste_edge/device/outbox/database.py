"""The outbox's database file: its tables, its one kind of transaction, and what its errors mean.

Written by one thread through `Database`, read by each sink's thread through a `Reader` with a connection of its own.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from waste_edge.device.outbox.record import Record, decode_record, encode_record
from waste_edge.device.outbox.values import check_values, corrupt, last_sequence, stream_counts
from waste_edge.errors import ConfigError

SCHEMA = 1
KEPT_ASIDE = 3  # how many corrupt databases are kept for whoever wants to look
WAL_BYTES = 4 << 20  # beyond this the log is written back into the database
BUSY_S = 2.0  # how long to wait for another thread's transaction, at most
_PAGE_BYTES = 4096
_SCHEMAS = 1000  # no version of this program will have so many
_PRUNED_AT_ONCE = 100  # events; keeps a transaction short

# The one row of `scene` is written anew with every event, so what changes with every event lives there.
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, lived_ns INTEGER NOT NULL, record BLOB NOT NULL
);
CREATE TABLE scene (
    one INTEGER PRIMARY KEY CHECK (one = 1), scene BLOB, boot_id TEXT NOT NULL, monotonic_ns INTEGER NOT NULL,
    lived_ns INTEGER NOT NULL, stream_items TEXT NOT NULL
);
CREATE TABLE cursors (sink TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
"""

# When the counters began at 0, as this board's clock had it.
_BEGUN = "INSERT OR {otherwise} INTO meta VALUES ('begun_utc', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))"


def is_corrupt(error: sqlite3.Error) -> bool:
    """Return whether the file is damaged, or none of SQLite's."""
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def in_words(error: Exception, path: Path) -> str:
    """Explain a disk's error to people, with the remedy."""
    code = _code(error) if isinstance(error, sqlite3.Error) else None
    if code == sqlite3.SQLITE_FULL:
        return f"the disk of {path} is full; free some space"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"{path} cannot be written; check the folder's owner, and whether the disk has become read-only"
    if code == sqlite3.SQLITE_IOERR:
        return f"the disk of {path} fails ({error}); check the card and its file system"
    return f"{path}: {error}"


def _code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF  # the low byte is the family


def set_aside(path: Path, why: str = "corrupt") -> Path:
    """Move a database, with its log, out of the way; the oldest of those kept before may go.

    Args:
        path: the database.
        why: one word, for its new name.

    Returns:
        Where it lies now.

    Raises:
        OSError: it cannot be moved.
    """
    before = sorted(path.parent.glob(f"{path.stem}.{why}-*[0-9]"), key=lambda old: _number(old))
    before = [old for old in before if _number(old)]
    number = _number(before[-1]) + 1 if before else 1
    target = path.with_name(f"{path.stem}.{why}-{number}")
    os.replace(path, target)
    with contextlib.suppress(FileNotFoundError):
        os.replace(f"{path}-wal", f"{target}-wal")
    Path(f"{path}-shm").unlink(missing_ok=True)  # an index of the log; SQLite makes it again
    for old in before[: len(before) + 1 - KEPT_ASIDE]:
        with contextlib.suppress(OSError):  # a folder of that name: none of ours
            old.unlink(missing_ok=True)
            Path(f"{old}-wal").unlink(missing_ok=True)
    return target


def _number(aside: Path) -> int:
    digits = aside.name.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0


def schema_problem(path: Path) -> str:
    """Explain why a database cannot be used; empty if it can be, or will be set aside as damaged."""
    if not path.exists():
        return ""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as connection:
        schema = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if schema not in (0, SCHEMA) and 0 <= schema < _SCHEMAS:
            return _other_schema(path, schema)
    return ""


def _other_schema(path: Path, schema: int) -> str:
    return (
        f"{path}: schema {schema}, this program reads schema {SCHEMA}: another version of waste-edge made it; "
        "install that version, or move the file away to start a new outbox"
    )


class Database:
    """An open outbox database; made if there is none.

    Attributes:
        outbox_id: which outbox counts.
        scene: the newest scene; None if there is none.
        lost_its_log: it was in use when the power went, and its log, with the newest events, is not there.

    Raises:
        ConfigError: it was made by another version of the program.
        sqlite3.Error: it cannot be opened, or is corrupt.
    """

    def __init__(self, path: Path, now_ns: int, boot_id: str) -> None:
        self._path = path
        log = Path(f"{path}-wal")
        log_is_empty = not log.exists() or log.stat().st_size == 0
        self._connection = connect(path)
        try:
            self._prepare(path)
            self._connection.execute(_BEGUN.format(otherwise="IGNORE"))
            self._read_state(now_ns, boot_id)
            in_use = self._connection.execute("SELECT value FROM meta WHERE key = 'in_use'").fetchone()
            self.lost_its_log = log_is_empty and in_use == ("1",)
            self._mark(in_use=True)
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # the mark must outlive the log
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: Path) -> None:
        execute = self._connection.execute
        execute("PRAGMA auto_vacuum = INCREMENTAL")  # without effect on a database that exists
        execute("PRAGMA journal_mode = WAL")
        # Debian's SQLite would write zeros over the pages of each scene that is replaced: as much again as the scene.
        # What was replaced stays in free pages until they are used again (docs/privacy.md).
        execute("PRAGMA secure_delete = FAST")
        execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // _PAGE_BYTES}")
        execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        schema = self._integer("PRAGMA user_version")
        if not 0 <= schema < _SCHEMAS:
            raise corrupt(f"{path}: schema {schema}, which no version of this program writes")
        if schema not in (0, SCHEMA):
            raise ConfigError(_other_schema(path, schema))
        if schema == SCHEMA:
            problem = execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise corrupt(f"{path}: {problem}")
            check_values(self._connection, path)
            return
        if execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None:
            raise corrupt(f"{path}: holds tables, and no schema's number")
        with self._transaction():
            for statement in _TABLES.split(";"):
                execute(statement)
            execute("INSERT INTO meta VALUES ('outbox_id', ?)", (uuid.uuid4().hex,))
            execute(f"PRAGMA user_version = {SCHEMA}")

    def _read_state(self, now_ns: int, boot_id: str) -> None:
        execute = self._connection.execute
        self.outbox_id: str = execute("SELECT value FROM meta WHERE key = 'outbox_id'").fetchone()[0]
        self._last, self._events = self.last_sequence(), self.events()
        self._cursors: dict[str, int] = dict(execute("SELECT sink, sequence FROM cursors").fetchall())
        self._boot_id = boot_id
        self._born_ns, self.scene, self._stream_items = now_ns, None, dict[str, int]()
        state = execute("SELECT scene, boot_id, monotonic_ns, lived_ns, stream_items FROM scene").fetchone()
        if state is None:
            return
        self.scene, kept_boot_id, monotonic_ns, lived_ns, stream_items = state
        same_boot = kept_boot_id == boot_id and monotonic_ns <= now_ns
        self._born_ns = (monotonic_ns if same_boot else now_ns) - lived_ns
        self._stream_items = stream_counts(stream_items, self._path)

    def lived_ns(self, now_ns: int) -> int:
        """Compute the run time of all stations on this outbox, by which events age, in nanoseconds.

        The sum of monotonic time over all boots, so that no jump of the wall clock makes an event old. From the last
        write of one boot to the first of the next it stands still.
        """
        return now_ns - self._born_ns

    def write(self, drafts: Sequence[Record], scene: bytes | None, now_ns: int) -> list[Record]:
        """Commit events and the scene in one transaction; on return it is on the disk.

        Args:
            drafts: in order; one whose id is there already is left as it is.
            scene: the scene after the last of them.
            now_ns: monotonic clock.

        Returns:
            The records as they are kept.
        """
        stream_items = dict(self._stream_items)
        lived_ns = self.lived_ns(now_ns)
        with self._transaction():
            records = [self._insert(draft, lived_ns, stream_items) for draft in drafts]
            self._connection.execute(
                "INSERT OR REPLACE INTO scene VALUES (1, ?, ?, ?, ?, ?)",
                (scene, self._boot_id, now_ns, lived_ns, msgspec.json.encode(stream_items).decode()),
            )
        self.scene, self._stream_items = scene, stream_items
        self._events += sum(record.sequence > self._last for record in records)
        self._last = max([self._last, *(record.sequence for record in records)])
        return records

    def _insert(self, draft: Record, lived_ns: int, stream_items: dict[str, int]) -> Record:
        execute = self._connection.execute
        row = execute("SELECT sequence, record FROM events WHERE id = ?", (draft.key,)).fetchone()
        if row is not None:
            with contextlib.suppress(msgspec.DecodeError, ValueError):  # damaged there: the draft says the same
                return replace(decode_record(row[1]), sequence=row[0])
            return replace(draft, sequence=row[0])
        record = replace(self._counted(draft, stream_items), outbox_id=self.outbox_id)
        values = (record.key, lived_ns, encode_record(record))
        cursor = execute("INSERT INTO events (id, lived_ns, record) VALUES (?, ?, ?)", values)
        return replace(record, sequence=cursor.lastrowid or 0)

    def _counted(self, draft: Record, stream_items: dict[str, int]) -> Record:
        """Count an item in its stream, or move it to the one that an answer names, and tell the counters."""
        stream, previous = draft.stream, draft.previous_stream
        if not draft.answer:
            stream_items[stream] = stream_items.get(stream, 0) + 1
            return replace(draft, stream_items=stream_items[stream])
        if stream != previous and self._counts_item(draft.id):
            stream_items[previous] = max(0, stream_items.get(previous, 0) - 1)
            stream_items[stream] = stream_items.get(stream, 0) + 1
        told = {**draft.event, "previous_stream_items": stream_items.get(previous, 0)}
        return replace(draft, stream_items=stream_items.get(stream, 0), event=told)

    def _counts_item(self, item_id: str) -> bool:
        """Return whether the counters hold this item: its event is here, and was counted under the present id."""
        row = self._connection.execute("SELECT record FROM events WHERE id = ?", (item_id,)).fetchone()
        with contextlib.suppress(msgspec.DecodeError, ValueError):
            return row is not None and decode_record(row[0]).outbox_id == self.outbox_id
        return False

    def newest(self, items: int, now_ns: int) -> list[tuple[Record, int]]:
        """The newest events, so many at most, and all answers since the first of them: (record, age in ns), in order.

        The age is counted in run time of the station, see `lived_ns`. Damaged records are left out.
        """
        execute, lived_ns = self._connection.execute, self.lived_ns(now_ns)
        oldest = "SELECT sequence FROM events WHERE instr(id, '#') = 0 ORDER BY sequence DESC LIMIT 1 OFFSET ?"
        first = execute(oldest, (items - 1,)).fetchone()
        query = "SELECT sequence, lived_ns, record FROM events WHERE sequence >= ? ORDER BY sequence"
        found = []
        for sequence, born_ns, stored in execute(query, (first[0] if first else 0,)):
            with contextlib.suppress(msgspec.DecodeError, ValueError, TypeError, KeyError):
                record = replace(decode_record(stored), sequence=sequence)
                _ = record.counters
                found.append((record, max(0, lived_ns - born_ns)))
        return found

    def prune(self, sinks: Sequence[str], oldest_ns: int, max_bytes: int) -> int:
        """Delete events older than `oldest_ns` of run time, and the oldest while the file is too large.

        Sinks are told in order, so the oldest events are those that every sink had; then come the others.

        Returns:
            How many events went that some of `sinks` had not had.
        """
        execute, lost = self._connection.execute, 0
        marks = ", ".join("?" * len(sinks))
        while True:
            rows = execute(
                "SELECT sequence, lived_ns FROM events ORDER BY sequence LIMIT ?", (_PRUNED_AT_ONCE,)
            ).fetchall()
            gone = rows if self.used_bytes() > max_bytes else [row for row in rows if row[1] < oldest_ns]
            if not gone:
                return lost
            had = execute(f"SELECT COUNT(*), MIN(sequence) FROM cursors WHERE sink IN ({marks})", sinks).fetchone()
            had_by_all = gone[-1][0] if not sinks else had[1] if had[0] == len(sinks) else 0
            with self._transaction():
                deleted = execute("DELETE FROM events WHERE sequence <= ?", (gone[-1][0],)).rowcount
            self._events -= deleted
            lost += sum(sequence > had_by_all for sequence, _ in gone)
            if self._integer("PRAGMA freelist_count") * 4 > self._integer("PRAGMA page_count"):
                execute("PRAGMA incremental_vacuum").fetchall()

    def used_bytes(self) -> int:
        """Measure the bytes of events, scene and cursors in the file."""
        return (self._integer("PRAGMA page_count") - self._integer("PRAGMA freelist_count")) * _PAGE_BYTES

    def events(self) -> int:
        """Count the kept events."""
        return self._integer("SELECT COUNT(*) FROM events")

    def holds(self, ids: Sequence[str]) -> set[str]:
        """Find those of these items, a hundred or so, whose events are here."""
        marks = ", ".join("?" * len(ids))
        return {row[0] for row in self._connection.execute(f"SELECT id FROM events WHERE id IN ({marks})", ids)}

    def not_had(self, sink: str, cursor: int) -> int:
        """Count the events written here that a sink with this cursor has not had, as far as known.

        It needs no file: the database may be closed, or damaged. A sink that has not read yet has the cursor 0; then
        the one that was kept when the database was opened counts.
        """
        return int(min(self._events, max(0, self._last - max(cursor, self._cursors.get(sink, 0)))))

    def holds_all(self) -> bool:
        """Return whether a fresh look at the files finds them sound, and all that was written to them.

        Raises:
            sqlite3.Error: it cannot be told now.
        """
        try:
            with contextlib.closing(connect(self._path)) as fresh:
                if fresh.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
                    return False
                check_values(fresh, self._path)
                outbox_id = fresh.execute("SELECT value FROM meta WHERE key = 'outbox_id'").fetchone()[0]
                events = fresh.execute("SELECT COUNT(*) FROM events").fetchone()[0]
                return (outbox_id, last_sequence(fresh), events) == (self.outbox_id, self._last, self._events)
        except sqlite3.Error as error:
            if is_corrupt(error):
                return False
            raise

    def last_sequence(self) -> int:
        """The highest sequence that was ever given, 0 before the first."""
        return last_sequence(self._connection)

    def begin_new_id(self) -> None:
        """Count as another outbox from now on: sequences that receivers know already would be given a second time."""
        outbox_id = uuid.uuid4().hex
        with self._transaction():
            self._connection.execute("UPDATE meta SET value = ? WHERE key = 'outbox_id'", (outbox_id,))
            self._connection.execute("UPDATE scene SET stream_items = '{}'")
            self._connection.execute(_BEGUN.format(otherwise="REPLACE"))
        self.outbox_id, self._stream_items = outbox_id, {}

    def copy_to(self, copy: sqlite3.Connection) -> None:
        """Write all of it into an empty database, which counts as closed in good order."""
        self._connection.backup(copy)
        with copy:
            copy.execute("UPDATE meta SET value = '0' WHERE key = 'in_use'")

    def shorten_log(self) -> None:
        """Write the log back into the database and cut it to nothing, unless a reader holds it just now."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._mark(in_use=True)  # a log of no bytes is the mark of one that was lost

    def close(self) -> None:
        """Close; SQLite writes the log back."""
        with contextlib.suppress(sqlite3.Error):
            self._mark(in_use=False)
        self._connection.close()

    def _mark(self, in_use: bool) -> None:
        """Note whether the log belongs to what is in the database."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('in_use', ?)", (str(int(in_use)),))

    def _integer(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            yield
            execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # some failures have rolled back already
                execute("ROLLBACK")
            raise


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return, in autocommit mode."""
    # Each connection is used by one thread at a time; closing it may fall to another.
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection
