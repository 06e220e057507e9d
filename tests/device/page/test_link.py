"""A page's process that dies, hangs or cannot listen; what it is told after that."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
import urllib.request
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.device.page.pages import free_port
from tests.device.telling import make_event
from waste_edge.device.clock import SystemClock, SystemWallClock
from waste_edge.device.page import link as linking
from waste_edge.device.page.config import PageConfig
from waste_edge.device.page.link import PageLink
from waste_edge.device.page.listener import PageListener, Review
from waste_edge.device.page.opening import PageParts, opened_page
from waste_edge.device.page.packets import PageOrder
from waste_edge.device.page.process import PageProcess
from waste_edge.device.page.snapshot import Composer, Station
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.device.views.display import About

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")

ABOUT = About("a camera", "small 2", "tflite-int8", "LiteRT", ("paper",), "four bins", {"paper": "blue"}, "black")


class Linked:
    """A link, its listener, and what health says of it."""

    def __init__(self, port: int) -> None:
        self.health = Health()
        self.url = f"http://127.0.0.1:{port}"
        self.processes: list[PageProcess] = []
        self.commands: list[bytes] = []
        clock, wall = SystemClock(), SystemWallClock()
        self.listener = PageListener(clock, wall, items=5, live_fps=4)
        self.composer = Composer(Station("bin 1", ABOUT), self.listener, self.health, (clock, wall))
        order = PageOrder(host="127.0.0.1", port=port, token="", names=[], hidden=[], shown=[], items=5)
        self.start = partial(self._start, order)
        self.link = PageLink((self.listener, self.composer), self.health, clock, self.start, 5, self._answer)

    def _start(self, order: PageOrder) -> PageProcess:
        self.processes.append(PageProcess(order))
        return self.processes[-1]

    def _answer(self, command: bytes, done) -> None:
        self.commands.append(command)
        done("" if b"paper" in command else "no such stream")

    def condition(self) -> Condition | None:
        return next((one for one in self.health.now() if one.part == "page"), None)

    def wait(self, what, within_s: float = 180.0):
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if found := what():
                    return found
            self.health.news(0)  # as the loop does, at each turn
            time.sleep(0.05)
        raise AssertionError(f"never came true; the page is {self.condition()}")

    def listens(self) -> bool:
        condition = self.condition()
        return condition is not None and condition.level is Level.OK

    def get(self, path: str = "/api/state") -> dict:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.loads(answer.read())

    def decide(self, number: int) -> str:
        self.listener.decided(replace(make_event(number), crop=np.full((32, 32, 3), number, np.uint8)))
        return make_event(number).id

    def shown(self) -> list[str]:
        return [item["id"] for item in self.get()["items"]]


@pytest.fixture
def linked():
    linked = Linked(free_port())
    linked.link.start()
    yield linked
    started = time.monotonic()
    linked.link.stop()
    assert time.monotonic() - started < 5
    until = time.monotonic() + 30  # a busy machine lets a killed process wait for its end
    while any(Path(f"/proc/{process.pid}").exists() for process in linked.processes):
        assert time.monotonic() < until, "a process is left behind"
        time.sleep(0.05)


def test_a_page_that_is_killed_comes_back_with_all_that_it_knew(linked):
    linked.wait(linked.listens)
    ids = [linked.decide(number) for number in range(1, 9)]
    linked.wait(lambda: linked.shown() == ids[-5:])
    linked.wait(lambda: linked.get()["state"])
    os.kill(linked.processes[0].pid, signal.SIGKILL)
    linked.wait(lambda: not linked.listens())
    said = linked.condition()
    assert said is not None
    assert said.level is Level.WARN
    assert "was ended by signal 9; it is started again in 1 s" in said.text
    linked.decide(9)  # while nobody listens
    linked.wait(linked.listens)
    linked.wait(lambda: linked.shown() == [*ids[-4:], make_event(9).id])
    linked.wait(lambda: linked.get()["state"]["page_starts"] == 2)


def test_another_model_is_shown_by_a_process_of_its_own_and_nothing_is_forgotten(linked):
    linked.wait(linked.listens)
    ids = [linked.decide(number) for number in range(1, 4)]
    linked.wait(lambda: linked.shown() == ids)
    linked.composer.renew(replace(ABOUT, bundle="small 3"))
    linked.link.renew(linked.start)
    linked.wait(lambda: len(linked.processes) == 2)
    linked.wait(lambda: linked.get()["state"]["run"]["bundle"] == "small 3")
    linked.wait(lambda: linked.shown() == ids)
    assert linked.listens()


def test_a_page_that_hangs_is_replaced(linked, monkeypatch):
    linked.wait(linked.listens)
    monkeypatch.setattr(linking, "_SILENCE_NS", 8_000_000_000)
    os.kill(linked.processes[0].pid, signal.SIGSTOP)
    linked.wait(lambda: not linked.listens())
    assert "gave no sign of life for 8 s and was killed" in str(linked.condition())
    linked.wait(linked.listens)


def test_a_port_that_another_program_has_is_named_and_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        linked = Linked(port)
        linked.link.start()
        try:
            linked.wait(lambda: linked.condition() is not None)
            assert "Address already in use): another program has it; give [page] another port" in str(
                linked.condition()
            )
            other.close()
            linked.wait(linked.listens)
        finally:
            linked.link.stop()


def test_an_answer_goes_to_the_station_and_what_is_wrong_comes_back(linked):
    linked.wait(linked.listens)

    def post(answer: str) -> tuple[int, dict]:
        body = json.dumps({"id": "1" * 32, "answer": answer}).encode()
        try:
            with urllib.request.urlopen(f"{linked.url}/api/answer", body, timeout=30) as found:
                return found.status, json.loads(found.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    assert post("paper") == (200, {"wrong": ""})
    assert post("nonsense") == (409, {"wrong": "no such stream"})
    assert json.loads(linked.commands[0]) == {"id": "1" * 32, "answer": "paper"}


def test_what_people_did_to_an_item_is_shown_with_it(linked):
    linked.wait(linked.listens)
    fields = {"open": True, "stream": "ask", "source": None}
    event = {"id": make_event(1).id, "decision": {"stream": "ask"}}
    linked.listener.review(Review(make_event(1).id, event, "2026-03-01T14:00:00Z", fields))  # before it is decided
    linked.decide(1)
    linked.decide(2)
    linked.wait(lambda: len(linked.shown()) == 2)
    assert linked.listener.open_questions == {make_event(1).id}
    linked.wait(lambda: linked.get()["state"] and linked.get()["state"]["open_questions"] == 1)
    linked.listener.review(Review(make_event(1).id, event, "", {"open": False, "stream": "paper", "source": "page"}))
    linked.wait(lambda: linked.get()["items"][0]["review"]["stream"] == "paper")
    assert linked.shown() == [make_event(1).id, make_event(2).id], "it keeps its place"
    assert linked.get()["items"][0]["frames"] == 5
    linked.listener.review(Review("f" * 32, event, "", {"open": False}))  # of an item that is shown no more
    linked.decide(3)
    linked.wait(lambda: linked.shown() == [make_event(number).id for number in (1, 2, 3)])


def test_live_pictures_are_sent_only_while_somebody_looks(linked, make_seen):
    linked.wait(linked.listens)
    linked.listener.beat()
    linked.listener.seen(make_seen(0))
    assert linked.listener.take_live() is None
    with urllib.request.urlopen(f"{linked.url}/live.jpg", timeout=30) as answer:
        assert answer.status == 204
    linked.wait(lambda: linked.listener.watched_until_ns)
    linked.health.news(0)
    linked.listener.seen(make_seen(10_000_000_000))
    with urllib.request.urlopen(f"{linked.url}/live.jpg?after=0", timeout=30) as answer:
        assert answer.read()[:2] == b"\xff\xd8"
        assert json.loads(answer.headers["X-Live"])["scene"] == "empty"


def test_a_page_is_opened_from_its_table_and_hides_what_it_is_told_to_hide(tmp_path):
    (tmp_path / "secret").write_text("x")
    health, clock, port = Health(), SystemClock(), free_port()
    parts = PageParts(Station("bin 1", ABOUT), hidden=[str(tmp_path)])
    with opened_page(PageConfig(port=port), parts, health, clock) as listener:
        until = time.monotonic() + 180
        while not any(one.part == "page" for one in health.now()):
            assert time.monotonic() < until
            time.sleep(0.05)
        listener.beat()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            assert b"<h1" in answer.read()
