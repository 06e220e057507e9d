"""Stations that run on the same board: each knows how many they are, so that together they shed as much as one would.

Every station holds a lock on a file of its own in a folder that all share; how many there are is how many files are
locked. The kernel frees the lock of a station that dies, however it dies, so nobody need be asked or told, and there
is no state to repair. The folder is `RuntimeDirectory=` of the units (`/run/waste-edge`), which only the stations' own
user may write: nobody else can have a board slowed down by pretending to be many.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

RUNTIME_VARIABLE = "RUNTIME_DIRECTORY"  # systemd names the units' folder by it
_ENDING = ".station"
MOST = 64  # files looked at: more stations than any board carries, and a bound on what is in the folder


class Neighbours:
    """The stations of a board, this one among them. Without a folder it is alone.

    Args:
        folder: what all of them share; None or one that cannot be written: nobody is known.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own: tuple[Path, int] | None = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Neighbours:
        """Those that systemd, or whoever started this station, gave one folder ($RUNTIME_DIRECTORY)."""
        given = environment.get(RUNTIME_VARIABLE, "").partition(":")[0]
        return cls(Path(given) if given else None)

    @contextlib.contextmanager
    def joined(self) -> Iterator[Neighbours]:
        """Count among them for as long as the block lasts."""
        self._join()
        try:
            yield self
        finally:
            self._leave()

    def count(self) -> int:
        """Count the stations, at least 1. For one thread; never waits.

        Files that nobody holds, of stations that were killed, are removed on the way.
        """
        others = 0
        for path in self._files():
            if self._own is None or path != self._own[0]:
                others += _is_held(path)
        return 1 + others

    def _join(self) -> None:
        if self._folder is None:
            return
        with contextlib.suppress(OSError):  # a folder that cannot be written costs no station its start
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"{os.getpid()}-{os.urandom(4).hex()}{_ENDING}"
            # Locked before it bears the ending: nobody takes it for one that was left behind.
            begun = path.with_suffix(".new")
            handle = os.open(begun, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                begun.rename(path)
            except OSError:
                os.close(handle)
                raise
            self._own = path, handle

    def _leave(self) -> None:
        if self._own is None:
            return
        path, handle = self._own
        self._own = None
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)

    def _files(self) -> list[Path]:
        if self._folder is None:
            return []
        try:
            with os.scandir(self._folder) as entries:
                found = [Path(entry.path) for entry in entries if entry.name.endswith(_ENDING)]
        except OSError:
            return []
        return found[:MOST]


def _is_held(path: Path) -> bool:
    """Tell if a station holds this file; one that nobody holds is removed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False  # gone meanwhile, or none of ours
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:
        with contextlib.suppress(OSError):
            path.unlink()
        return False
    finally:
        os.close(handle)
