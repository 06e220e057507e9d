"""Questions of a setup, answered from a list: each is asked until it can be used, and the given ones not at all."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from waste_edge.device.service.unit import config_template
from waste_edge.device.setup.answers import Answers, Broker
from waste_edge.device.setup.pictures import FoundCamera, Look
from waste_edge.device.setup.questions import Interview, Machine
from waste_edge.device.setup.write import Before
from waste_edge.device.sinks.sink import SinkError
from waste_edge.errors import UserError

TEMPLATE = config_template().read_text(encoding="utf-8")
LABELS = ("cardboard", "glass", "metal", "paper", "plastic", "trash")
CAMERAS = [FoundCamera("/dev/v4l/by-id/usb-HD-index0", "HD Webcam"), FoundCamera("/dev/video2", "Other")]


class Scripted:
    """Answers by the first word of each question; what is left unasked shows at the end."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.told: list[str] = []
        self.shown: list[Look] = []
        self.defaults: dict[str, str] = {}

    def _next(self, question: str, otherwise: Any) -> Any:
        word = question.split()[0].rstrip("?(:")
        left = self.answers.get(word, [])
        return left.pop(0) if left else otherwise

    def ask(self, question: str, default: str) -> str:
        self.defaults[question.split()[0]] = default
        return str(self._next(question, default))

    def ask_secret(self, question: str) -> str:
        return str(self._next(question, ""))

    def confirm(self, question: str, default: bool) -> bool:
        return bool(self._next(question, default))

    def tell(self, line: str) -> None:
        self.told.append(line)

    def show(self, look: Look) -> None:
        self.shown.append(look)


def interview(asker: Scripted, text: str = TEMPLATE, **changes: Any) -> Interview:
    values: dict[str, Any] = {
        "cameras": lambda: CAMERAS,
        "look": lambda camera: Look(camera, path=Path("x.png")),
        "try_broker": lambda config, password: None,
        "pins": False,
        "labels": LABELS,
        "tree": {},
        **changes,
    }
    return Interview(asker, Machine(**values), Before(Path("/nowhere/station.toml"), text, text, tomllib.loads(text)))


def test_enter_keeps_what_stands_there() -> None:
    asker = Scripted()
    answers = interview(asker).complete(Answers())
    assert answers == Answers(name="bin 1", camera="auto", site="none")
    assert [look.camera for look in asker.shown] == [camera.camera for camera in CAMERAS]
    assert asker.told[0] == "1: /dev/v4l/by-id/usb-HD-index0  HD Webcam"


def test_what_is_wrong_is_asked_again_with_the_reason() -> None:
    asker = Scripted(
        Name=["", "x" * 300, "bin 7"], Camera=["9", "nonsense", "2"], Site=["nowhere", "four_bins"],
        MQTT=["a b", "none"], Page=["99999", "local"],
    )  # fmt: skip
    answers = interview(asker).complete(Answers())
    assert answers == Answers(name="bin 7", camera="/dev/video2", site="four_bins", page="local")
    wrong = "\n".join(asker.told)
    for words in (
        "1 to 200 letters",
        "a number from 1 to 2",
        "expected auto,",
        "no such file",
        "expected HOST or HOST:PORT",
        "expected a port",
    ):
        assert words in wrong


def test_a_camera_that_is_named_is_looked_through_before_it_is_taken() -> None:
    looks = {"/dev/video7": Look("/dev/video7", "is busy"), "rtsp://u:pw@cam/1": Look("x", path=Path("y.png"))}
    asker = Scripted(Camera=["/dev/video7", "rtsp://u:pw@cam/1"])
    found = interview(asker, cameras=list, look=lambda camera: looks[camera]).complete(Answers(name="n", site="none"))
    assert found.camera == "rtsp://u:pw@cam/1"
    assert [look.fault for look in asker.shown] == ["is busy", ""]
    again = Scripted()
    text = 'source = "rtsp://u:pw@cam/1"\n'
    assert interview(again, text, cameras=list).complete(Answers()).camera == "rtsp://u:pw@cam/1"
    assert again.defaults["Camera"] == "rtsp://cam/1"


def test_a_board_without_a_camera_is_told_so_and_one_in_use_who_has_it() -> None:
    asker = Scripted()
    assert interview(asker, cameras=list).complete(Answers()).camera == "auto"
    assert asker.told[0] == "No camera is there now. auto waits for one; a network camera has an address, rtsp://…"
    used = "/dev/video2: is busy: another program uses it: cheese (pid 12); end it, or choose another camera"
    asker = Scripted(Camera=["2"])
    assert interview(asker, look=lambda camera: Look(camera, used)).complete(Answers()).camera == "/dev/video2"
    assert {look.fault for look in asker.shown} == {used}


