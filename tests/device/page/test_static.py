"""The page in a real browser: what people see, with a mouse, a keyboard or a screen reader.

Names, contrast and structure are checked by axe (the npm package axe-core; `npm pack axe-core` in AXE's folder).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.device.page.browser import PROGRAM, Browser, opened_browser
from tests.device.page.pages import TOKEN, FedPage, fed_page, make_state
from waste_edge.device.page.packets import Told, send
from waste_edge.device.page.snapshot import as_jpeg
from waste_edge.device.page.state import CameraView, Day, DecisionTimes, Speed
from waste_edge.device.system.condition import Condition, Level

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PROGRAM, reason="chromium is not installed"),
]

AXE_PLACES = ("WASTE_EDGE_AXE", "NODE_PATH")
WIDTHS = {"phone": (390, 844), "desk": (1280, 900)}
TAB, ENTER = ("Tab", 9), ("Enter", 13)


def axe_script() -> str:
    """The text of axe.min.js; empty if it is nowhere. WASTE_EDGE_AXE names the file."""
    given = [Path(os.environ[name]) for name in AXE_PLACES if os.environ.get(name)]
    places = [*given, Path("/usr/local/lib/node_modules"), Path("/usr/lib/node_modules"), Path("node_modules")]
    for place in places:
        for path in (place, place / "axe-core" / "axe.min.js"):
            if path.is_file():
                return path.read_text(encoding="utf-8")
    return ""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened_browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page() -> Iterator[FedPage]:
    with fed_page() as page:
        yield page


def jpeg(grey: int, side_px: int = 96) -> bytes:
    import numpy as np

    return as_jpeg(np.full((side_px, side_px, 3), grey, np.uint8), side_px, 80)


ASKED = {
    "review": {
        "open": True, "closes_utc": "2026-03-01T14:03:40.000Z", "audit": False, "stream": "ask", "label": None,
        "source": None, "by_person": False,
    },
    "candidates": [
        {"label": "glass", "stream": "glass", "probability": 0.52},
        {"label": "plastic", "stream": "plastic", "probability": 0.41},
    ],
}  # fmt: skip


def busy(page: FedPage) -> None:
    page.tell_state(
        scene="decided",
        takes_answers=True,
        open_questions=1,
        health=(
            Condition("mqtt", Level.WARN, "broker.local does not answer"),
            Condition("disk", Level.OK, "9 GB free"),
        ),
    )
    for number in range(1, 12):
        page.tell_item(number, ("paper", "glass", "residual")[number % 3], jpeg(20 * number))
    page.tell_item(12, "ask", jpeg(99), action="ask", label="glass", confidence=0.52, _top=ASKED)


def look(page: FedPage) -> None:
    """Tell of a live picture now: an old one is not shown."""
    box = {"left": 0.3, "top": 0.2, "right": 0.7, "bottom": 0.8}
    page.tell_live(1, as_jpeg_of_a_scene(), scene="decided", item_box=box, label="glass", confidence=0.93)


def as_jpeg_of_a_scene() -> bytes:
    import numpy as np

    ramp = np.repeat(np.linspace(90, 180, 640)[None, :, None], 480, axis=0).repeat(3, axis=2)
    return as_jpeg(ramp.astype(np.uint8), 640, 70)


def empty(page: FedPage) -> None:
    days = (Day(day="2026-03-01", items=0, streams={}, actions={}),)
    page.tell_state(totals=(), unknown=0, decision=DecisionTimes(), days=days, started_utc="2026-03-01T09:00:00.000Z")


def broken(page: FedPage) -> None:
    reason = "/dev/video0: the camera does not answer; check its cable"
    page.tell_state(
        camera=CameraView(state="absent", title="USB camera", reason=reason),
        scene="",
        speed=Speed(frames=10),
        health=(Condition("camera", Level.BAD, f"no camera: {reason}"), Condition("disk", Level.WARN, "300 MB free")),
    )


def open_page(browser: Browser, page: FedPage, width: str = "phone", dark: bool = False) -> None:
    browser.show(*WIDTHS[width], dark)
    browser.open(page.url + "/")
    browser.wait("document.getElementById('verdict-text').textContent !== 'connecting'")


def text(browser: Browser, css: str) -> str:
    return str(browser.run(f"document.querySelector({json.dumps(css)}).innerText"))


@pytest.fixture(scope="module")
def told(page) -> FedPage:
    busy(page)
    return page


def test_what_is_told_is_shown(browser, told):
    open_page(browser, told)
    look(told)
    browser.wait("!document.getElementById('picture').hidden")
    assert text(browser, "#station") == "bin 1"
    assert text(browser, "#verdict-text") == "1 warning"
    assert "broker.local does not answer" in text(browser, "#unwell")
    assert text(browser, "#total") == "14"
    assert text(browser, "#box-text") == "glass 93 %"
    where = browser.run(
        "(() => { const b = document.getElementById('box').style; return [b.left, b.top, b.width]; })()"
    )
    assert [float(one.rstrip("%")) for one in where] == pytest.approx([30, 20, 40])
    shown = "[...document.querySelectorAll('#list > li')].filter((one) => one.offsetParent).length"
    assert browser.run(shown) == 8
    browser.run("document.getElementById('more').click()")
    assert browser.run(shown) == 12
    browser.run("document.getElementById('day').selectedIndex = 1")
    browser.run("document.getElementById('day').dispatchEvent(new Event('change'))")
    assert text(browser, "#total") == "3"


@pytest.mark.parametrize("width", list(WIDTHS))
def test_nothing_is_wider_than_the_screen(browser, told, width):
    open_page(browser, told, width)
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_is_asked_of_anybody_else_and_the_policy_refuses_nothing(browser, told):
    browser.events.clear()
    open_page(browser, told)
    time.sleep(2)
    browser.run("1")
    hosts = {re.sub(r"^(blob:)?(https?://[^/]+).*", r"\2", url) for url in browser.requested()}
    assert hosts == {told.url}
    assert browser.complaints() == []


def test_text_from_outside_stays_text(browser, told):
    evil = "<img src=x onerror=window.evil=1>"
    told.tell_state(station=evil, takes_answers=True, health=(Condition("disk", Level.BAD, evil),), places=("a", evil))
    told.tell_item(13, evil, jpeg(50), label=evil, reason=evil)
    open_page(browser, told)
    browser.wait("document.querySelectorAll('#list > li').length === 13")
    assert browser.run("window.evil === undefined")
    assert browser.run("document.querySelectorAll('img[onerror], img[src=x]').length") == 0
    assert evil in text(browser, "#unwell")
    busy(told)


def reply(page: FedPage, wrong: str = "") -> dict[str, Any]:
    command = page.hear("command")
    fields = msgspec.Raw(msgspec.json.encode({"wrong": wrong}))
    send(page.process.socket, Told(kind="reply", number=command.number, fields=fields))
    return dict(json.loads(bytes(command.fields)))


def focused(browser: Browser) -> str:
    return str(
        browser.run(
            "(document.activeElement.getAttribute('aria-label') || document.activeElement.innerText || '').trim()"
        )
    )


def tab_to(browser: Browser, wanted: str) -> None:
    for _ in range(60):
        browser.press(*TAB)
        if focused(browser).startswith(wanted):
            return
    raise AssertionError(f"no Tab led to {wanted}; the last one to {focused(browser)!r}")


def test_a_question_is_answered_with_the_keyboard_alone(browser, told):
    open_page(browser, told)
    browser.wait("!document.getElementById('asks-card').hidden")
    assert "goes to residual in 1:40" in text(browser, "#asks")
    tab_to(browser, "glass")
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is seen"
    browser.press(*ENTER, text="\r")
    assert reply(told)["answer"] == "glass"
    browser.wait("!document.getElementById('said').hidden")
    assert text(browser, "#said") == "Taken: glass"
    done = ASKED | {"review": ASKED["review"] | {"open": False, "source": "page", "stream": "glass", "by_person": True}}  # type: ignore[operator]
    told.tell_item(12, "ask", jpeg(99), action="ask", _top=done | {"number": 14})
    browser.wait("document.getElementById('asks-card').hidden")


def test_an_item_is_corrected_and_what_is_wrong_is_said(browser, told):
    open_page(browser, told)
    browser.wait("document.querySelector('#list button')")
    browser.run("document.querySelectorAll('#list button')[3].click()")
    browser.wait("document.getElementById('correct').open")
    assert browser.run("document.getElementById('correct').contains(document.activeElement)")
    browser.run("document.querySelector('#correct-streams button').click()")
    reply(told, wrong="no such item")
    browser.wait("document.getElementById('correct-wrong').innerText === 'no such item'")
    browser.press("Escape", 27)
    browser.wait("!document.getElementById('correct').open")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
@pytest.mark.parametrize("feed", [busy, empty, broken], ids=["busy", "empty", "broken"])
def test_axe_finds_nothing_wrong(browser, feed, width, dark):
    script = axe_script()
    if not script:
        pytest.skip("axe-core is not installed; WASTE_EDGE_AXE names its axe.min.js")
    with fed_page() as page:
        feed(page)
        open_page(browser, page, width, dark)
        browser.wait("document.getElementById('verdict-text').textContent !== 'no contact'")
        if feed is busy:
            look(page)
            browser.wait("!document.getElementById('picture').hidden")
        browser.run("document.getElementById('all-well').open = true")
        check(browser, script)


def check(browser: Browser, script: str) -> None:
    browser.run(script + "; 1")
    found = browser.run("axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)")
    assert [(one["id"], [node["html"] for node in one["nodes"]], one["help"]) for one in found] == []


def test_the_token_is_asked_for_once(browser):
    with fed_page(TOKEN) as page:
        page.tell_state()
        browser.show(*WIDTHS["phone"], False)
        browser.open(page.url + "/")
        browser.wait("document.getElementById('token')")
        if script := axe_script():
            check(browser, script)
        browser.run("document.getElementById('token').value = 'wrong'; document.querySelector('form').requestSubmit()")
        browser.wait("document.querySelector('.wrong') && document.querySelector('.wrong').innerText")
        browser.run(
            f"document.getElementById('token').value = {TOKEN!r}; document.querySelector('form').requestSubmit()"
        )
        browser.wait("document.getElementById('station') && document.getElementById('station').innerText === 'bin 1'")
        assert browser.run("document.cookie") == "", "no script reads it"
        browser.open(f"{page.url}/?token={TOKEN}")
        browser.wait("document.getElementById('station')")
        assert browser.run("location.href") == page.url + "/"


def test_a_station_that_goes_is_noticed(browser):
    with fed_page() as page:
        page.tell_state()
        open_page(browser, page)
        browser.wait("document.getElementById('verdict-text').textContent === 'All well'")
        page.process.close()
        browser.wait("!document.getElementById('offline').hidden", 30)
        assert "No contact with the station" in text(browser, "#offline")
    assert make_state().station == "bin 1"
