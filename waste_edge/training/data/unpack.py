"""Unpacking somebody else's archive: nothing leaves its folder, nothing but plain files, and not without end.

Files are written one by one by our own code, never by `extractall`, so zip and every kind of tar go through the
same checks on every Python (tarfile's own `data` filter came with 3.11.4 and does not know zip).
"""

from __future__ import annotations

import contextlib
import fnmatch
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from waste_edge.errors import DataError, UserError
from waste_edge.files.atomic import is_full
from waste_edge.files.limits import MAX_ARCHIVE_FILES, MAX_ARCHIVE_NAME_BYTES, MAX_UNPACKED_BYTES
from waste_edge.files.text import first_line

_CHUNK_BYTES = 1 << 20


class BadArchiveError(DataError):
    """Archive that is damaged or hostile: nothing in it is worth keeping."""


@dataclass(frozen=True)
class Limits:
    """Beyond these an archive is taken for a bomb. Pictures hardly shrink, so honest archives stay far below."""

    files: int = MAX_ARCHIVE_FILES
    unpacked_bytes: int = MAX_UNPACKED_BYTES
    ratio: float = 50.0  # unpacked to packed, above the first 100 MB


@dataclass(frozen=True)
class _Entry:
    name: str
    size_bytes: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path,
    folders: Mapping[str, str],
    target: Path,
    progress: Callable[[int], None],
    limits: Limits = Limits(),
) -> int:
    """Write the files below `folders` (see DataCard.folders) into `target`, an existing empty folder.

    Hidden files (.DS_Store and the like) are left out. Every name is checked, wanted or not.

    Args:
        archive: .zip, or .tar with any compression; told by content, not by name.
        folders: folder of the archive -> folder below `target`.
        target: where to write.
        progress: told how many files have been written.
        limits: when to stop.

    Returns:
        How many files were written.

    Raises:
        DataError: not an archive, damaged, unsafe, a bomb, or without one of the wanted folders.
        UserError: there is no room for it.
    """
    sources = {PurePosixPath(source).parts: PurePosixPath(goal) for source, goal in folders.items()}
    missing = set(sources)
    packed = _check_room(archive, target)
    total = written = 0
    with _entries(archive, limits) as entries:
        for count, entry in enumerate(entries, 1):
            parts = _checked_parts(archive, entry.name)
            total += entry.size_bytes
            _check_limits(archive, count, total, packed, limits)
            found = _destination(parts, sources)
            if found is None or any(part.startswith(".") for part in parts):
                continue
            source, goal = found
            missing.discard(source)
            _write(archive, entry, target / goal)
            written += 1
            progress(written)
    if missing:
        lacking = ", ".join("/".join(source) or "." for source in sorted(missing))
        raise DataError(f"{archive}: has no pictures in {lacking}; it is another archive, or its layout has changed")
    return written


def _check_room(archive: Path, target: Path) -> int:
    """The archive's size; the disk must have room for at least that."""
    if not archive.is_file():
        raise DataError(f"{archive}: no such file; check the path")
    packed, free = archive.stat().st_size, shutil.disk_usage(target).free
    if packed > free:
        raise UserError(f"{target}: at least {packed:,} bytes are needed to unpack, {free:,} are free; free some space")
    return packed


@contextlib.contextmanager
def _entries(archive: Path, limits: Limits) -> Iterator[Iterator[_Entry]]:
    """The plain files of an archive; what its reader dislikes becomes one line."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                yield _zip_entries(archive, opened, limits)
        else:
            # One pass: a compressed tar cannot jump.
            with tarfile.open(archive, "r|*", tarinfo=_BoundedTarInfo) as stream:
                yield _tar_entries(archive, stream, limits)
    except (DataError, UserError):
        raise
    except Exception as error:  # a damaged archive makes zipfile, tarfile and their decompressors raise nearly anything
        if is_full(error):
            raise UserError(f"{archive}: no space left to unpack it; free some and try again") from error
        reason = first_line(error)
        raise BadArchiveError(
            f"{archive}: not a readable .zip or .tar archive ({reason}); remove it and get it again"
        ) from error


class _BoundedTarInfo(tarfile.TarInfo):
    """Tarfile reads a long name, or extended headers, into memory whole: four gigabytes, if the archive says so."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        headers = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
        if self.type in (*headers, tarfile.SOLARIS_XHDTYPE) and not 0 <= self.size <= MAX_ARCHIVE_NAME_BYTES:
            raise tarfile.ReadError(f"a name or header of {self.size:,} bytes")
        whole: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return whole


def _zip_entries(archive: Path, opened: zipfile.ZipFile, limits: Limits) -> Iterator[_Entry]:
    if len(opened.infolist()) > limits.files:
        raise _bomb(archive, len(opened.infolist()), 0, 0)
    for member in opened.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _unsafe(archive, member.filename, "is a link or a device")
        _checked_parts(archive, member.filename)
        if not member.is_dir():
            yield _Entry(member.filename, member.file_size, partial(opened.open, member))


def _tar_entries(archive: Path, opened: tarfile.TarFile, limits: Limits) -> Iterator[_Entry]:
    for count, member in enumerate(opened):
        opened.members.clear()  # type: ignore[attr-defined]  # else a million of them stay in memory
        if count > limits.files:  # folders too
            raise _bomb(archive, count, 0, 0)
        if not (member.isreg() or member.isdir()):
            raise _unsafe(archive, member.name, "is a link or a device")
        _checked_parts(archive, member.name)
        if member.isreg() and member.size >= 0:
            yield _Entry(member.name, member.size, partial(_open_member, opened, member))


def _open_member(opened: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = opened.extractfile(member)
    if stream is None:  # never so for a regular file
        raise tarfile.ReadError(f"no content for {member.name}")
    return stream


def _checked_parts(archive: Path, name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or name[1:2] == ":":
        raise _unsafe(archive, name, "would be written outside the folder")
    return path.parts


def _unsafe(archive: Path, name: str, why: str) -> DataError:
    return BadArchiveError(f"{archive}: {name!r} {why}; nothing was unpacked, do not trust this archive")


def _check_limits(archive: Path, count: int, total: int, packed: int, limits: Limits) -> None:
    bomb = total > 100_000_000 and total > packed * limits.ratio
    if count > limits.files or total > limits.unpacked_bytes or bomb:
        raise _bomb(archive, count, total, packed)


def _bomb(archive: Path, count: int, total: int, packed: int) -> DataError:
    return BadArchiveError(
        f"{archive}: {count:,} files of {total:,} bytes and more out of {packed:,} bytes; no honest data set shrinks so"
    )


def _destination(
    parts: tuple[str, ...], sources: Mapping[tuple[str, ...], PurePosixPath]
) -> tuple[tuple[str, ...], PurePosixPath] | None:
    """Match a file to its wanted folder and destination; what a pattern matched stays in the path."""
    for source, goal in sources.items():
        head, rest = parts[: len(source)], parts[len(source) :]
        if rest and len(head) == len(source) and all(map(fnmatch.fnmatchcase, head, source)):
            kept = [part for part, pattern in zip(head, source, strict=True) if part != pattern]
            return source, goal.joinpath(*kept, *rest)
    return None


def _write(archive: Path, entry: _Entry, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        raise _unsafe(archive, entry.name, "comes twice")
    left = entry.size_bytes
    with entry.open() as source, path.open("xb") as goal:
        while chunk := source.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise _unsafe(archive, entry.name, "holds more than it says")
            goal.write(chunk)