def test_a_camera_s_other_nodes_are_passed_over() -> None:
    def look(camera: str) -> Look:
        fault = "/dev/x: is no camera: it takes pictures or metadata, and gives none"
        return Look(camera, path=Path("x.png")) if camera == "/dev/video2" else Look(camera, fault)

    asker = Scripted(Camera=["1"])
    assert interview(asker, look=look).complete(Answers()).camera == "/dev/video2"
    assert [one.camera for one in asker.shown] == ["/dev/video2"]


def test_the_broker_is_tried_and_what_was_typed_is_shown_nowhere() -> None:
    tried: list[tuple[str, str]] = []

    def attempt(config: Any, password: str) -> None:
        tried.append((config.host, password))
        if len(tried) < 3:
            raise SinkError(f"{config.host}:1883: connection refused")

    asker = Scripted(
        MQTT=["a", "b", "c"], User=["none", "bin1", "bin1"], Password=["hunter2", "hunter2"], Keep=[False] * 2
    )
    answers = interview(asker, try_broker=attempt).complete(Answers())
    assert answers.broker == Broker("c", "bin1", "hunter2")
    assert tried == [("a", ""), ("b", "hunter2"), ("c", "hunter2")]
    assert "hunter2" not in f"{asker.told}{answers}"
    kept = Scripted(MQTT=["a"], Keep=[True])
    tried.clear()
    assert interview(kept, try_broker=attempt).complete(Answers()).broker == Broker("a", "none")


def test_pins_are_asked_for_by_stream_where_there_are_any() -> None:
    asker = Scripted(Lights=[True], Pin=["40", "17", "", "", "", "", "5", "", ""], Site=["four_bins"])
    answers = interview(asker, pins=True).complete(Answers())
    assert (answers.lights, answers.buttons) == (("black=17",), ("blue=5",))
    twice = Scripted(Lights=[True], Site=["four_bins"], Pin=["17", "17", "", "", *[""] * 4, "4", *[""] * 7])
    assert interview(twice, pins=True).complete(Answers()).lights == ("black=4",)
    assert any("used twice" in line for line in twice.told)


def test_what_was_given_is_not_asked_but_checked() -> None:
    given = Answers("n", "auto", "four_bins", None, Broker("a"), "local", "", ("blue=4",), ("none",))
    asker = Scripted()
    assert interview(asker, pins=True).complete(given) == given
    assert asker.defaults == {}
    interview(asker).check(given, broker_check=True)

    def refuses(config: Any, password: str) -> None:
        raise SinkError("a:1883: the broker refuses: Not authorized")

    with pytest.raises(UserError, match=r"--broker a:1883: the broker refuses.*--no-broker-check"):
        interview(asker, try_broker=refuses).check(given, broker_check=True)
    interview(asker, try_broker=refuses).check(given, broker_check=False)
    with pytest.raises(UserError, match="no such stream"):
        interview(asker).check(Answers(site="biodegradable", lights=("blue=4",)), broker_check=True)
    with pytest.raises(UserError, match="token_file /none: cannot be read"):
        interview(asker).check(Answers(page="network", page_token_file="/none"), broker_check=True)


def test_the_picture_of_a_given_camera_is_not_left_behind(tmp_path: Path) -> None:
    picture = tmp_path / "camera.png"
    picture.touch()
    here = interview(Scripted(), 'camera = "auto"\n', look=lambda camera: Look(camera, path=picture))
    here.check(Answers(camera="/dev/video2"), broker_check=True)
    assert not picture.exists()


def test_a_given_camera_is_looked_through_unless_it_is_told_not_to() -> None:
    looked: list[str] = []

    def look(camera: str) -> Look:
        looked.append(camera)
        return Look(camera, "" if camera == "/dev/video2" else f"{camera.replace('u:pw@', '')}: no such device")

    here = interview(Scripted(), 'camera = "/dev/video0"\n', look=look)
    for camera in ("/dev/video0", "auto", "/dev/video2"):  # what stands there may be held by the running station
        here.check(Answers(camera=camera), broker_check=True)
    assert looked == ["/dev/video2"]
    for camera in ("/dev/video7", "rtsp://u:pw@cam/1"):
        with pytest.raises(UserError, match=r"^--camera \S+: no such device; .*--no-camera-check$") as refused:
            here.check(Answers(camera=camera), broker_check=True)
        assert "pw" not in str(refused.value)
        here.check(Answers(camera=camera), broker_check=True, camera_check=False)
    assert looked == ["/dev/video2", "/dev/video7", "rtsp://u:pw@cam/1"]
