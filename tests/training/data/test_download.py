from __future__ import annotations

import contextlib
import hashlib
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from waste_edge.errors import UserError
from waste_edge.training.data import download as download_module
from waste_edge.training.data import web
from waste_edge.training.data.download import TRIES, download
from waste_edge.training.data.web import FetchFailedError

CONTENT = np.random.default_rng(5).integers(0, 256, 1_000_003).astype(np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Call:
    """One `download`, with its progress and its waits written down."""

    def __init__(self) -> None:
        self.progress: list[tuple[int, int | None]] = []
        self.waits: list[float] = []

    def __call__(self, addresses: list[str], target: Path, sha256: str | None = SHA256) -> str:
        return download(
            addresses, target, sha256, lambda done, total: self.progress.append((done, total)), self.waits.append
        )


@pytest.fixture
def call() -> Call:
    return Call()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "data.archive"


def nothing_but(target: Path) -> bool:
    return list(target.parent.iterdir()) == [target]


def test_a_file_comes_whole_with_its_sum_and_progress(serve, target, call) -> None:
    assert call([serve(CONTENT).address], target, None) == SHA256
    assert target.read_bytes() == CONTENT
    assert call.progress[-1] == (len(CONTENT), len(CONTENT))
    assert nothing_but(target), "the .part and its facts are gone"


def test_without_a_length_the_end_is_the_end(serve, target, call) -> None:
    server = serve(CONTENT)
    server.tells_length = False
    assert call([server.address], target) == SHA256
    assert call.progress[-1] == (len(CONTENT), None)


def test_a_broken_connection_is_gone_on_with_by_itself(serve, target, call) -> None:
    server = serve(CONTENT)
    server.breaks_after = [300_000, 200_000]
    assert call([server.address], target) == SHA256
    assert server.asked == ["", "bytes=300000-", "bytes=500000-"]
    assert target.read_bytes() == CONTENT
    assert len(call.waits) == 2


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(serve, target, call) -> None:
    server = serve(CONTENT)
    server.breaks_after = [400_000] + [0] * TRIES
    with pytest.raises(UserError, match=r"broke after 400,000 of 1,000,003 bytes; tried 5 times.*again to go on"):
        call([server.address], target)
    assert not target.exists()
    server.breaks_after, server.asked = [], []
    assert call([server.address], target) == SHA256
    assert server.asked == ["bytes=400000-"]


def test_tries_that_bring_bytes_do_not_count(serve, target, call) -> None:
    server = serve(CONTENT)
    server.breaks_after = [50_000] * 15
    assert call([server.address], target) == SHA256
    assert set(call.waits) == {1.0}


def test_a_server_without_ranges_is_asked_from_the_start(serve, target, call) -> None:
    server = serve(CONTENT)
    server.ranges, server.breaks_after = False, [300_000]
    assert call([server.address], target) == SHA256
    assert server.asked == ["", "bytes=300000-"]
    assert target.read_bytes() == CONTENT


def test_pieces_of_two_versions_are_never_joined(serve, target, call) -> None:
    server = serve(CONTENT)
    server.breaks_after = [300_000] + [0] * TRIES
    with pytest.raises(UserError):
        call([server.address], target, None)
    other = bytes(reversed(CONTENT))
    server.content, server.tag, server.breaks_after = other, '"2"', []
    assert call([server.address], target, None) == hashlib.sha256(other).hexdigest()


def test_without_a_sum_or_a_tag_one_starts_over(serve, target, call) -> None:
    server = serve(CONTENT)
    server.tag, server.breaks_after = "", [300_000] + [0] * TRIES
    with pytest.raises(UserError):
        call([server.address], target, None)
    server.breaks_after, server.asked = [], []
    assert call([server.address], target, None) == SHA256
    assert server.asked == [""]


def test_a_part_that_is_the_whole_file_needs_no_more(serve, target, call) -> None:
    target.parent.mkdir()
    target.with_name("data.archive.part").write_bytes(CONTENT)
    assert call([serve(CONTENT).address], target) == SHA256


def test_a_part_that_is_longer_than_the_file_is_dropped(serve, target, call) -> None:
    target.parent.mkdir()
    target.with_name("data.archive.part").write_bytes(CONTENT + b"more")
    assert call([serve(CONTENT).address], target) == SHA256
    assert target.read_bytes() == CONTENT


def test_a_wrong_sum_is_told_and_what_came_removed(serve, target, call) -> None:
    server = serve(CONTENT + b"!")
    with pytest.raises(UserError, match=f"has the SHA-256 {server.sha256}, expected {SHA256}"):
        call([server.address], target)
    assert not list(target.parent.iterdir())


def test_the_second_address_is_asked_if_the_first_fails(serve, target, call) -> None:
    first, second = serve(b""), serve(CONTENT)
    first.status = [404]
    assert call([first.address, second.address], target) == SHA256


def test_what_is_not_there_is_not_asked_for_twice(serve, target, call) -> None:
    server = serve(CONTENT)
    server.status = [404] * 9
    with pytest.raises(UserError, match="404 Not Found"):
        call([server.address], target)
    assert len(server.asked) == 1


def test_a_server_that_is_busy_is_asked_again(serve, target, call) -> None:
    server = serve(CONTENT)
    server.status = [503, 429, 500]
    assert call([server.address], target) == SHA256
    assert call.waits == [1.0, 2.0, 4.0]


def test_nobody_there_is_one_line(target, call) -> None:
    with pytest.raises(UserError, match=r"no connection .*refused"):
        call(["http://127.0.0.1:1/data.zip"], target)
    assert len(call.waits) == TRIES - 1


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_not_an_archive(serve, target, call, kind) -> None:
    server = serve(b"\n <!DOCTYPE html><html><title>Sign in</title></html>")
    server.kind = kind
    with pytest.raises(UserError, match=r"a web page came.*--archive FILE"):
        call([server.address], target)
    assert not list(target.parent.iterdir())


def test_redirects_are_followed_with_the_range(serve, target, call) -> None:
    server = serve(CONTENT)
    server.sends_to = {"/moved": server.address}
    server.breaks_after = [300_000]
    assert call([server.address.replace("data.zip", "moved")], target) == SHA256
    assert server.asked[-1] == "bytes=300000-"


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://example.org/data.zip"])
def test_redirects_lead_to_nothing_but_http(serve, target, call, place) -> None:
    server = serve(CONTENT)
    server.sends_to = {"/data.zip": place}
    with pytest.raises(UserError, match=r"sends us to|not allowed"):
        call([server.address], target)


def test_an_unencrypted_redirect_needs_a_sum(serve, target, call) -> None:
    server = serve(CONTENT)
    server.sends_to = {"/data.zip": "http://example.org/data.zip"}
    with pytest.raises(UserError, match="not encrypted"):
        call([server.address], target, None)


def test_a_full_disk_is_one_line(serve, target, call) -> None:
    target.parent.mkdir()
    target.with_name("data.archive.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="no space left on the disk; free some and run the same command"):
        call([serve(CONTENT).address], target)


def test_a_disk_that_will_be_full_is_told_before(serve, target, call, monkeypatch) -> None:
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: _Usage())
    with pytest.raises(UserError, match="1,000,003 more bytes are needed, 1,000 are free"):
        call([serve(CONTENT).address], target)


class _Usage:
    free = 1_000


def test_two_fetches_do_not_write_one_file(serve, target, call) -> None:
    server = serve(CONTENT)
    with (
        download_module._opened(target.with_name("data.archive.part")),
        pytest.raises(UserError, match="another fetch is at work"),
    ):
        call([server.address], target)


def test_a_folder_that_cannot_be_written_is_one_line(serve, tmp_path, call) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another --out"):
        call([serve(CONTENT).address], tmp_path / "file" / "data.archive")


def test_an_archive_without_end_is_not_fetched(serve, target, call, monkeypatch) -> None:
    monkeypatch.setattr(download_module, "MAX_BYTES", 500_000)
    server = serve(CONTENT)
    with pytest.raises(UserError, match="is larger than"):
        call([server.address], target)
    server.tells_length = False
    with pytest.raises(UserError, match="is larger than"):
        call([server.address], target)


def test_a_server_that_trickles_is_given_up() -> None:
    now_s = 0.0
    pace = download_module._Pace(lambda: now_s)
    for second in range(1, 45):
        now_s = float(second)
        pace.came(1)
    now_s = 46.0
    with pytest.raises(FetchFailedError, match="sent 45 bytes in 46 s, too slow"):
        pace.came(1)


def test_a_server_that_pauses_is_not_given_up() -> None:
    now_s = 0.0
    pace = download_module._Pace(lambda: now_s)
    pace.came(10_000_000)
    now_s = 50.0
    pace.came(1)
    now_s = 94.0
    pace.came(1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nxx",
        b"HTTP/1.1 206 P\r\nContent-Range: bytes \xb2-5/6\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 302 F\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 F\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["digits", "superscript", "redirect", "file", "chunk", "negative", "nonsense"],
)
def test_senseless_answers_end_in_one_line_or_in_a_file(target, call, answer: bytes) -> None:
    with answering(answer) as address:
        with pytest.raises(UserError) as caught:
            call([address], target)
        assert "\n" not in str(caught.value)


def test_a_server_that_never_finishes_its_first_lines_is_hung_up_on(target, call, monkeypatch) -> None:
    monkeypatch.setattr(web, "DOWNLOAD_ANSWER_S", 0.3)
    with (
        answering(b"HTTP/1.1 100 Continue\r\n\r\n", again_s=0.05) as address,
        pytest.raises(UserError, match=r"does not answer within 0\.3 s"),
    ):
        call([address], target)


@contextlib.contextmanager
def answering(answer: bytes, again_s: float = 0.0) -> Iterator[str]:
    """A server that says the same to everybody: once, or for ever."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.recv(4096)
                self.request.sendall(answer)
                while again_s:
                    time.sleep(again_s)
                    self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/x"
        server.shutdown()
