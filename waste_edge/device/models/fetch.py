"""Source of a model that is to be installed: a bundle, a web address, or a folder with bundles such as a USB stick.

A download is bounded in size and time and kept beside the store until it was checked. A `.zip` is read in place, so
nothing is unpacked before its files are known by their SHA-256.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from waste_edge import __version__
from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.bundle.manifest import MANIFEST_NAME
from waste_edge.bundle.opening import sort_key
from waste_edge.device.models.store import ModelStore
from waste_edge.errors import BundleError, UserError
from waste_edge.files.atomic import telling_a_full_disk
from waste_edge.files.limits import (
    MAX_BUNDLES_IN_FOLDER,
    MAX_URL_LETTERS,
    MODEL_ANSWER_S,
    MODEL_DOWNLOAD_S,
)
from waste_edge.files.resources import is_shipped_bundle
from waste_edge.files.text import first_line

_CHUNK_BYTES = 1 << 16
_MOST_REDIRECTS = 5
_REMEDY = "check the address and the network, or bring the bundle on a USB stick"


@contextlib.contextmanager
def found_bundle(given: str, store: ModelStore, max_mb: float, signed: bool) -> Iterator[Path]:
    """The bundle that a user means, for as long as the block lasts.

    Args:
        given: the name of a shipped bundle, a folder or `.zip`, an address (https, http, file), or a folder that holds
            bundles, of which the newest is taken.
        store: in whose folder a download is kept.
        max_mb: largest download, in millions of bytes.
        signed: a signature will be asked for; without one nothing is taken from plain http.

    Raises:
        BundleError: there is none, or bundles of several names.
        UserError: it cannot be downloaded; the message says why.
    """
    scheme = urllib.parse.urlsplit(given).scheme if "://" in given else ""
    if scheme == "file":
        given, scheme = urllib.request.url2pathname(urllib.parse.urlsplit(given).path), ""
    if not scheme:
        path = find_bundle(given)
        yield path if is_shipped_bundle(given) or not path.is_dir() else newest_in(path)
        return
    if scheme not in ("https", "http") or len(given) > MAX_URL_LETTERS:
        raise UserError(
            f"{given[:80]}: expected an address of https, http or file, of at most {MAX_URL_LETTERS} letters"
        )
    if scheme == "http" and not signed:
        raise UserError(
            f"{given}: anybody on the way may change what comes over http; require a key (--require-key), or use https"
        )
    with store.scratch() as folder:
        target = folder / "download.zip"
        with telling_a_full_disk("free some space"):
            _download(given, target, round(max_mb * 1e6))
        yield target


def newest_in(folder: Path) -> Path:
    """The folder itself if it is a bundle, else the newest of the bundles in it, zips and folders.

    Raises:
        BundleError: there is none, or they have several names, so that nobody can know which is meant.
    """
    if (folder / MANIFEST_NAME).is_file():
        return folder
    found, refused = bundles_in(folder)
    if not found:
        why = refused[0] if refused else "give a bundle's folder or .zip, or a folder with bundles in it"
        raise BundleError(f"{folder}: holds no bundle; {why}")
    names = sorted({name for name, _, _ in found})
    if len(names) > 1:
        raise BundleError(f"{folder}: holds bundles of several names ({', '.join(names)}); name the one to install")
    return max(found, key=lambda one: (sort_key(one[1]), one[2].name))[2]


def holds_none(folder: Path) -> bool:
    """Return whether a folder is neither a bundle nor holds anything that may be one, such as a stick of photographs.

    Raises:
        BundleError: see `bundles_in`.
    """
    return folder.is_dir() and not (folder / MANIFEST_NAME).is_file() and not any(bundles_in(folder))


def bundles_in(folder: Path) -> tuple[list[tuple[str, str, Path]], list[str]]:
    """The bundles right inside a folder, (name, version, path), and why others that may be some cannot be opened.

    Raises:
        BundleError: it cannot be read, or holds too many files.
    """
    try:
        paths = [path for path, _ in zip(sorted(folder.iterdir()), range(MAX_BUNDLES_IN_FOLDER + 1), strict=False)]
    except OSError as error:
        raise BundleError(f"{folder}: cannot be read ({error.strerror}); is the stick mounted?") from error
    if len(paths) > MAX_BUNDLES_IN_FOLDER:
        raise BundleError(f"{folder}: holds more than {MAX_BUNDLES_IN_FOLDER} files; put the bundle alone in a folder")
    found, refused = list[tuple[str, str, Path]](), list[str]()
    for path in paths:
        if path.name.startswith(".") or not _may_be_bundle(path):
            continue
        try:
            with open_bundle(path) as bundle:
                found.append((bundle.manifest.name, bundle.manifest.version, path))
        except BundleError as error:
            refused.append(str(error))
    return found, refused


def _may_be_bundle(path: Path) -> bool:
    """Return whether it is a .zip or holds a manifest; one closed to this user, such as ext4's lost+found, is not."""
    try:
        return path.suffix == ".zip" or (path / MANIFEST_NAME).is_file()
    except OSError:
        return False


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, and none from https to anything else."""

    max_redirections = _MOST_REDIRECTS

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """See `HTTPRedirectHandler.redirect_request`."""
        if not newurl.startswith("https://") and (req.full_url.startswith("https://") or "http://" not in newurl[:7]):
            raise UserError(f"{req.full_url}: leads to {newurl[:80]}, which is not https; {_REMEDY}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(address: str, target: Path, most_bytes: int) -> None:
    request = urllib.request.Request(address, headers={"User-Agent": f"waste-edge/{__version__}"})
    opener = urllib.request.build_opener(_NoDowngrade())
    until = time.monotonic() + MODEL_DOWNLOAD_S
    try:
        with opener.open(request, timeout=MODEL_ANSWER_S) as response, target.open("xb") as file:
            size = 0
            while chunk := response.read1(_CHUNK_BYTES):
                size += len(chunk)
                if size > most_bytes:
                    raise UserError(f"{address}: larger than {most_bytes / 1e6:g} MB, the most that is taken (max_mb)")
                if time.monotonic() > until:
                    raise UserError(f"{address}: took more than {MODEL_DOWNLOAD_S:g} s; {_REMEDY}")
                file.write(chunk)
            _check_length(address, response.headers.get("Content-Length"), size)
            file.flush()
            os.fsync(file.fileno())
    except urllib.error.HTTPError as error:
        raise UserError(f"{address}: the server answers {error.code} {error.reason}; {_REMEDY}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        why = getattr(error, "reason", None) or first_line(error)
        raise UserError(f"{address}: cannot be downloaded ({why}); {_REMEDY}") from error


def _check_length(address: str, told: str | None, size: int) -> None:
    if told is not None and told.isdecimal() and int(told) != size:
        raise UserError(f"{address}: ended after {size} of {told} bytes; try again")
