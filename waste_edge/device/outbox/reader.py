"""A sink's view of the outbox: what waits for it, in order, and how far it got."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from waste_edge.device.outbox.database import connect
from waste_edge.device.outbox.record import Record, decode_record
from waste_edge.device.outbox.snapshot import Snapshot
from waste_edge.device.outbox.values import MOST_SEQUENCE, corrupt, stream_counts


class OutboxReader:
    """One sink's cursor over the events, with a connection of its own; used in that sink's thread.

    Args:
        path: the database.
        sink: whose cursor.
        gate: held while a connection is used, so that the outbox can close them all before it moves the file.
        report: is given every error of SQLite.
    """

    def __init__(self, path: Path, sink: str, gate: threading.Lock, report: Callable[[sqlite3.Error], None]) -> None:
        self._path = path
        self._sink = sink
        self._gate = gate
        self._report = report
        self._connection: sqlite3.Connection | None = None
        self._cursor = 0  # where the sink is; the disk may lag behind while it cannot be written
        self._kept_cursor = 0
        self._era = self._read_in = 0  # which database: a cursor in one says nothing in the next
        self.damaged = 0  # records that could not be read

    def pending(self, limit: int) -> list[Record]:
        """The next events that the sink has not had, oldest first, at most `limit`.

        Raises:
            sqlite3.Error: the database cannot be read.
        """
        with self._using() as connection:
            self._read_in = self._era
            while True:
                query = "SELECT sequence, record FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?"
                rows = connection.execute(query, (self._cursor, limit)).fetchall()
                records = [record for record in (self._decoded(*row) for row in rows) if record is not None]
                if records or not rows:
                    return records
                self._cursor = rows[-1][0]  # all of them damaged: go on behind them

    @property
    def cursor(self) -> int:
        """The last event that the sink has had, as far as is known in memory."""
        return self._cursor

    def waiting(self) -> int:
        """Count the events that the sink has not had; raises sqlite3.Error if the database cannot be read."""
        with self._using() as connection:
            query = "SELECT COUNT(*) FROM events WHERE sequence > ?"
            return int(connection.execute(query, (self._cursor,)).fetchone()[0])

    def snapshot(self) -> Snapshot:
        """The outbox as it stands for this sink; raises sqlite3.Error if the database cannot be read."""
        newest = "SELECT sequence, record FROM events WHERE sequence <= ? AND instr(id, '#') = 0 "
        with self._using() as connection:
            meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            counted = connection.execute("SELECT stream_items FROM scene").fetchone()
            last = connection.execute(f"{newest} ORDER BY sequence DESC LIMIT 1", (self._cursor,)).fetchone()
            waiting = connection.execute("SELECT COUNT(*) FROM events WHERE sequence > ?", (self._cursor,)).fetchone()
        return Snapshot(
            outbox_id=str(meta.get("outbox_id", "")),
            begun_utc=str(meta.get("begun_utc", "")),
            stream_items=stream_counts(counted[0], self._path) if counted else {},
            cursor=self._cursor,
            last=self._decoded(*last) if last else None,
            waiting=int(waiting[0]),
        )

    def move(self, sequence: int) -> None:
        """The sink has had all events up to `sequence`, as `pending` gave them last.

        If the disk cannot keep that now, a later move does. If another database was begun since, it means nothing.
        """
        with contextlib.suppress(sqlite3.Error), self._using() as connection:
            if self._read_in == self._era:
                self._cursor = sequence
                self._keep(connection)

    def close(self) -> None:
        """Keep the cursor, if that is still to be done, and close."""
        with self._gate:
            with contextlib.suppress(sqlite3.Error):
                if self._connection is not None and self._kept_cursor != self._cursor:
                    self._keep(self._connection)
            self._drop()

    def forget(self) -> None:
        """Close, and begin at the start of whatever lies at the path next; the caller holds the gate."""
        self._drop()
        self._cursor = self._kept_cursor = 0
        self._era += 1

    def _keep(self, connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (self._sink, self._cursor))
        self._kept_cursor = self._cursor

    def _decoded(self, sequence: int, stored: bytes) -> Record | None:
        try:
            record = replace(decode_record(stored), sequence=sequence)
            _ = record.counters  # every sink asks for them, or for the streams in them
            return record
        except (msgspec.DecodeError, ValueError, TypeError, KeyError):
            self.damaged += 1
            return None

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """The connection, opened if need be; an error closes it, is reported, and goes on up."""
        with self._gate:
            try:
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
            except sqlite3.Error as error:
                self._drop()
                self._report(error)
                raise

    def _open(self) -> sqlite3.Connection:
        if not self._path.exists():  # only the outbox makes a database
            raise sqlite3.OperationalError(f"{self._path}: no such file yet")
        connection = connect(self._path)
        try:
            # A cursor that a power cut undoes only tells an event twice, so it need not wait for the disk; and the
            # log is written back by the outbox's own connection.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            kept = connection.execute("SELECT sequence FROM cursors WHERE sink = ?", (self._sink,)).fetchone()
        except BaseException:
            connection.close()
            raise
        self._kept_cursor = kept[0] if kept else 0
        if not isinstance(self._kept_cursor, int) or not 0 <= self._kept_cursor <= MOST_SEQUENCE:
            connection.close()
            raise corrupt(f"{self._path}: the cursor of {self._sink} is out of range")
        self._cursor = max(self._cursor, self._kept_cursor)
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
