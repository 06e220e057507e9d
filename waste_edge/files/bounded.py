"""Opening a file that somebody else made: only a real file, without waiting, and no more of it than is allowed."""

from __future__ import annotations

import os
import select
import stat
import time
from pathlib import Path
from typing import BinaryIO

from waste_edge.files.limits import MAX_WAIT_FOR_TEXT_S

_CHUNK_BYTES = 1 << 16
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotAFileError(OSError):
    """Path that leads to no plain file; `strerror` says what it is instead."""


class TooLargeError(OSError):
    """File that is larger than what is read of it; `strerror` says how much is."""


def open_file(path: Path, limit_bytes: int) -> BinaryIO:
    """A plain file, opened for reading; a pipe or a device is never waited for.

    Raises:
        NotAFileError: it is a pipe, a socket or a device.
        TooLargeError: it is larger than `limit_bytes`.
        IsADirectoryError, FileNotFoundError, PermissionError, OSError: see `open`.
        ValueError: the path holds a NUL.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(handle)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            raise IsADirectoryError(21, "Is a directory", str(path))
        if kind != stat.S_IFREG:
            raise NotAFileError(22, f"is {_KINDS.get(kind, 'no plain file')}", str(path))
        if status.st_size > limit_bytes:
            raise _too_large(path, limit_bytes)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bounded(path: Path, limit_bytes: int) -> bytes:
    """All of a file, or of a pipe such as a shell's `<(…)`, whose other end may take ten seconds.

    Raises:
        NotAFileError: it is a socket or a device, or a pipe that gives nothing.
        TooLargeError, OSError, ValueError: see `open_file`.
    """
    try:
        with open_file(path, limit_bytes) as stream:
            content = stream.read(limit_bytes + 1)
    except NotAFileError:
        if not path.is_fifo():
            raise
        content = _read_pipe(path, limit_bytes)
    if len(content) > limit_bytes:
        raise _too_large(path, limit_bytes)
    return content


def _read_pipe(path: Path, limit_bytes: int) -> bytes:
    until = time.monotonic() + MAX_WAIT_FOR_TEXT_S
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    content = b""
    try:
        while len(content) <= limit_bytes:
            ready, _, _ = select.select([handle], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(handle, _CHUNK_BYTES) if ready else b""
            if not chunk:
                if not ready or not content:
                    raise NotAFileError(22, "is a pipe that gives nothing", str(path))
                break
            content += chunk
    finally:
        os.close(handle)
    return content


def _too_large(path: Path, limit_bytes: int) -> TooLargeError:
    words = f"{limit_bytes >> 20} MiB" if limit_bytes >= 1 << 20 else f"{limit_bytes >> 10} KiB"
    return TooLargeError(27, f"larger than {words}, the most that is read", str(path))
