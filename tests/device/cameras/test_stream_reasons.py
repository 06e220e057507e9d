"""A stream that gives no video says why: another password, no such path, nobody there."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading

import pytest

from waste_edge.device.cameras import media_source
from waste_edge.device.cameras.stream import _why
from waste_edge.device.capture import Failed, ProcessCapture
from waste_edge.device.clock import SystemClock


class Refuses(socketserver.StreamRequestHandler):
    """Answers every HTTP or RTSP request in the same way."""

    answer = ""

    def handle(self) -> None:
        while True:
            request = self.rfile.readline().split()
            if len(request) < 3:
                return
            sequence = ""
            while (line := self.rfile.readline().strip()) != b"":
                if line.lower().startswith(b"cseq"):
                    sequence = f"{line.decode()}\r\n"
            ask = 'WWW-Authenticate: Basic realm="camera"\r\n' if self.answer.startswith("401") else ""
            self.wfile.write(
                f"{request[2].decode()} {self.answer}\r\n{sequence}{ask}Content-Length: 0\r\n\r\n".encode()
            )


@pytest.fixture
def serve():
    servers = []

    def start(answer: str) -> int:
        handler = type("Handler", (Refuses,), {"answer": answer})
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def failure(url: str) -> str:
    capture = ProcessCapture(media_source(url, SystemClock()), SystemClock(), None)
    try:
        message = capture.take(60.0)
        assert isinstance(message, Failed), message
        return str(message.error)
    finally:
        capture.close()


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("401 Unauthorized", "asks for another user or password"),
        ("403 Forbidden", "refuses this user (403)"),
        ("404 Not Found", "has no such stream (404)"),
    ],
)
def test_what_the_camera_answers_is_the_reason(serve, scheme, answer, reason):
    said = failure(f"{scheme}://user:SECRET@127.0.0.1:{serve(answer)}/live")
    assert reason in said
    assert "SECRET" not in said


def test_nobody_there_is_told_from_a_wrong_password():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "refuses the connection; check the port" in failure(f"rtsp://127.0.0.1:{taken.getsockname()[1]}/live")


def test_what_nobody_knows_stays_as_general_as_it_was():
    assert _why("") == "no video comes from there; check the address and the network"
    assert _why("[tcp @ 0x55] Connection to tcp://a:1 failed: Name or service not known").startswith("is not known")
    assert sys.stderr.writable()
