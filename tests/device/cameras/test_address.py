from __future__ import annotations

import base64
import hashlib
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from waste_edge.device.cameras import camera_source, media_source
from waste_edge.device.cameras.address import without_password
from waste_edge.device.cameras.refusal import refusal
from waste_edge.errors import CameraError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:SECRET@cam:554/live", "rtsp://cam:554/live"),
        ("RTSP://user:SECRET@cam/live", "RTSP://cam/live"),
        ("rtsp://user:a/SECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:12/SECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:a#SECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:a?SECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:S@ECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:SECRET@[::1]:554/live", "rtsp://[::1]:554/live"),
        ("http://cam/v.cgi?user=admin&pwd=SECRET", "http://cam/v.cgi?…"),
        ("http://cam/v#SECRET?x", "http://cam/v#…"),
        ("http://cam/user=admin&password=SECRET&channel=1", "http://cam/user=…&password=…&channel=1"),
        ("rtmps://user:SECRET@cam", "rtmps://cam"),
        ("rtsp:/user:SECRET@cam", "rtsp:/cam"),
        ("rtsp://user:SECRET/live", "rtsp://…"),
        ("rtsp://cam/live", "rtsp://cam/live"),
        ("http://cam/v?mail=a@b", "http://cam/v?…"),
        ("films/a@b.mp4", "films/a@b.mp4"),
    ],
)
def test_what_may_be_secret_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "given", ["ftp://u:SECRET@h/x", "rtsp:u:SECRET@h", "rtsp:/u:SECRET@h", "rtsp://u:SECRET@h/\r\n"]
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(clock, given: str) -> None:
    for find in (media_source, camera_source):
        with pytest.raises(CameraError) as caught:
            find(given, clock)
        assert "SECRET" not in str(caught.value)


class _Camera(socketserver.StreamRequestHandler):
    """Answers one question as an RTSP or HTTP camera does that wants `bin` and `right/pass`."""

    scheme = "Basic"

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        text = head.decode()
        method, uri, protocol = text.splitlines()[0].split(" ")
        found = re.search(r"Authorization: (.*)", text)
        if "nowhere" in uri:
            status = "404 Not Found"
        elif found and self._right(found[1].strip(), method, uri):
            status = "200 OK"
        else:
            nonce = ', nonce="abc", qop="auth"' if self.scheme == "Digest" else ""
            status = f'401 Unauthorized\r\nWWW-Authenticate: {self.scheme} realm="cam"{nonce}'
        self.wfile.write(f"{protocol} {status}\r\nCSeq: 1\r\n\r\n".encode())

    def _right(self, given: str, method: str, uri: str) -> bool:
        if self.scheme == "Basic":
            return given == "Basic " + base64.b64encode(b"bin:right/pass").decode()
        fields = dict(re.findall(r'(\w+)="([^"]*)"', given))

        def md5(words: str) -> str:
            return hashlib.md5(words.encode()).hexdigest()

        first, second = md5("bin:cam:right/pass"), md5(f"{method}:{uri}")
        return fields["response"] == md5(f"{first}:abc:{fields['nc']}:{fields['cnonce']}:auth:{second}")


@contextmanager
def camera(scheme: str) -> Iterator[str]:
    handler = type("Handler", (_Camera,), {"scheme": scheme})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
@pytest.mark.parametrize("protocol", ["rtsp", "http"])
def test_a_wrong_password_is_told_from_no_video(scheme: str, protocol: str) -> None:
    with camera(scheme) as host:
        assert refusal(f"{protocol}://bin:right%2Fpass@{host}/live") == ""
        assert "refuses this user or password (401)" in refusal(f"{protocol}://bin:wrong@{host}/live")
        assert "wants a user and a password (401)" in refusal(f"{protocol}://{host}/live")
        assert "no such stream (404)" in refusal(f"{protocol}://{host}/nowhere")


def test_who_does_not_answer_refuses_nothing() -> None:
    assert refusal("rtsp://127.0.0.1:1/live") == ""
    assert refusal("rtsp://[") == ""
    assert refusal("udp://127.0.0.1:1") == ""
