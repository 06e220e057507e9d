"""The table `[page]` of a station's configuration, and who may open the page."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec

from waste_edge.device.config_paths import read_secret, with_files
from waste_edge.errors import ConfigError, MissingPackageError
from waste_edge.files.limits import MAX_PAGE_ITEMS
from waste_edge.files.strict import Strict

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8470
LEAST_TOKEN_LETTERS = 16
_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", re.ASCII)
_ADDRESS = re.compile(r"(?:(?P<host>\[[^\]]*\]|[^:]*):)?(?P<port>\d{1,5})|(?P<alone>.+)", re.ASCII)


class PageConfig(Strict, frozen=True):
    """The table `[page]`; the page is there if its table is.

    Attributes:
        host: the address that the page listens at. Beyond this machine ("0.0.0.0", "::", an address of the network) a
            token is required.
        port: its TCP port.
        token_file: holds the token, and nothing else but a newline.
        token_environment: names the environment variable that holds it, instead.
        names: further names that browsers reach the page by, such as that of a reverse proxy; addresses, localhost and
            the machine's own name are known.
        items: how many recent items are kept, with their crops, in memory only.
        live_fps: pictures a second of the live view, while somebody looks at it.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token_file: str = ""
    token_environment: str = ""
    names: list[str] = msgspec.field(default_factory=list)
    items: int = 50
    live_fps: float = 4.0

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port must be 1 to 65535, got {self.port}")
        if _address(self.host) is None and not _NAME.fullmatch(self.host):
            raise ValueError(f"host {self.host[:80]!r}: expected an address or a name, such as 127.0.0.1 or 0.0.0.0")
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"names: {name[:80]!r}: expected a host name without port, such as bin1.example.org")
        if not 1 <= self.items <= MAX_PAGE_ITEMS:
            raise ValueError(f"items must be 1 to {MAX_PAGE_ITEMS}, got {self.items}")
        if not 0.2 <= self.live_fps <= 15:
            raise ValueError(f"live_fps must be 0.2 to 15, got {self.live_fps:g}")
        if self.token_file and self.token_environment:
            raise ValueError("give token_file or token_environment, not both")

    @property
    def is_local(self) -> bool:
        """Return whether only programs of this machine reach the page."""
        address = _address(self.host)
        return self.host == "localhost" if address is None else address.is_loopback

    @property
    def address(self) -> str:
        """The page's address, for people on this machine."""
        host = _address(self.host)
        shown = self.host if host is None else f"[{host}]" if host.version == 6 else str(host)
        return f"http://{'localhost' if shown in ('0.0.0.0', '[::]') else shown}:{self.port}/"

    @property
    def address_for_others(self) -> str:
        """The page's address for other machines of the network; empty where it is for this one alone."""
        if self.is_local:
            return ""
        address = _address(self.host)
        host = f"[{address}]" if address is not None and address.version == 6 else self.host
        if address is not None and address.is_unspecified:
            host = self.names[0] if self.names else f"{socket.gethostname().partition('.')[0]}.local"
        return f"http://{host}:{self.port}/"

    def with_paths(self, folder: Path | None) -> Self:
        """The same with the token file's path filled in, relative to the configuration's folder.

        Raises:
            ConfigError: see `config_paths.as_path`.
        """
        return with_files(self, "page", ("token_file",), folder)

    def secret_variables(self) -> tuple[str, ...]:
        """Variables of the environment that hold secrets: no other process is given them."""
        return (self.token_environment,) if self.token_environment else ()

    def secret_files(self) -> tuple[str, ...]:
        """Files that hold secrets: no other process sees them."""
        return (self.token_file,) if self.token_file else ()


def with_address(config: PageConfig, given: str) -> PageConfig:
    """The same at the address of `run --page`: a host, a port, HOST:PORT, or nothing for the configured one.

    Raises:
        ConfigError: it is none of these.
    """
    if not given:
        return config
    found = _ADDRESS.fullmatch(given)
    host = (found["host"] or found["alone"] or "") if found else ""
    port = int(found["port"]) if found and found["port"] else config.port
    host = host.removeprefix("[").removesuffix("]") or config.host
    try:
        return msgspec.structs.replace(config, host=host, port=port)
    except ValueError as error:
        raise ConfigError(f"--page {given}: {error}; expected HOST, PORT or HOST:PORT") from error


def read_token(config: PageConfig, environment: Mapping[str, str] = os.environ) -> str:
    """The token that opens the page; empty if none is asked for.

    Raises:
        ConfigError: it cannot be read, is too short, or none is configured and the page is open to other machines.
    """
    if config.token_file:
        where = f"page.token_file {config.token_file}"
        token = read_secret("page.token_file", config.token_file, _REMEDY).strip("\r\n")
    elif config.token_environment:
        where = f"page.token_environment {config.token_environment}"
        if config.token_environment not in environment:
            raise ConfigError(f"page.token_environment: no variable {config.token_environment}; set it")
        token = environment[config.token_environment]
    elif config.is_local:
        return ""
    else:
        raise ConfigError(
            f"page.host {config.host}: other machines could open the page, so a token is required: give token_file, or "
            f"keep host = {DEFAULT_HOST!r}; {_REMEDY}"
        )
    if len(token) < LEAST_TOKEN_LETTERS or not _TOKEN.fullmatch(token):
        raise ConfigError(f"{where}: expected at least {LEAST_TOKEN_LETTERS} letters without blanks; {_REMEDY}")
    return token


_REMEDY = "openssl rand -hex 16 makes one"


def require_packages() -> None:
    """Check that the page's packages are installed, without importing them.

    Raises:
        MissingPackageError: one is not.
    """
    from importlib.util import find_spec

    for name in ("starlette", "uvicorn", "python_multipart", "prometheus_client"):
        if find_spec(name) is None:
            raise MissingPackageError(f"[page] needs {name.replace('_', '-')}; pip install 'waste-edge[web]'")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
