"""Fetching one file over HTTP: goes on where it stopped, tries again, and checks what came.

The file grows as `<name>.part`; `<name>.part.json` says of which address and version it is a part, so that pieces of
two versions are never joined. urllib and forty lines: pooch and its like check sums but start over after each break.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from email.message import Message
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from waste_edge import __version__
from waste_edge.errors import UserError
from waste_edge.files.atomic import is_full
from waste_edge.files.limits import (
    DOWNLOAD_ANSWER_S,
    DOWNLOAD_PATIENCE_S,
    MAX_DOWNLOAD_BYTES,
    MIN_DOWNLOAD_BYTES_PER_S,
    MIN_FREE_BYTES,
)
from waste_edge.files.strict import Strict
from waste_edge.training.data.web import (
    FetchBrokenError,
    FetchFailedError,
    content_length,
    content_range,
    opener,
    refuse_web_page,
)

MAX_BYTES = MAX_DOWNLOAD_BYTES
TRIES = 5  # without a new byte; a try that brought some does not count
_CHUNK_BYTES = 1 << 18
_LONGEST = 200  # letters of what a library says of a server
_WAITS_S = (1.0, 2.0, 4.0, 8.0)

DownloadProgress = Callable[[int, int | None], None]


class _Part(Strict, frozen=True):
    """Origin of a `.part` file; `validator` is the server's strong ETag or modification date, if it gave one."""

    address: str
    validator: str


