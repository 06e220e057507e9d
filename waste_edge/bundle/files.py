"""The files of a bundle, in a folder or inside a `.zip`: read where they lie, each at most as long as it should be.

Nothing is unpacked, so a station that is killed leaves nothing behind, and no file is opened twice: whoever reads one
gets its bytes, hashes those, and hands on those.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, Protocol, TypeVar

from waste_edge.errors import BundleError
from waste_edge.files.limits import MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES, MAX_ZIP_LIST_BYTES
from waste_edge.files.text import first_line
from waste_edge.heads import Head

_END_SIGNATURE, _END_BYTES, _MAX_COMMENT_BYTES = b"PK\x05\x06", 22, 0xFFFF
_ZIP64_SIGNATURE, _ZIP64_BYTES = b"PK\x06\x07", 20
_CHUNK_BYTES = 1 << 20
_ZIP_ERRORS = (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, OSError, ValueError)

T = TypeVar("T")


class NetworkFile(NamedTuple):
    """One network: where it came from, for messages, and the bytes that were read and are to be loaded.

    `head` stands in the place of its own; None leaves it as it is.
    """

    path: Path
    content: bytes
    head: Head | None = None


class BundleFiles(Protocol):
    """Source of a bundle's files: a folder or an archive."""

    def size(self, name: str) -> int | None:
        """Bytes of a plain file; None if there is none of that name."""
        ...

    def read(self, name: str, at_most: int) -> bytes:
        """A file's content, but no more than `at_most` + 1 bytes of it.

        Raises:
            BundleError: it cannot be read.
        """
        ...

    def sha256(self, name: str, at_most: int) -> str:
        """Hexadecimal SHA-256 of what `read` would give; the content is never held as a whole.

        Raises:
            BundleError: it cannot be read.
        """
        ...

    def close(self) -> None:
        """Give back what is held open."""
        ...


class FolderFiles:
    """Plain files side by side; links, FIFOs and devices are none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, name: str) -> int | None:
        """See `BundleFiles.size`."""
        try:
            state = (self._folder / name).lstat()
        except OSError:
            return None
        return state.st_size if stat.S_ISREG(state.st_mode) else None

    def read(self, name: str, at_most: int) -> bytes:
        """See `BundleFiles.read`."""
        return self._use(name, lambda stream: stream.read(at_most + 1))

    def sha256(self, name: str, at_most: int) -> str:
        """See `BundleFiles.sha256`."""
        return self._use(name, lambda stream: _digest(stream, at_most))

    def _use(self, name: str, action: Callable[[IO[bytes]], T]) -> T:
        try:
            # Not blocking: whoever may write the folder may put a FIFO in the file's place in between.
            handle = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as stream:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise BundleError(f"{self._folder}: {name} is not a plain file; export or copy the bundle again")
                return action(stream)
        except OSError as error:
            raise BundleError(
                f"{self._folder}: {name} cannot be read ({error.strerror}); export or copy the bundle again"
            ) from error

    def close(self) -> None:
        """Do nothing: no file is held open."""


class ZipFiles:
    """The same files in one `.zip`, read in place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = self._try(lambda: path.open("rb"))
        try:
            self._archive = self._try(lambda: open_zip(self._stream, MAX_BUNDLE_FILES))
            self._entries = self._checked(self._archive.infolist())
        except BaseException:
            self._stream.close()
            raise

    def size(self, name: str) -> int | None:
        """See `BundleFiles.size`."""
        return self._entries[name].file_size if name in self._entries else None

    def read(self, name: str, at_most: int) -> bytes:
        """See `BundleFiles.read`."""

        return self._use(name, lambda stream: stream.read(at_most + 1))

    def sha256(self, name: str, at_most: int) -> str:
        """See `BundleFiles.sha256`."""
        return self._use(name, lambda stream: _digest(stream, at_most))

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()
        self._stream.close()

    def _checked(self, entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        """The entries by name: plain files only, no folders, links, absolute or climbing paths, no bombs."""
        found: dict[str, zipfile.ZipInfo] = {}
        if sum(info.file_size for info in entries) > MAX_BUNDLE_BYTES:
            raise BundleError(f"{self._path}: would unpack to more than 1 GiB; this is not a bundle of ours")
        for info in entries:
            name = info.filename
            is_link = stat.S_ISLNK(info.external_attr >> 16)
            if info.is_dir() or is_link or "/" in name or "\\" in name or name.startswith("."):
                raise BundleError(f"{self._path}: holds {name!r}; a bundle holds plain files side by side")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise BundleError(f"{self._path}: {name!r} is not packed by deflate; pack the folder as a plain .zip")
            if info.flag_bits & 1:
                raise BundleError(f"{self._path}: not a whole .zip bundle ({name!r} is encrypted); export it again")
            if name in found:
                raise BundleError(f"{self._path}: not a whole .zip bundle (holds {name!r} twice); export it again")
            found[name] = info
        return found

    def _use(self, name: str, action: Callable[[IO[bytes]], T]) -> T:
        def use() -> T:
            with self._archive.open(self._entries[name]) as stream:
                return action(stream)

        return self._try(use)

    def _try(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except _ZIP_ERRORS as error:
            said = first_line(error)
            raise BundleError(f"{self._path}: not a whole .zip bundle ({said}); export or copy it again") from error


def _digest(stream: IO[bytes], at_most: int) -> str:
    found, left = hashlib.sha256(), at_most + 1
    while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
        found.update(chunk)
        left -= len(chunk)
    return found.hexdigest()


def open_zip(stream: BinaryIO, most_files: int) -> zipfile.ZipFile:
    """Open a zip archive whose list of files is short: zipfile would read one of any length.

    Raises:
        zipfile.BadZipFile: not a zip, or one with a longer list.
    """
    length = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, length - _END_BYTES - _MAX_COMMENT_BYTES - _ZIP64_BYTES))
    tail = stream.read()
    end = tail.rfind(_END_SIGNATURE)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise zipfile.BadZipFile("File is not a zip file")
    files = int.from_bytes(tail[end + 10 : end + 12], "little")
    directory_bytes = int.from_bytes(tail[end + 12 : end + 16], "little")
    is_zip64 = end >= _ZIP64_BYTES and tail[end - _ZIP64_BYTES :].startswith(_ZIP64_SIGNATURE)
    if is_zip64 or files > most_files or directory_bytes > MAX_ZIP_LIST_BYTES:
        raise zipfile.BadZipFile(f"lists more than {most_files} files")
    stream.seek(0)
    return zipfile.ZipFile(stream)


def read_network(path: Path) -> NetworkFile:
    """A lone network file.

    Raises:
        BundleError: it cannot be read, or is larger than any bundle.
    """
    content = FolderFiles(path.parent).read(path.name, MAX_BUNDLE_BYTES)
    if len(content) > MAX_BUNDLE_BYTES:
        raise BundleError(f"{path}: is larger than 1 GiB; this is not a network for a board")
    return NetworkFile(path, content)
