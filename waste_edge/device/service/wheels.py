"""A folder of wheels and its list of hashes: what root installs is what somebody gathered, and nothing beside it.

`SHA256SUMS` is what `sha256sum *.whl` prints; `device/gather_wheels.sh` makes it. `SHA256SUMS.sig`, if a key is
required, is the raw ed25519 signature of its bytes, as `openssl pkeyutl -sign -rawin` makes it. Needs nothing but
Python's own library, as `environments.py` does; only the signature asks for more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from waste_edge.errors import BundleError, UserError
from waste_edge.files.limits import MAX_HASH_LIST_BYTES, MAX_WHEEL_BYTES

LIST = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._+!-]{0,200}\.whl)")


def read_list(folder: Path) -> dict[str, str] | None:
    """The hashes by file name; None if the folder has no list.

    Raises:
        UserError: the list cannot be read, or a line of it.
    """
    path = folder / LIST
    if not path.exists():
        return None
    return _parsed(path, _small(path))


def check_signature(folder: Path, key: Path) -> None:
    """See that the list is signed by the key that this station requires.

    Raises:
        UserError: there is no list, no signature, or one by another key.
        ConfigError, MissingPackageError: the key cannot be read.
    """
    from waste_edge.bundle.signing import read_required_key

    remedy = f"sign it where it was made: openssl pkeyutl -sign -rawin -inkey station.key -in {LIST} -out {SIGNATURE}"
    required = read_required_key(key)
    if not (folder / LIST).exists():
        raise UserError(f"{folder}: no {LIST}, and this station requires {key}; device/gather_wheels.sh makes it")
    try:
        signature = folder / SIGNATURE
        required.check(_small(folder / LIST), _small(signature) if signature.exists() else None, folder)
    except BundleError as error:
        raise UserError(f"{folder / LIST}: not signed by {key}, which this station requires; {remedy}") from error


@contextlib.contextmanager
def checked_copy(folder: Path, beside: Path) -> Iterator[Path]:
    """The folder itself if it has no list; else a copy, for as long as the block lasts, of what the list names.

    A copy, since whoever holds the stick could change a wheel between the look and the installation.

    Args:
        folder: with wheels, and perhaps a list.
        beside: a folder that only root may write, on a disk with room for the wheels.

    Raises:
        UserError: a wheel is not what the list says, is not named in it, or is missing.
    """
    hashes = read_list(folder)
    if hashes is None:
        yield folder
        return
    copy = Path(tempfile.mkdtemp(prefix=".wheels-", dir=beside))
    try:
        _copy(folder, copy, hashes)
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _copy(folder: Path, copy: Path, hashes: Mapping[str, str]) -> None:
    found = {path.name for path in folder.glob("*.whl")}
    remedy = "do not install from it; gather the wheels again"
    if unnamed := sorted(found - hashes.keys()):
        raise UserError(f"{folder / unnamed[0]}: not named in {LIST}; {remedy}")
    if missing := sorted(hashes.keys() - found):
        raise UserError(f"{folder / missing[0]}: named in {LIST}, and not there; {remedy}")
    for name, expected in hashes.items():
        with _opened(folder / name) as source, (copy / name).open("xb") as target:
            got = _copied(source, target)
        if got != expected:
            raise UserError(f"{folder / name}: sha256 {got[:12]}…, {LIST} says {expected[:12]}…; {remedy}")


def _copied(source: BinaryIO, target: BinaryIO) -> str:
    """Copy a file; its sha256 in hexadecimal."""
    digest, size = hashlib.sha256(), 0
    while block := source.read(1 << 20):
        size += len(block)
        if size > MAX_WHEEL_BYTES:
            raise UserError(f"{source.name}: more than {MAX_WHEEL_BYTES >> 20} MB; that is no wheel of ours")
        digest.update(block)
        target.write(block)
    return digest.hexdigest()


def _opened(path: Path) -> BinaryIO:
    """A regular file, opened; a pipe would be waited for, a link leads elsewhere."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); gather the wheels again") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{path}: is no regular file; gather the wheels again")
    return os.fdopen(handle, "rb")


def _small(path: Path) -> bytes:
    with _opened(path) as stream:
        content = stream.read(MAX_HASH_LIST_BYTES + 1)
    if len(content) > MAX_HASH_LIST_BYTES:
        raise UserError(f"{path}: more than {MAX_HASH_LIST_BYTES >> 20} MB; gather the wheels again")
    return content


def _parsed(path: Path, content: bytes) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match[2] in hashes:
            raise UserError(f"{path}: cannot use {line[:60]!r}; expected a line of sha256sum for each wheel")
        hashes[match[2]] = match[1].lower()
    return hashes
