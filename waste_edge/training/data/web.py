"""Common rules of every web request: permitted addresses and refused answers."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from typing import IO, Any

from waste_edge.files.limits import DOWNLOAD_ANSWER_S
from waste_edge.training.data.cards import check_address

_NUMBER = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")


class FetchFailedError(Exception):
    """Address that will not give the file, however often one asks."""


class FetchBrokenError(Exception):
    """The connection or the server failed; another try may do."""


def content_range(headers: Message) -> tuple[int, int | None]:
    """First byte and whole size out of `Content-Range: bytes 5-9/10`."""
    given = str(headers.get("Content-Range", ""))
    found = _RANGE.fullmatch(given)
    if not found:
        raise FetchFailedError(f"the server's Content-Range is {given[:80]!r}, expected bytes FROM-TO/SIZE")
    return int(found[1]), int(found[2]) if found[2].isdecimal() else None


def content_length(headers: Message) -> int | None:
    """The size that a server promises; None where it says nothing, or nonsense."""
    given = str(headers.get("Content-Length", "")).strip()
    return int(given) if _NUMBER.fullmatch(given) else None


def refuse_web_page(headers: Message, first: bytes) -> None:
    """Raise FetchFailedError if what comes is what a browser would show."""
    if headers.get_content_type() == "text/html" or first.lstrip()[:14].lower().startswith(
        (b"<!doctype html", b"<html")
    ):
        raise FetchFailedError(
            "a web page came in the place of an archive: it may want a login, or the file has moved; "
            "download it by hand from the data set's page and go on with --archive FILE"
        )


@contextmanager
def _answered_in_time(connection: http.client.HTTPConnection) -> Iterator[None]:
    """Give up on a server that takes for ever over its first lines: a byte a minute, or `100 Continue` without end."""
    over = threading.Event()

    def hang_up() -> None:
        over.set()
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(DOWNLOAD_ANSWER_S, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if over.is_set():
            raise FetchFailedError(f"the server does not answer within {DOWNLOAD_ANSWER_S:g} s") from error
        raise
    finally:
        timer.cancel()


class _Http(http.client.HTTPConnection):
    def getresponse(self) -> http.client.HTTPResponse:
        with _answered_in_time(self):
            return super().getresponse()


class _Https(http.client.HTTPSConnection):
    def getresponse(self) -> http.client.HTTPResponse:
        with _answered_in_time(self):
            return super().getresponse()


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Http, req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Https, req)


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Goes only where a card may send one."""

    def __init__(self, sha256: str | None) -> None:
        self._sha256 = sha256

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_address(newurl, self._sha256)
        except ValueError as error:
            raise FetchFailedError(f"sends us to {newurl!r}: {error}") from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener(sha256: str | None) -> urllib.request.OpenerDirector:
    """HTTP and HTTPS and nothing else: urllib's own opener reads file:// and ftp:// as well."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        _HttpHandler(),
        _HttpsHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _CheckedRedirects(sha256),
        urllib.request.HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    return director
