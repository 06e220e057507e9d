"""A commissioning held over its page: a real page's process, asked by a real client, beside a scripted camera."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.device.commission.pictures import picture
from tests.device.commission.test_dialogue import Film
from tests.device.page.pages import TOKEN, free_port
from waste_edge.device.clock import SystemClock
from waste_edge.device.commission.dialogue import Conversation, Dialogue, Note, confirmed
from waste_edge.device.commission.page import CommissionPage, opened_page
from waste_edge.device.commission.session import Session
from waste_edge.device.page.config import PageConfig
from waste_edge.errors import ConfigError, UserError

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")


class Client:
    """A browser's requests."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            method, text = ("GET", None) if body is None else ("POST", json.dumps(body))
            client.request(method, path, text, headers)
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()

    def press(self, typed: str) -> tuple[int, str]:
        status, body = self.ask("/api/typed", {"typed": typed})
        found = json.loads(body)
        return status, found.get("wrong", found.get("error"))

    def state(self, until: Callable[[dict[str, Any]], object] = bool) -> dict[str, Any]:
        """The state as soon as it is as expected."""
        end = time.monotonic() + 60
        found: dict[str, Any] | None = None
        while time.monotonic() < end:
            try:
                found = json.loads(self.ask("/api/state")[1])["state"]
            except OSError:
                found = None
            if found and until(found):
                return found
            time.sleep(0.02)
        raise AssertionError(f"never came true; last: {found}")


@pytest.fixture
def client() -> Client:
    return Client(free_port())


@pytest.fixture
def page(session: Session, client: Client) -> Iterator[CommissionPage]:
    with opened_page(PageConfig(port=client._port), session, 2) as page:
        client.state()
        yield page


def hold(session: Session, page: CommissionPage, film: Film, does: Callable[[int], None]) -> tuple[list[Note], str]:
    """Hold the dialogue; `does` acts as the person at the browser, at each turn."""
    notes: list[Note] = []

    def tell(note: Note) -> None:
        notes.append(note)
        page.tell(note)

    def ask() -> str | None:
        page.news()
        does(film.number)
        return page.ask()

    talk = Conversation(tell, ask, wanted=2, listener=page.listener)
    page.takes_words = True
    shutter = session.shutter(live=False)
    return notes, Dialogue(session.bundle, session.view, shutter, session.records, talk).hold(film)


def counts(state: dict[str, Any]) -> dict[str, int]:
    return {one["label"]: one["items"] for one in state["labels"]}


def test_buttons_say_what_the_keyboard_says(session: Session, page: CommissionPage, client: Client) -> None:
    one = picture("red", 1, 96)
    film = Film(one, one, picture("red", 2, 96), picture("green", 3, 96))
    seen: dict[str, Any] = {}

    def browser(frame: int) -> None:
        shots = session.records.shots
        if frame > 10 and "begun" not in seen and page.listener.scene == "learning":
            seen["begun"] = client.state(lambda state: state["wanted"] == "blue")
            assert client.press("red") == (200, "")
        elif len(shots) == 2 and "first" not in seen:
            seen["first"] = client.state(lambda state: counts(state)["red"] == 1)
            assert client.press("green") == (200, "")
        elif len(shots) == 4 and "second" not in seen:
            seen["second"] = client.state(lambda state: counts(state)["green"] == 1)
            assert client.press("u") == (200, "")
        elif "second" in seen and len(shots) == 2 and "back" not in seen:
            seen["back"] = client.state(lambda state: state["notes"][-1]["kind"] == "prompt")
            assert client.press("+") == (200, "")
        elif len(shots) == 4 and "back" in seen and "again" not in seen:
            seen["again"] = client.state()
            assert client.press("f") == (200, "")
            assert client.press("q") == (200, "")

    notes, why = hold(session, page, film, browser)
    assert why == "stopped; go on another time"
    assert [(shot.label, shot.item) for shot in session.records.shots[::2]] == [("red", 1), ("red", 1)]
    assert seen["begun"]["mode"] == "talk"
    assert seen["first"]["notes"][-2] | {"number": 0} == {
        "number": 0,
        "kind": "shot",
        "text": "item 1: red",
        "well": True,
    }
    refused = [note for note in seen["second"]["notes"] if note["well"] is False]
    assert "a near-copy of item 1" in refused[0]["text"]
    assert [note.text for note in notes if note.kind == "shot"].count("took back item 2 (green)") == 1
    last = client.state(lambda state: state["notes"][-1]["kind"] == "help")
    assert "too little was shown" in last["notes"][-1]["text"]
    assert last["camera"]["state"] == "ok"


