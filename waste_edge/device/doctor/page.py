"""Check of the page: its packages, its token, its address."""

from __future__ import annotations

import errno
import socket

from waste_edge.device.page.config import PageConfig, read_token, require_packages
from waste_edge.device.system.condition import Condition, Level
from waste_edge.errors import UserError


def check_page(config: PageConfig) -> list[Condition]:
    """Check that a page could be opened as configured, beside a station that may be running."""
    try:
        require_packages()
        token = read_token(config)
    except UserError as error:
        return [Condition("page", Level.BAD, str(error))]
    who = "for who has the token" if token else "for this machine alone"
    problem = _problem(config)
    if problem:
        return [Condition("page", Level.WARN, problem)]
    return [Condition("page", Level.OK, f"can be opened at {config.address}, {who}")]


def _problem(config: PageConfig) -> str:
    """Explain why its address cannot be had; empty if it can, or a page has it already."""
    host = "127.0.0.1" if config.host == "localhost" else config.host
    try:
        family, _, _, _, address = socket.getaddrinfo(host, config.port, type=socket.SOCK_STREAM)[0]
        with socket.create_server(address[:2], family=family):
            return ""
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "" if _is_a_page(config) else f"another program has port {config.port}; give [page] another port"
        return f"cannot listen at {config.host}, port {config.port} ({error.strerror}); see `host` and `port` in [page]"


def _is_a_page(config: PageConfig) -> bool:
    """Ask who has the port: a station's page answers as ours does."""
    from http.client import HTTPConnection, HTTPException

    host = "127.0.0.1" if config.host in ("0.0.0.0", "::", "localhost") else config.host
    client = HTTPConnection(host, config.port, timeout=3)
    try:
        client.request("GET", "/healthz")
        with client.getresponse() as answer:
            return b'"status"' in answer.read(4096)
    except (OSError, HTTPException):
        return False
    finally:
        client.close()
