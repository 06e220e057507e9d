"""Writing that never leaves half a file, and checksums.

A board loses power whenever it likes, so every file of ours is written to a temporary name beside its
target, flushed to the disk, and only then renamed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from waste_edge.errors import UserError


def write_atomically(path: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Write `content` (text as UTF-8) so that `path` holds all of it or what it held before.

    Args:
        path: the file.
        content: all of it.
        mode: who may read it, from the first moment on.

    Raises:
        UserError: the folder cannot be made or written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


@contextlib.contextmanager
def folder_in_one_piece(target: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `target` when the block ends well, and vanishes otherwise.

    Raises:
        UserError: `target` exists already and is not an empty folder, or its parent cannot be written.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f"{target}: exists already; choose another --out or remove it first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); choose another place") from error
    try:
        yield temporary
        os.chmod(temporary, 0o755)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_full(error: BaseException) -> bool:
    """Return whether an error says that a disk has no space left, or a user none of his share."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def telling_a_full_disk(remedy: str) -> Iterator[None]:
    """Turn "no space left", whoever of our libraries meets it, into one line that names the file.

    Raises:
        UserError: the disk is full; any other error passes as it is.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        place = error.filename or "a temporary file"
        raise UserError(f"{place}: cannot be written ({error.strerror}); {remedy}") from error


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
