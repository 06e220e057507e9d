"""A server of one file on this machine, with every fault that servers have."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Server(ThreadingHTTPServer):
    """Serves `content` at any path.

    Attributes:
        ranges: whether it heeds Range.
        breaks_after: bytes after which it hangs up, one for each request to come; then it serves all.
        status: what it answers instead of 200, one for each request to come.
        tag: its ETag; empty for none.
        asked: the Range of each request, "" if it had none.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.ranges, self.tag, self.kind = content, True, '"1"', "application/zip"
        self.breaks_after: list[int] = []
        self.status: list[int] = []
        self.sends_to: dict[str, str] = {}
        self.tells_length = True
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data.zip"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(self.headers.get("Range", ""))
        if self.path in server.sends_to:
            self.send_response(302)
            self.send_header("Location", server.sends_to[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if server.status and (status := server.status.pop(0)) != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._serve(self._start())

    def _start(self) -> int | None:
        wanted, same = self.headers.get("Range"), self.headers.get("If-Range", self.server.tag) == self.server.tag
        return int(wanted[6:-1]) if wanted and self.server.ranges and same else None

    def _serve(self, start: int | None) -> None:
        server, size = self.server, len(self.server.content)
        if start is not None and start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[start or 0 :]
        self.send_response(200 if start is None else 206)
        self.send_header("Content-Type", server.kind)
        if server.tells_length:
            self.send_header("Content-Length", str(len(body)))
        if server.tag:
            self.send_header("ETag", server.tag)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        if server.breaks_after:
            body = body[: server.breaks_after.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], Server]]:
    """Starts servers that end with the test."""
    running: list[Server] = []

    def start(content: bytes) -> Server:
        server = Server(content)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def write_card(tmp_path: Path) -> Callable[..., Path]:
    """Writes a card of two labels, `one` and `two`, in the archive's folder `top`."""

    def write(
        addresses: list[str], sha256: str | None = None, folders: dict[str, str] | None = None, login: str = ""
    ) -> Path:
        path = tmp_path / "mini.toml"
        lines = [
            'name = "mini"', 'title = "Mini"', 'citation = "Nobody: Mini"', 'homepage = "https://example.org"',
            'licence = "CC0"', 'labels = ["one", "two"]', f"addresses = {addresses}".replace("'", '"'),
        ]  # fmt: skip
        lines += [f'sha256 = "{sha256}"'] if sha256 else []
        lines += [f'login = "{login}"'] if login else []
        lines += ["[folders]", *(f'"{a}" = "{b}"' for a, b in (folders or {"top": ""}).items())]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write
