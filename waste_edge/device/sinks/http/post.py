"""One POST to somebody's web server, with an end: in time, in the size of the answer, and in where it may lead."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from waste_edge import __version__
from waste_edge.device.sinks.http.addresses import connect_checked
from waste_edge.device.sinks.http.table import HttpSinkConfig
from waste_edge.device.sinks.sink import SinkError
from waste_edge.errors import ConfigError
from waste_edge.files.limits import MAX_HTTP_ANSWER_BYTES

_WHY_LETTERS = 100  # of a server's answer, in health
_REMEDIES = {
    401: "check the secret",
    403: "check the secret, and what it may do there",
    404: "check url",
    405: "check url: nothing there takes a POST",
    410: "check url",
    429: "it is told too often; its limit is lifted by whoever runs it",
}


@dataclass(frozen=True)
class Target:
    """Web server to be told; `of` makes it from a table.

    Attributes:
        host, port, path: of its url, the query with the path.
        tls: how it is known; None without TLS.
        allow_private: it may be this machine or one of its network.
        timeout_s: for a whole request.
    """

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None
    allow_private: bool
    timeout_s: float

    @classmethod
    def of(cls, table: str, config: HttpSinkConfig) -> Self:
        """The target of a table.

        Raises:
            ConfigError: its ca_file is of no use.
        """
        parts = urlsplit(config.url)
        tls = _tls(table, config.ca_file) if parts.scheme == "https" else None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = parts.port or (443 if tls else 80)
        return cls(parts.hostname or "", port, path, tls, config.allow_private, config.timeout_s)

    @property
    def where(self) -> str:
        """Scheme, host and port; the path may be a secret of its own and is never shown."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


def post(target: Target, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a body in a connection of its own, and wait for a good answer.

    Redirects are not followed: whoever answers for the host could send what we tell anywhere.

    Raises:
        SinkError: there was none in time, or another one than 2xx; the message says which.
    """
    connection = _Connection(target)
    cut = threading.Timer(target.timeout_s, connection.cut)  # each wait has a limit, and so has their sum
    cut.daemon = True
    cut.start()
    try:
        own = {"User-Agent": f"waste-edge/{__version__}", "Connection": "close"}
        connection.request("POST", target.path, body, {**own, **headers})
        with connection.getresponse() as response:
            said = response.read(MAX_HTTP_ANSWER_BYTES)
        if connection.is_cut:
            raise TimeoutError  # what came until then may look like a whole answer
    except SinkError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise SinkError(f"{target.where}: {_why(error, connection.is_cut, target.timeout_s)}") from error
    finally:
        cut.cancel()
        connection.close()
    if not 200 <= response.status < 300:
        raise SinkError(f"{target.where}: {_refused(response.status, response.reason, said)}")


class _Connection(http.client.HTTPConnection):
    """A connection to an address that may be told."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=target.timeout_s)
        self._target = target
        self._plain: socket.socket | None = None
        self.is_cut = False

    def connect(self) -> None:
        target = self._target
        plain = connect_checked(target.host, target.port, target.timeout_s, target.allow_private)
        self._plain = self.sock = plain
        if target.tls is not None:
            self.sock = target.tls.wrap_socket(plain, server_hostname=target.host)

    def cut(self) -> None:
        """End it from another thread."""
        self.is_cut = True
        for held in (self._plain, self.sock):
            if held is not None:
                with contextlib.suppress(OSError):  # beneath TLS, whose own shutdown would wait for an answer
                    socket.socket.shutdown(held, socket.SHUT_RDWR)


def _tls(table: str, ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{table}.ca_file {ca_file}: no usable PEM file ({error})") from error


def _why(error: OSError | http.client.HTTPException, is_cut: bool, timeout_s: float) -> str:
    if is_cut or isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); check url and ca_file"
    if isinstance(error, ssl.SSLError):
        return f"no TLS ({error.reason or error}); check url"
    if isinstance(error, http.client.HTTPException):
        return f"no answer in HTTP ({type(error).__name__}); is that a web server?"
    return (error.strerror or str(error)).lower()


def _refused(status: int, reason: str, said: bytes) -> str:
    words = "".join(letter for letter in said[: 4 * _WHY_LETTERS].decode("utf-8", "replace") if letter.isprintable())
    if 300 <= status < 400:
        return f"answers {status}, a redirect, which is not followed; set url to where it leads"
    remedy = f"; {_REMEDIES[status]}" if status in _REMEDIES else ""
    text = " ".join(filter(None, (str(status), reason[:_WHY_LETTERS], words[:_WHY_LETTERS].strip())))
    return f"answers {text}{remedy}"
