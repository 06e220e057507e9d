"""The command line as `ps` shows it: an address of a camera may hold a password, and everybody may read it there."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

STAT = Path("/proc/self/stat")
_ARG_START, _ARG_END = 47, 48  # proc_pid_stat(5), counted from 0
_MOST_BYTES = 1 << 20


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
    given = ctypes.string_at(start, end - start).split(b"\0")
    kept = b"\0".join(secret[word].ljust(len(word))[: len(word)] if word in secret else word for word in given)
    ctypes.memmove(start, kept, end - start)


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")
