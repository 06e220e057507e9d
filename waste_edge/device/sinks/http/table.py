"""Keys that the tables of sinks over HTTP have in common; a configuration is read before ssl is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from waste_edge.device.config_paths import read_secret, with_files
from waste_edge.device.sinks.sink import SinkConfig
from waste_edge.errors import ConfigError
from waste_edge.files.limits import MAX_TIMEOUT_S, MAX_URL_LETTERS

_FILES = ("secret_file", "ca_file")


class HttpSinkConfig(SinkConfig, frozen=True, kw_only=True):
    """Receiver over HTTP: its address, the secret, and the limits of what may be told.

    Attributes:
        url: the address; `https://`, or `http://` with `allow_private`.
        secret_file: holds the secret, and nothing else but a newline.
        secret_environment: names the environment variable that holds it, instead.
        allow_private: also tell addresses of this machine and its network, and without TLS.
        ca_file: who signed the server's certificate, as PEM; empty for the system's authorities.
        timeout_s: a request that takes longer is given up.
    """

    url: str
    secret_file: str = ""
    secret_environment: str = ""
    allow_private: bool = False
    ca_file: str = ""
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        check_url(self.url, self.allow_private)
        if not 0 < self.timeout_s <= MAX_TIMEOUT_S:
            raise ValueError(f"timeout_s must be above 0 and up to {MAX_TIMEOUT_S}, got {self.timeout_s:g}")
        if self.secret_file and self.secret_environment:
            raise ValueError("give secret_file or secret_environment, not both")
        if self.ca_file and not self.url.startswith("https://"):
            raise ValueError("ca_file needs a url with https://")

    def with_paths(self, table: str, folder: Path | None) -> Self:
        """See `SinkConfig.with_paths`."""
        return with_files(self, table, _FILES, folder)

    def secret_variables(self) -> tuple[str, ...]:
        """See `SinkConfig.secret_variables`."""
        return (self.secret_environment,) if self.secret_environment else ()

    def secret_files(self) -> tuple[str, ...]:
        """See `SinkConfig.secret_files`."""
        return (self.secret_file,) if self.secret_file else ()

    def secret(self, table: str, environment: Mapping[str, str] = os.environ) -> str:
        """Read the secret; empty if none is named.

        Raises:
            ConfigError: the file or variable that is named is missing, or holds nothing that fits into one line.
        """
        if self.secret_file:
            name = f"{table}.secret_file {self.secret_file}"
            found = read_secret(f"{table}.secret_file", self.secret_file).strip()
        elif self.secret_environment:
            name = f"{table}.secret_environment {self.secret_environment}"
            if self.secret_environment not in environment:
                raise ConfigError(f"{name}: no such variable; set it")
            found = environment[self.secret_environment].strip()
        else:
            return ""
        if not found.isascii() or not found.isprintable() or not found or " " in found:
            raise ConfigError(f"{name}: expected one word of plain letters")
        return found


def check_url(url: str, allow_private: bool) -> None:
    """Raise ValueError unless a url can be told at all; whether its addresses may be is seen when it is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"url: {error}; expected such as https://example.org/waste") from error
    if len(url) > MAX_URL_LETTERS or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"url: expected at most {MAX_URL_LETTERS} plain letters without spaces; escape others with %")
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise ValueError("url: expected https://HOST/PATH")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("url: no user, password or fragment in it; a secret comes from secret_file")
    if parts.scheme == "http" and not allow_private:
        raise ValueError("url: http:// is for the own network only: use https://, or set allow_private = true")