def test_the_live_view_is_that_of_the_station(session: Session, page: CommissionPage, client: Client) -> None:
    looked: list[tuple[int, bytes]] = []

    def browser(frame: int) -> None:
        if frame in (12, 30) and len(looked) < frame:
            looked.append(client.ask("/live.jpg?after=-1"))
        elif frame == 34:
            client.press("q")

    page.listener.watched_until_ns = 1 << 62
    hold(session, page, Film(picture("red", 1, 96)), browser)
    assert any(status == 200 and body[:2] == b"\xff\xd8" for status, body in looked)


def test_a_yes_on_the_page_is_a_yes(page: CommissionPage, client: Client) -> None:
    words = iter(["s", "y"])
    pressed: list[tuple[int, str]] = []

    def ask() -> str | None:
        page.news()
        word = next(words, None)
        if word is not None:
            client.state(lambda state: state["mode"] == "question")
            pressed.append(client.press(word))
        return page.ask()

    assert client.press("y") == (409, "nothing is asked at the moment")
    assert confirmed(Conversation(page.tell, ask), "Install it?")
    assert pressed == [(200, ""), (200, "")]
    assert page.ask() is None


def test_only_what_belongs_to_a_commissioning_is_served(page: CommissionPage, client: Client) -> None:
    assert b'id="labels"' in client.ask("/")[1]
    for path in ("/static/commission.js", "/static/commission.css", "/static/common.js"):
        assert client.ask(path)[0] == 200, path
    for path in ("/healthz", "/metrics", "/crops/x.jpg"):
        assert client.ask(path)[0] == 404, path
    for wrong in ({"typed": ""}, {"typed": "a\nb"}, {"typed": "x" * 5000}, {"other": "q"}, ["q"]):
        assert client.ask("/api/typed", wrong)[0] in (400, 413), wrong
    assert client.ask("/api/typed", {"typed": "q"}, Origin="http://elsewhere.example")[0] == 403


def test_how_it_ended_is_shown_and_nothing_is_taken_then(page: CommissionPage, client: Client) -> None:
    page.tell(Note("question", "Install it?"))
    page.end("done")
    assert client.state(lambda state: state["mode"] == "ended")["ended"] == "done"
    assert client.press("y") == (409, "the commissioning has ended: done")


def test_a_fault_that_ends_it_is_shown(session: Session, client: Client) -> None:
    pages = []

    def fail() -> None:
        with opened_page(PageConfig(port=client._port), session, 2) as page:
            pages.append(page)
            raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        fail()
    assert pages[0].ended == "the disk is full"


def test_more_clicks_than_are_taken_are_refused(session: Session) -> None:
    page = CommissionPage(session, 2, SystemClock(), 4.0)
    page.tell(Note("question", "Install it?"))
    answers: list[str] = []
    for _ in range(20):
        page.answer(b'{"typed": "x"}', answers.append)
    page.answer(b"nonsense", answers.append)
    assert answers[:16] == [""] * 16
    assert "too much at once" in answers[16]
    assert answers[-1].startswith("no line: ")


def test_a_page_for_others_asks_for_its_token(session: Session, client: Client, tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="a token is required"), opened_page(PageConfig("0.0.0.0"), session, 2):
        pass
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    with opened_page(PageConfig(port=client._port, token_file=str(secret)), session, 2):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                status = client.ask("/api/state")[0]
                break
            except OSError:
                time.sleep(0.05)
        assert status == 401
        assert client.ask("/api/typed", {"typed": "q"})[0] == 401
        assert client.ask("/api/state", Authorization=f"Bearer {TOKEN}")[0] == 200
