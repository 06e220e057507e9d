"""Clients that mean no good: the page's process stays small, a viewer gets in, and the loop does not notice."""

from __future__ import annotations

import contextlib
import http.client
import json
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.device.page.pages import TOKEN, FedPage, fed_page, free_port
from waste_edge.files import limits

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")

MOST_MB = 120


@pytest.fixture(scope="module")
def only_page() -> Iterator[FedPage]:
    with fed_page(TOKEN) as page:
        page.tell_state()
        yield page


@pytest.fixture
def page(only_page) -> Iterator[FedPage]:
    yield only_page
    assert only_page.memory_mb() < MOST_MB
    assert only_page.get("/", Authorization=f"Bearer {TOKEN}")[0] == 200, "it serves on"


def hold_open(port: int, count: int) -> list[socket.socket]:
    """So many clients that send half a header."""
    clients = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port), 30)
        client.sendall(b"GET / HTTP/1.1\r\nHost: local")
        clients.append(client)
    return clients


def ended(clients: list[socket.socket], within_s: float) -> int:
    """How many of them the page has thrown out by then; every second each sends one more letter."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.setblocking(False)
            selector.register(client, selectors.EVENT_READ)
        gone, until = 0, time.monotonic() + within_s
        while time.monotonic() < until and gone < len(clients):
            for key, _ in selector.select(1):
                with contextlib.suppress(OSError):
                    if key.fileobj.recv(100):  # type: ignore[union-attr]
                        continue
                gone += 1
                selector.unregister(key.fileobj)
            for key in list(selector.get_map().values()):
                with contextlib.suppress(OSError):
                    key.fileobj.send(b"h")  # type: ignore[union-attr]
        return gone


def test_five_hundred_slow_clients_are_thrown_out_and_a_viewer_gets_in(page):
    clients = hold_open(page.port, 500)
    try:
        started = time.monotonic()
        assert page.get("/api/state", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert time.monotonic() - started < 60, "tenths of a second where nothing else runs"
        assert ended(clients, limits.PAGE_HEADER_S + 30) == 500
    finally:
        for client in clients:
            client.close()


def test_a_client_that_does_not_read_its_answer_is_thrown_out(page):
    with contextlib.closing(socket.create_connection(("127.0.0.1", page.port), 30)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        request = f"GET /static/page.js HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        with contextlib.suppress(OSError):  # as far as the page reads them
            client.settimeout(3)
            client.sendall(request.encode() * 2000)
        assert page.get("/api/state", Authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize("line", [b"X-Long: " + b"a" * 10_000_000, b"A: b\r\n" * 1_700_000, b"a" * 10_000_000])
def test_headers_of_ten_megabytes_are_refused(page, line):
    with contextlib.closing(socket.create_connection(("127.0.0.1", page.port), 30)) as client:
        answer = b""
        with contextlib.suppress(OSError):  # it may hang up while the rest is being sent
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\n\r\n")
        with contextlib.suppress(OSError):
            answer = client.recv(1000)
        assert not answer or answer.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd", "/static/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd",
        "/crops/..%2f..%2fetc%2fpasswd.jpg", "/static/....//page.css", "//etc/passwd", "/static/page.css%00.html",
        "/%c0%ae%c0%ae/etc/passwd", "/static/\\..\\..\\etc\\passwd",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file(page, path):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)) as client:
        client.putrequest("GET", path)
        client.putheader("Authorization", f"Bearer {TOKEN}")
        client.endheaders()
        with client.getresponse() as answer:
            assert answer.status in (400, 404)
            assert b"root:" not in answer.read()


def test_a_thousand_wrong_tokens_open_nothing():
    with (
        fed_page(TOKEN) as page,
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)) as client,
    ):
        statuses, started = [], time.monotonic()
        for number in range(1000):
            client.request("GET", "/", headers={"Authorization": f"Bearer {number:032d}"})
            with client.getresponse() as answer:
                answer.read()
                statuses.append(answer.status)
        assert page.memory_mb() < MOST_MB
        minutes = 1 + int((time.monotonic() - started) / 60)
    assert set(statuses) == {401, 429}
    assert 10 <= statuses.count(401) <= 10 * minutes, "ten a minute"


def test_nothing_that_a_visitor_sends_is_written_anywhere(page):
    """Neither a token in an address nor an odd request: what the process says goes to the journal as it ends."""
    for path in (f"/?token={TOKEN}", "/?token=wrong-token-of-somebody", "/nowhere?token=x"):
        page.get(path)
    with contextlib.closing(socket.create_connection(("127.0.0.1", page.port), 30)) as client:
        client.sendall(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    page.process.listen()
    assert page.process._said == b""


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_of_two_hundred_megabytes_is_cut_off(tiny_bundle, chunked):
    from tests.device.page.server.test_uploads import order_of

    with fed_page(model=order_of(tiny_bundle)) as page:
        with contextlib.closing(socket.create_connection(("127.0.0.1", page.port), 30)) as client:
            head = b"POST /classify HTTP/1.1\r\nHost: localhost\r\n"
            length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 200000000"
            sent = 0
            with contextlib.suppress(OSError):
                client.sendall(head + length + b"\r\n\r\n")
                while sent < 200_000_000:
                    chunk = b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n" if chunked else b"x" * 1_000_000
                    client.sendall(chunk)
                    sent += 1_000_000
            assert sent < 60_000_000, "it hangs up"
        assert page.memory_mb() < MOST_MB
        assert page.get("/healthz")[0] in (200, 503)


def test_random_bytes_end_nothing(page):
    import random

    chance = random.Random(7)
    for _ in range(200):
        with (
            contextlib.suppress(OSError),
            contextlib.closing(socket.create_connection(("127.0.0.1", page.port), 30)) as c,
        ):
            c.sendall(chance.choice([b"", b"GET / HTTP/1.1\r\n", b"POST /classify HTTP/1.1\r\nHost: a\r\n"]))
            c.sendall(chance.randbytes(chance.randrange(1, 3000)))


# --- a real station -----------------------------------------------------------------------------------------------


class RealStation:
    """`waste-edge run` on the synthetic camera, with a page."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "waste_edge", "run", "--camera", "synthetic:15", "--bundle", "small"]
        command += ["--page", str(self.port), "--json", "--state", str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lines: list[dict] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(json.loads(line))

    def state(self) -> dict:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as client:
            client.request("GET", "/api/state")
            with client.getresponse() as answer:
                return json.loads(answer.read())["state"]

    def settle(self) -> None:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with contextlib.suppress(OSError, TypeError):
                if self.state()["speed"]["frames"] > 60:
                    return
            time.sleep(0.2)
        raise AssertionError("the station never came up")

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.mark.alone
def test_the_loop_of_a_real_station_does_not_notice(tmp_path):
    """Frame rate and age while nobody does anything, and while slow clients, uploads and tokens come at once."""
    station = RealStation(tmp_path)
    try:
        station.settle()
        time.sleep(8)
        before = station.state()["speed"]
        stop = threading.Event()

        def attack() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    clients = hold_open(station.port, 100)
                    big = socket.create_connection(("127.0.0.1", station.port), 10)
                    big.sendall(b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16000000\r\n\r\n")
                    big.sendall(b"x" * 8_000_000)
                    time.sleep(0.5)
                    for client in (*clients, big):
                        client.close()

        attacker = threading.Thread(target=attack)
        attacker.start()
        time.sleep(12)
        during = station.state()["speed"]
        stop.set()
        attacker.join()
        assert during["frames"] - before["frames"] > 12 * 15 * 0.8
        assert during["frame_age_p95_ms"] < before["frame_age_p95_ms"] + 50
        assert during["silence_s"] < 1
    finally:
        station.end()
