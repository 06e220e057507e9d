"""The page of a commissioning in a real browser: what is shown, what the buttons send, whom it can be used by."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.device.page.browser import PROGRAM, Browser, opened_browser
from tests.device.page.pages import FedPage, fed_page
from tests.device.page.test_static import (
    ENTER,
    WIDTHS,
    axe_script,
    check,
    look,
    reply,
    tab_to,
    text,
)
from waste_edge.device.page.packets import Told, send

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PROGRAM, reason="chromium is not installed"),
]

EVIL = "<img src=x onerror=window.evil=1>"
LABELS = [
    {"label": "glass", "items": 3, "wanted": 10},
    {"label": "metal", "items": 2, "wanted": 10},
    {"label": "unknown", "items": 0, "wanted": 4},
]


def judged(label: str, items: int, value: float | None, **fields: Any) -> dict[str, Any]:
    accuracy = None if value is None else {"value": value, "low": value - 0.1, "high": 1.0}
    return {"label": label, "items": items, "shots": 2 * items, "accuracy": accuracy, "shipped": 0.5} | fields


OUTCOME = {
    "items": 5, "shots": 10, "verdict": "better than the shipped head: +12 points (p 0.030)", "better": True,
    "accuracy": {"value": 0.8, "low": 0.6, "high": 0.9}, "shipped": {"value": 0.68, "low": 0.5, "high": 0.8},
    "labels": [judged("glass", 3, 0.75, taken_for="metal"), judged("metal", 2, None, shipped=None, taken_for="")],
    "next": ["metal", "glass"],
}  # fmt: skip


def tell(page: FedPage, **changes: Any) -> None:
    state = {
        "station": "bin 1", "version": "0.1.0", "bundle": "small 3", "mode": "talk", "scene": "empty",
        "prompt": "show an item of METAL (3 of 10)", "wanted": "metal", "labels": LABELS,
        "notes": [{"number": 1, "kind": "shot", "text": "item 5: glass", "well": True}],
        "camera": {"state": "ok", "title": "USB camera", "reason": ""}, "outcome": None, "missing": [],
        "region": None, "proposed": [], "ended": "",
    } | changes  # fmt: skip
    assert send(page.process.socket, Told(kind="state"), msgspec.json.encode(state))


def full(page: FedPage, **changes: Any) -> None:
    region = {"left": 0.2, "top": 0.1, "right": 0.8, "bottom": 0.9}
    refused = {"number": 2, "kind": "shot", "text": "not taken, blurred: hold it still", "well": False}
    notes = [{"number": 1, "kind": "prompt", "text": "show an item of METAL (3 of 10)", "well": None}, refused]
    missing = ["no hands, sleeves or other things were shown"]
    lines = ["rotate = 90", "region = { left = 0.2, top = 0.1, right = 0.8, bottom = 0.9 }"]
    found = {"outcome": OUTCOME, "region": region, "proposed": lines, "notes": notes, "missing": missing}
    tell(page, **found | changes)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened_browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[FedPage]:
    with fed_page(shows="commission") as page:
        browser.show(*WIDTHS["desk"], False)
        tell(page)
        browser.open(page.url + "/")
        browser.wait("document.getElementById('labels').children.length === 3")
        yield page


def test_what_is_told_is_shown(browser: Browser, page: FedPage) -> None:
    assert text(browser, "#prompt") == "Show an item of METAL (3 of 10)"
    assert text(browser, "#verdict.ok") == "Item 5: glass"
    assert browser.run("document.querySelector('#labels [aria-current=true]').dataset.typed") == "metal"
    assert text(browser, "#labels li:last-child") == "none of these\n0 of 4"
    full(page)
    browser.wait("!document.getElementById('worth').hidden")
    assert text(browser, "#verdict.bad") == "Not taken, blurred: hold it still"
    cells = "[...document.querySelector('#rows tr').children].map((cell) => cell.innerText.split(/\\s*\\n/))"
    assert browser.run(cells) == [["glass", "taken for metal"], ["3"], ["75 %", "65 % to 100 %"], ["50 %"]]
    assert "not shown" in text(browser, "#rows tr:nth-child(2)")
    assert "Most to gain from: metal, glass" in text(browser, "#worth")
    assert (
        text(browser, "#proposed-lines") == "rotate = 90\nregion = { left = 0.2, top = 0.1, right = 0.8, bottom = 0.9 }"
    )
    look(page)
    browser.wait("!document.getElementById('picture').hidden && !document.getElementById('region').hidden")
    assert browser.run("document.getElementById('region').style.left") == "20%"


def test_each_button_sends_what_would_be_typed(browser: Browser, page: FedPage) -> None:
    typed = []
    count = browser.run("document.querySelectorAll('#answers [data-typed], #labels [data-typed]').length")
    for place in range(count):
        browser.run(f"document.querySelectorAll('#answers [data-typed], #labels [data-typed]')[{place}].click()")
        typed.append(reply(page)["typed"])
    assert typed == ["+", "s", "u", "l", "r", "f", "d", "q", "glass", "metal", "unknown"]
    browser.run("document.querySelector('[data-typed=s]').click()")
    reply(page, wrong="too much at once")
    browser.wait("document.getElementById('said').innerText === 'Not taken: too much at once'")


def test_with_the_keyboard_alone_while_counts_change(browser: Browser, page: FedPage) -> None:
    tab_to(browser, "metal")
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is seen"
    tell(page, labels=[LABELS[0] | {"items": 9}, *LABELS[1:]])
    browser.wait("document.querySelector('#labels .count').innerText === '9 of 10'")
    browser.press(*ENTER, text="\r")
    assert reply(page)["typed"] == "metal"


def test_the_question_and_the_end(browser: Browser, page: FedPage) -> None:
    assert not browser.run("document.getElementById('question').checkVisibility()")
    full(page, mode="question", prompt="Install it?", wanted="")
    browser.wait("document.getElementById('question').checkVisibility()")
    assert browser.run("document.getElementById('answers').hidden")
    assert browser.run("document.querySelector('#labels button').disabled")
    browser.run("document.querySelector('[data-typed=y]').click()")
    assert reply(page)["typed"] == "y"
    full(page, mode="ended", ended="installed tiny 2; a running station takes it over")
    browser.wait("document.getElementById('prompt').innerText === 'This commissioning has ended.'")
    assert text(browser, "#verdict") == "Installed tiny 2; a running station takes it over"
    page.process.close()
    time.sleep(2.5)
    assert browser.run("document.getElementById('offline').hidden"), "an end is no loss of contact"


def test_text_from_outside_stays_text(browser: Browser, page: FedPage) -> None:
    labels = [{"label": EVIL, "items": 1, "wanted": 2}]
    note = {"number": 7, "kind": "shot", "text": EVIL, "well": False}
    full(page, station=EVIL, labels=labels, notes=[note], missing=[EVIL], prompt=EVIL)
    browser.wait("document.getElementById('labels').children.length === 1")
    assert browser.run("window.evil === undefined")
    assert browser.run("document.querySelectorAll('img[onerror], img[src=x]').length") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
def test_axe_finds_nothing_wrong_and_nothing_is_wider(browser: Browser, page: FedPage, width: str, dark: bool) -> None:
    browser.events.clear()
    browser.show(*WIDTHS[width], dark)
    for mode in ("talk", "question"):
        full(page, mode=mode)
        browser.wait("!document.getElementById('worth').hidden")
        browser.wait(f"document.getElementById('question').checkVisibility() === {json.dumps(mode == 'question')}")
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        if script := axe_script():
            check(browser, script)
    assert browser.complaints() == []
