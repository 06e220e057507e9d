"""Answers of a setup: what each changes, and what is refused in one line."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest

from waste_edge.device.service.unit import config_template
from waste_edge.device.setup.answers import (
    Answers,
    Broker,
    apply,
    broker_config,
    check_camera,
    check_pins,
    check_site,
    gpio_config,
    page_config,
    try_broker,
)
from waste_edge.device.setup.document import TomlText
from waste_edge.errors import UserError
from waste_edge.site import site_of_labels

TEMPLATE = config_template().read_text(encoding="utf-8")
START = tomllib.loads(TEMPLATE)
LABELS = ("glass", "paper")


def after(answers: Answers, text: str = TEMPLATE) -> dict[str, Any]:
    document = TomlText(text)
    apply(answers, document, tomllib.loads(text))
    return tomllib.loads(document.text)


@pytest.mark.parametrize(
    ("answers", "changes"),
    [
        (Answers(), {}),
        (Answers(name="bin 7"), {"name": "bin 7"}),
        (Answers(camera="/dev/video2"), {"camera": "/dev/video2"}),
        (Answers(site="four_bins", state="events"), {"site": "four_bins", "state": "events"}),
        (Answers(site="none"), {}),
        (Answers(broker=Broker("b.local")), {"mqtt": {"host": "b.local"}}),
        (
            Answers(broker=Broker("[::1]:1884", "bin1", "typed", tls=True)),
            {"mqtt": {"host": "::1", "port": 1884, "username": "bin1", "password_file": "mqtt-password", "tls": True}},
        ),
        (Answers(broker=Broker("none"), page="off", lights=("none",)), {}),
        (Answers(page="local"), {"page": {"host": "127.0.0.1"}}),
        (Answers(page="network"), {"page": {"host": "0.0.0.0", "token_file": "page-token"}}),
        (Answers(page="10.0.0.5:80", page_token_file="/t"),
         {"page": {"host": "10.0.0.5", "port": 80, "token_file": "/t"}}),
        (Answers(lights=("paper=17", "glass=18:low")),
         {"gpio": {"outputs": [
             {"stream": "paper", "pin": 17}, {"stream": "glass", "pin": 18, "active_high": False}]}}),
        (Answers(buttons=("paper=5",)),
         {"gpio": {"buttons": [{"pin": 5, "answer": "paper"}]}, "answers": {"sources": ["page", "mqtt", "gpio"]}}),
    ],
)  # fmt: skip
def test_each_answer_changes_its_keys_and_no_other(answers: Answers, changes: dict[str, Any]) -> None:
    assert after(answers) == {**START, **changes}


def test_an_address_takes_the_place_of_a_camera_and_back() -> None:
    document = TomlText(TEMPLATE)
    apply(Answers(camera="rtsp://cam/1"), document, START)
    values = tomllib.loads(document.text)
    assert ("camera" in values, values["source"]) == (False, "rtsp://cam/1")
    assert {**after(Answers(camera="auto"), document.text)} == START


def test_what_stood_there_stays_and_what_goes_is_commented_out() -> None:
    text = '[mqtt]\nhost = "a"\nport = 1884\nusername = "u"\npassword_environment = "P"\ntopic = "x"\n'
    same = Broker("a:1884")
    assert after(Answers(broker=same), text) == tomllib.loads(text)
    other = after(Answers(broker=Broker("b", "u", "new")), text)["mqtt"]
    assert other == {"host": "b", "username": "u", "password_file": "mqtt-password", "topic": "x"}
    nobody = after(Answers(broker=Broker("b", "none")), text)["mqtt"]
    assert nobody == {"host": "b", "topic": "x"}
    page = '[page]\nhost = "0.0.0.0"\ntoken_environment = "T"\n'
    assert after(Answers(page="network"), page) == tomllib.loads(page)


def test_pins_of_one_kind_do_not_push_out_the_other() -> None:
    text = '[gpio]\nwatchdog_s = 9.0\n[[gpio.outputs]]\nstream = "paper"\npin = 4\n'
    with pytest.raises(UserError, match="has outputs already"):
        after(Answers(buttons=("paper=5",)), text)
    both = after(Answers(lights=("paper=6",), buttons=("none",)), text)
    assert both == {"gpio": {"watchdog_s": 9.0, "outputs": [{"stream": "paper", "pin": 6}]}}
    assert after(Answers(lights=("none",), buttons=("none",)), text) == {}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: check_camera("foo"), "expected auto, picamera:0"),
        (lambda: check_camera("ftp://x/y"), "expected one of rtsp://"),
        (lambda: check_site("nowhere", Path("/"), LABELS, {}), "no such file"),
        (lambda: broker_config(Broker("a b"), {}), "expected HOST or HOST:PORT"),
        (lambda: broker_config(Broker("a:99999"), {}), "expected HOST or HOST:PORT"),
        (lambda: broker_config(Broker("user@a"), {}), "expected a name or an address alone"),
        (lambda: broker_config(Broker("a", password_file="/x"), {}), "a password needs a username"),
        (lambda: page_config("99999", {}), "expected a port from 1 to 65535"),
        (lambda: page_config("a b", {}), "expected an address or a name"),
        (lambda: gpio_config(Answers(lights=("paper",))), "expected NAME=PIN"),
        (lambda: gpio_config(Answers(lights=("paper=40",))), "from 2 to 27"),
        (lambda: gpio_config(Answers(lights=("paper=4", "glass=4"))), "used twice"),
        (lambda: check_pins(gpio_config(Answers(lights=("x=4",))), site_of_labels(LABELS), LABELS), "no such stream"),
        (lambda: check_pins(gpio_config(Answers(buttons=("x=4",))), site_of_labels(LABELS), LABELS), "no such answer"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(wrong: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        wrong()
    assert "\n" not in str(caught.value)


def test_sites_are_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('name = "x"\nresidual = "rest"\n[streams]\nglass = "a"\npaper = "b"\n')
    site = check_site("my.toml", tmp_path, LABELS, {})
    assert site is not None
    assert site.places() == ["a", "b", "rest"]
    assert check_site("none", tmp_path, LABELS, {}) is None


def test_a_broker_that_is_away_says_so(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(OSError, match="connection refused"):
        try_broker(broker_config(Broker(f"127.0.0.1:{port}"), {}), "", tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        try_broker(broker_config(Broker(f"127.0.0.1:{port}", "u", password_file="none-there"), {}), "", tmp_path)
