"""What every request of ours has in common: where it may go, and what an answer must not be."""

from __future__ import annotations

import urllib.request
from email.message import Message
from typing import IO, Any

from waste_edge.training.data.cards import check_address


class FetchFailedError(Exception):
    """This address will not give the file, however often one asks."""


class FetchBrokenError(Exception):
    """The connection or the server failed; another try may do."""


def content_range(headers: Message) -> tuple[int, int | None]:
    """First byte and whole size out of `Content-Range: bytes 5-9/10`."""
    words = headers.get("Content-Range", "").removeprefix("bytes ").replace("/", "-").split("-")
    if len(words) != 3 or not words[0].isdigit():
        raise FetchFailedError(
            f"the server's Content-Range is {headers.get('Content-Range')!r}, expected bytes FROM-TO/SIZE"
        )
    return int(words[0]), int(words[2]) if words[2].isdigit() else None


def refuse_web_page(headers: Message, first: bytes) -> None:
    """Raise FetchFailedError if what comes is what a browser would show."""
    if headers.get_content_type() == "text/html" or first.lstrip()[:14].lower().startswith(
        (b"<!doctype html", b"<html")
    ):
        raise FetchFailedError(
            "a web page came in the place of an archive: it may want a login, or the file has moved; "
            "download it by hand from the data set's page and go on with --archive FILE"
        )


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
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _CheckedRedirects(sha256),
        urllib.request.HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    return director
