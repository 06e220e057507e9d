"""Facts of picture files, remembered on the disk, so that a look at many that was stopped goes on where it was.

One SQLite file for each folder of data, in `$XDG_CACHE_HOME/waste-edge/pictures`. A file counts as unchanged if its
size, its times of writing and of change, and its inode are the same, as git takes it. Nothing is believed that does
not carry its own checksum. Where it cannot be written, every picture is looked at again, and nothing else is lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import struct
import time
import zlib
from pathlib import Path
from typing import NamedTuple

import cv2
import msgspec
import numpy as np
import PIL

from waste_edge.files.atomic import sha256_of

_FORMAT = 1  # raise it when other things are measured, or in another way
_TABLE = "pictures (name BLOB PRIMARY KEY, facts BLOB NOT NULL)"
_STAMP = struct.Struct("<QqqQ")
_SETTLED_NS = 2_000_000_000  # times on some file systems are no finer: a younger file may be written again unseen
_AT_ONCE = 512  # facts that are written in one go
_MOST_BYTES = 4 << 30  # of all files; the least recently used go


class Facts(NamedTuple):
    """Facts of a file: its stamp, SHA-256, packed hash (empty: plain), and what a measure gave.

    `measure` is the measure's name, empty if none was asked for.
    """

    stamp: bytes
    sha256: bytes
    hash: bytes
    measures: bytes
    measure: str


def pictures_folder() -> Path:
    """`$XDG_CACHE_HOME/waste-edge/pictures`, by default below `~/.cache`."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path("~/.cache").expanduser()  # as its specification wants it
    return base / "waste-edge" / "pictures"


def stamp_of(path: Path) -> bytes:
    """Tell this state of a file from any other; empty if it is not there or was written to just now."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return b""
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _SETTLED_NS:
        return b""
    return _STAMP.pack(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


_sums: dict[str, tuple[bytes, bytes]] = {}  # path: stamp and SHA-256, while this process lives
_MOST_SUMS = 1_000_000  # 200 MB


def sum_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, which are read once as long as the file does not change."""
    stamp = stamp_of(path)
    known, found = _sums.get(str(path), (b"", b""))
    if stamp and known == stamp:
        return found.hex()
    total = sha256_of(path)
    if stamp_of(path) == stamp:
        note_sum(path, stamp, bytes.fromhex(total))
    return total


def note_sum(path: Path, stamp: bytes, sha256: bytes) -> None:
    """Keep the sum of a file that has just been read."""
    if stamp:
        if len(_sums) >= _MOST_SUMS:
            _sums.clear()
        _sums[str(path)] = (stamp, sha256)


class Remembered:
    """Facts of the files below one folder."""

    def __init__(self, root: Path) -> None:
        self._kept: list[tuple[bytes, bytes]] = []
        self._connection: sqlite3.Connection | None = None
        self._prefix = f"{root}{os.sep}"
        # Decoders differ by a level from one version to the next.
        libraries = f"\0{np.__version__}\0{cv2.__version__}\0{PIL.__version__}"
        name = hashlib.sha256(os.fsencode(root.resolve()) + f"\0{_FORMAT}{libraries}".encode()).hexdigest()
        try:
            path = pictures_folder() / f"{name[:32]}.sqlite"
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_room(path)
            self._connection = open_store(path, _TABLE)
            os.utime(path)
        except (OSError, RuntimeError, sqlite3.Error):  # RuntimeError: this user has no home
            self._connection = None

    def recall(self, path: Path, measure: str) -> tuple[bytes, Facts | None]:
        """Get a file's stamp, and what is remembered of it as it is now.

        Args:
            path: the file.
            measure: only facts with this measure will do; empty: any will.
        """
        stamp = stamp_of(path)
        if self._connection is None or not stamp:
            return stamp, None
        try:
            row = self._connection.execute("SELECT facts FROM pictures WHERE name = ?", (self._name(path),)).fetchone()
        except sqlite3.Error:
            self._give_up()
            return stamp, None
        facts = _unpacked(row[0]) if row else None
        if facts is None or facts.stamp != stamp or (measure and facts.measure != measure):
            return stamp, None
        return stamp, facts

    def keep(self, path: Path, facts: Facts) -> None:
        """Remember a file; `flush` writes it, sooner or later."""
        if facts.stamp and self._connection is not None:
            self._kept.append((self._name(path), _packed(facts)))

    def flush(self, at_once: bool = False) -> None:
        """Write what is to be remembered, if it has become much or is to be written at once."""
        if self._connection is None or len(self._kept) < (1 if at_once else _AT_ONCE):
            return
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?)", self._kept)
        except sqlite3.Error:  # a full disk, say
            self._give_up()
        self._kept.clear()

    def close(self) -> None:
        """Write the rest, and close the file."""
        self.flush(at_once=True)
        self._give_up()

    def _name(self, path: Path) -> bytes:
        text = str(path)
        below = text.startswith(self._prefix)
        return os.fsencode(text[len(self._prefix) :] if below else path.absolute())

    def _give_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def open_store(path: Path, table: str) -> sqlite3.Connection:
    """Open a SQLite file of what can be computed again, with one table; a damaged file is begun anew.

    Args:
        path: the file; its folder must be there.
        table: its name and columns, as CREATE TABLE takes them.

    Raises:
        sqlite3.Error: it cannot be opened or written.
    """
    for last in (False, True):
        connection = sqlite3.connect(path, timeout=5.0)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")  # a power cut loses the newest, and spoils nothing
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            connection.commit()
        except sqlite3.DatabaseError as error:
            connection.close()
            if last or isinstance(error, sqlite3.OperationalError):  # busy, or not writable: not damaged
                raise
            _remove(path)
            continue
        return connection
    raise sqlite3.DatabaseError(path)


def _make_room(path: Path) -> None:
    """Remove the files of other folders that have not been used for longest, while all together are too many bytes."""
    found = sorted(path.parent.glob("*.sqlite"), key=lambda one: one.stat().st_mtime)
    total = sum(one.stat().st_size for one in found)
    for one in found:
        if total <= _MOST_BYTES:
            return
        if one != path:
            total -= one.stat().st_size
            _remove(one)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _packed(facts: Facts) -> bytes:
    content = msgspec.msgpack.encode(facts)
    return zlib.crc32(content).to_bytes(4, "little") + content


def _unpacked(content: bytes) -> Facts | None:
    if zlib.crc32(content[4:]).to_bytes(4, "little") != content[:4]:
        return None
    try:
        return msgspec.msgpack.decode(content[4:], type=Facts)
    except msgspec.MsgspecError:
        return None