def download(
    addresses: Sequence[str],
    target: Path,
    sha256: str | None,
    progress: DownloadProgress,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Fetch the first of `addresses` that answers, as `target`.

    Args:
        addresses: of the same file, best first.
        target: where it goes; what was fetched before in `<target>.part` is gone on with.
        sha256: what it must have; if None, whatever comes is taken.
        progress: told the bytes there are and the bytes there will be (None where the server does not say).
        sleep: waits between tries.

    Returns:
        The file's SHA-256.

    Raises:
        UserError: no address gave the file, it has another checksum, or there is no room for it.
    """
    part = target.with_name(f"{target.name}.part")
    faults = []
    with _opened(part) as stream:
        for address in addresses:
            try:
                _Fetch(address, stream, part, sha256, progress, sleep).run()
                break
            except FetchFailedError as error:
                faults.append(f"{address}: {error}")
        else:
            if part.stat().st_size == 0:
                _remove(part)
            raise UserError("; ".join(faults))
        stream.seek(0)
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        if sha256 is not None and found != sha256:
            _remove(part)
            raise UserError(
                f"{address}: has the SHA-256 {found}, expected {sha256}: damaged on the way, or another file by now; "
                "what came was removed, try again"
            )
        os.replace(part, target)
        _facts(part).unlink(missing_ok=True)
    return found


@contextlib.contextmanager
def _opened(part: Path) -> Iterator[FileIO]:
    """The `.part`, unbuffered, for one process at a time."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        stream = part.open("a+b", buffering=0)
    except OSError as error:
        raise UserError(f"{part}: cannot be written ({error.strerror}); choose another --out") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{part}: another fetch is at work on it; wait for it or end it") from error
        yield stream


def _remove(part: Path) -> None:
    part.unlink()
    _facts(part).unlink(missing_ok=True)


def _facts(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


class _Pace:
    """Least transfer rate of a server: one that trickles would hold us for as long as it likes."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._since_s, self._bytes = now_s(), 0

    def came(self, count: int) -> None:
        """Raise FetchFailedError if, over the last while, less than a kilobyte a second came."""
        self._bytes += count
        passed_s = self._now_s() - self._since_s
        if passed_s < DOWNLOAD_PATIENCE_S:
            return
        if self._bytes < passed_s * MIN_DOWNLOAD_BYTES_PER_S:
            raise FetchFailedError(
                f"sent {self._bytes:,} bytes in {passed_s:.0f} s, too slow to go on; run the same command again later"
            )
        self._since_s, self._bytes = self._now_s(), 0


class _Fetch:
    """One address, until it has given the whole file or will not."""

    def __init__(
        self,
        address: str,
        stream: FileIO,
        part: Path,
        sha256: str | None,
        progress: DownloadProgress,
        sleep: Callable[[float], None],
    ) -> None:
        self._address, self._stream, self._part = address, stream, part
        self._sha256, self._progress, self._sleep = sha256, progress, sleep
        self._opener = opener(sha256)
        self._pace: _Pace | None = None  # from the first answer on

    def run(self) -> None:
        if not self._may_go_on():
            self._start_over()
        tries, most = 0, self._size()
        while True:
            try:
                return self._once()
            except FetchBrokenError as error:
                reason = str(error)
            tries = 1 if self._size() > most else tries + 1
            most = max(most, self._size())
            if tries >= TRIES:
                raise FetchFailedError(f"{reason}; tried {TRIES} times; run the same command again to go on")
            self._sleep(_WAITS_S[tries - 1])

    def _once(self) -> None:
        """One request, which brings the rest of the file or raises."""
        have = self._size()
        try:
            with self._opener.open(self._request(have), timeout=DOWNLOAD_ANSWER_S) as response:
                self._receive(response, have)
        except urllib.error.HTTPError as error:
            error.close()
            self._judge(error, have)
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise FetchFailedError(f"its certificate is not valid ({error.reason.verify_message})") from error
            raise FetchBrokenError(f"no connection ({error.reason})") from error
        except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            said = " ".join(str(error).split())[:_LONGEST]
            raise FetchBrokenError(f"the connection broke ({said or type(error).__name__})") from error
        except OSError as error:
            if not is_full(error):
                raise
            raise UserError(
                f"{self._part}: no space left on the disk; free some and run the same command: "
                "it goes on where it stopped"
            ) from error
        except (ValueError, OverflowError) as error:  # of urllib and http.client: sizes and addresses that are none
            said = " ".join(str(error).split())[:_LONGEST]
            raise FetchFailedError(f"the server's answer makes no sense ({said})") from error

    def _request(self, have: int) -> urllib.request.Request:
        headers = {"User-Agent": f"waste-edge/{__version__}", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if (known := self._known()) and known.address == self._address and known.validator:
                headers["If-Range"] = known.validator  # another version by now: the server sends all of it
        return urllib.request.Request(self._address, headers=headers)

    def _judge(self, error: urllib.error.HTTPError, have: int) -> None:
        """Done, go on, or give up, after an answer that brings no bytes."""
        if error.code == 416 and have:  # nothing lies beyond what there is
            if error.headers.get("Content-Range", "").endswith(f"/{have}"):
                return
            self._start_over()
            raise FetchBrokenError("the file there is shorter than what was fetched before")
        if error.code == 429 or error.code >= 500:
            raise FetchBrokenError(f"the server answers {error.code} {error.reason}")
        raise FetchFailedError(f"the server answers {error.code} {error.reason}; look at the data set's page")

    def _receive(self, response: Any, have: int) -> None:
        self._pace = self._pace or _Pace()
        if response.status == 206:
            start, total = content_range(response.headers)
            if start != have:
                raise FetchFailedError(f"asked for the bytes from {have} on, the server sent those from {start}")
        else:
            if have:  # the server knows no ranges, or the file is another by now
                self._start_over()
            total = content_length(response.headers)
        first = response.read1(_CHUNK_BYTES)
        if response.status != 206:
            refuse_web_page(response.headers, first)
            self._remember(response.headers)
        self._refuse_too_large(total)
        chunk = first
        while chunk:
            self._stream.write(chunk)
            self._progress(self._size(), total)
            self._refuse_too_large(self._size(), there=True)
            if total is not None and self._size() > total:
                raise FetchFailedError(f"the server sends more than the {total:,} bytes it spoke of")
            self._pace.came(len(chunk))
            chunk = response.read1(_CHUNK_BYTES)
        if total is not None and self._size() < total:
            raise FetchBrokenError(f"the connection broke after {self._size():,} of {total:,} bytes")

    def _refuse_too_large(self, total: int | None, there: bool = False) -> None:
        if total is None:
            return
        if total > MAX_BYTES:
            raise FetchFailedError(f"is larger than {MAX_BYTES >> 30} GiB; fetch it by hand and go on with --archive")
        missing, free = total - self._size(), shutil.disk_usage(self._part.parent).free
        if there and free < MIN_FREE_BYTES:
            raise UserError(
                f"{self._part.parent}: less than {MIN_FREE_BYTES >> 20} MiB are free; free some, or take another --out"
            )
        if not there and missing > free:
            raise UserError(
                f"{self._part.parent}: {missing:,} more bytes are needed, {free:,} are free; "
                "free some space, or choose another --out"
            )

    def _may_go_on(self) -> bool:
        """Return whether what there is can be trusted to be a part of this very file."""
        known = self._known()
        return self._sha256 is not None or bool(known and known.address == self._address and known.validator)

    def _known(self) -> _Part | None:
        try:
            return msgspec.json.decode(_facts(self._part).read_bytes(), type=_Part)
        except (OSError, msgspec.DecodeError):
            return None

    def _remember(self, headers: Message) -> None:
        tag = headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
        _facts(self._part).write_bytes(msgspec.json.encode(_Part(address=self._address, validator=validator)))

    def _start_over(self) -> None:
        self._stream.truncate(0)

    def _size(self) -> int:
        return os.fstat(self._stream.fileno()).st_size
