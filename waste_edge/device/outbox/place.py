"""The outbox's files on the disk: are they still those that are open, and how they come back if they are not.

Somebody tidies the folder, or puts an old backup there, while the station runs. What was committed is then in files
without a name, and would be gone at the end; the open connection still sees all of it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from waste_edge.device.outbox.database import Database, set_aside

_FILES = ("", "-wal", "-shm")


class Place:
    """Identity of the files at a database's path when it was opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = {suffix: _identity(Path(f"{path}{suffix}")) for suffix in _FILES}
        self.settle()

    def settle(self) -> None:
        """Accept the file's present content as ours; only one thread of ours writes there."""
        self._written = _stamp(self._path)

    def written_by_others(self) -> bool:
        """Return whether somebody else wrote into the same file since: `cp`, or a backup that is put there in place."""
        stamp = _stamp(self._path)
        return stamp is not None and stamp != self._written

    def still_there(self) -> bool:
        """Return whether the same files lie there now. A disk that does not answer has not lost them."""
        try:
            return all(
                opened is None or opened == _identity(Path(f"{self._path}{suffix}"))
                for suffix, opened in self._opened.items()
            )
        except OSError:
            return True

    def is_another_file(self) -> bool:
        """Return whether a database of somebody else's lies there."""
        found = _identity(self._path)
        return found is not None and found != self._opened[""]


def spare_of(path: Path) -> Path:
    """Name the file in which a copy is made before it replaces the original."""
    return path.with_name(f"{path.stem}.restored")


def put_back(database: Database, place: Place, path: Path) -> Path | None:
    """Put all that an open database holds back to its path, and close it; no other connection may be open.

    Returns:
        Where a file that lay there instead was moved to; None if there was none.

    Raises:
        OSError, sqlite3.Error: it cannot be written; then the database is open as before.
    """
    spare = spare_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(spare)
    try:
        with contextlib.closing(sqlite3.connect(spare)) as copy:
            database.copy_to(copy)
        _flush(spare)
        aside = set_aside(path, "replaced") if place.is_another_file() else None
    except BaseException:
        with contextlib.suppress(OSError):
            _remove(spare)
        raise
    database.close()  # before the copy is there: closing removes the log that lies at this path
    os.replace(spare, path)
    _flush(path.parent)
    return aside


def finish_putting_back(path: Path) -> None:
    """Finish an exchange of files that a power cut interrupted just before its last step."""
    spare = spare_of(path)
    if spare.exists() and not path.exists():
        os.replace(spare, path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _remove(spare: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{spare}{suffix}").unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
