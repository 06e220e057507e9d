"""Behaviour towards shells, pipes, terminals and `ps` that all commands share."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

from waste_edge.files.text import visible

STAT = Path("/proc/self/stat")
_ARG_START, _ARG_END = 47, 48  # proc_pid_stat(5), counted from 0
_MOST_BYTES = 1 << 20


class ReaderGoneError(Exception):
    """Closed stdout: the reader, such as `head`, has ended."""


class Verbs(TyperGroup):
    """All verbs; what Typer itself would make of a closed pipe, or print of a word with escapes in it, is mended."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """See Click; `--help` prints here."""
        with _mended():
            return super().make_context(*arguments, **options)

    def invoke(self, *arguments: Any, **options: Any) -> Any:
        """See Click."""
        with _mended():
            return super().invoke(*arguments, **options)


@contextlib.contextmanager
def _mended() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE and reader_has_gone():
            raise ReaderGoneError from error  # Typer ends with 1 of an OSError
        raise
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # Rich ends with 1 of it
            raise ReaderGoneError from error
        raise
    except Exception as error:
        # By its face: this is Click's own usage error, or that of the copy that Typer brings.
        if hasattr(error, "format_message") and isinstance(getattr(error, "message", None), str):
            error.message = visible(error.message, lines=True)  # type: ignore[attr-defined]
        raise


def reader_has_gone() -> bool:
    """Return whether stdout is a pipe that nobody reads any more."""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), select.POLLOUT)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in watched.poll(0))
    except (OSError, ValueError):
        return True  # closed, or no real file


def occupy_standard_streams() -> None:
    """Give /dev/null to each of stdin, stdout and stderr that is closed.

    Else the next file that is opened gets its number, and what a library prints is written into a database.
    """
    while True:
        handle = os.open(os.devnull, os.O_RDWR)
        if handle > 2:
            os.close(handle)
            break
        os.set_inheritable(handle, True)
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115  # for good


def hide_passwords(words: Sequence[str]) -> None:
    """Overwrite the passwords in this process's own command line, in place; what cannot be is left as it is.

    They were to be seen from the process's start until now, some tenths of a second: a station.toml has no such gap.

    Args:
        words: the command line's words.
    """
    from waste_edge.device.cameras.address import without_password

    shown = {word: without_password(word) for word in words if "://" in word}
    secret = {_bytes(word): _bytes(short) for word, short in shown.items() if short != word}
    if not secret:
        return
    try:
        # The second field is the program's name, in brackets, and may hold anything.
        fields = STAT.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[_ARG_START - 2]), int(fields[_ARG_END - 2])
    except (OSError, ValueError, IndexError):
        return
    if not 0 < end - start <= _MOST_BYTES:
        return
    import ctypes

    given = ctypes.string_at(start, end - start).split(b"\0")
    kept = b"\0".join(secret[word].ljust(len(word))[: len(word)] if word in secret else word for word in given)
    ctypes.memmove(start, kept, end - start)


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")
