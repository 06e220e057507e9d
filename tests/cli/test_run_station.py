"""`waste-edge run --config`: a whole station, with the tiny bundle, from a camera to the file of events."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import RED
from waste_edge.device.cameras import Source
from waste_edge.device.cameras.camera import RawFrame, packed
from waste_edge.device.clock import SystemClock
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.views.display import About, JsonView
from waste_edge.device.vision.presence import Presence

pytestmark = pytest.mark.alone  # real processes and threads that must be done within a second or so

PATIENCE_S = 60.0  # how long something may take to come about, on a busy machine
Line = dict[str, Any]


def write_site(folder: Path, name: str) -> Path:
    path = folder / f"{name}.toml"
    streams = 'blue = "b"\ngreen = "g"\nred = "r"'
    path.write_text(f'name = "{name}"\nresidual = "rest"\n[streams]\n{streams}\n')
    return path


def write_config(folder: Path, *lines: str, sinks: str = "[json_lines]") -> Path:
    path = folder / "station.toml"
    path.write_text("\n".join(['name = "bin 3"', *lines, sinks]) + "\n")
    return path


def lines_of(text: str) -> list[Line]:
    return [json.loads(line) for line in text.splitlines()]


def of_kind(lines: list[Line], kind: str) -> list[Line]:
    return [line for line in lines if line["kind"] == kind]


def events_of(state: Path) -> list[Line]:
    return of_kind(lines_of((state / "events.jsonl").read_text(encoding="utf-8")), "event")


# --- a process of its own, and signals ---------------------------------------------------------------------


class Process:
    """A station whose lines can be waited for."""

    def __init__(self, *arguments: object, notify: Path) -> None:
        command = [sys.executable, "-m", "waste_edge", "run", "--json", *map(str, arguments)]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"NOTIFY_SOCKET": str(notify)},
        )
        self._coming: queue.Queue[Line] = queue.Queue()
        self.lines: list[Line] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            self._coming.put(json.loads(text))

    def wait_for(self, kind: str, *words: str) -> Line:
        """The next line of this kind with these words in it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            line = self._coming.get(timeout=max(0.0, deadline - time.monotonic()))
            self.lines.append(line)
            if line["kind"] == kind and all(word in json.dumps(line) for word in words):
                return line

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for its end: exit code and stderr."""
        assert self._process.stderr is not None
        complaints = self._process.stderr.read()
        code = self._process.wait(PATIENCE_S)
        self._reader.join()
        while not self._coming.empty():
            self.lines.append(self._coming.get())
        return code, complaints

    def kill(self) -> None:
        """However it went; harmless after `end`."""
        self._process.kill()
        self._reader.join()
        self._process.communicate()


@dataclass(frozen=True)
class Story:
    """What a station did in one life."""

    lines: list[Line]
    events: list[Line]
    refusals: list[Line]
    exit_code: int
    complaints: str
    ended_s: float  # from SIGTERM until the process was gone
    left: set[str]  # in the state folder
    told_systemd: list[str]  # a word a message, without mere status


def listen_as_systemd(address: Path) -> Callable[[], list[str]]:
    """A socket like systemd's; what came in, when called."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(address))
    told: list[str] = []

    def listen() -> None:
        while message := listening.recv(4096):
            word = message.decode().partition("\n")[0]
            told.extend([word] if not word.startswith("STATUS=") else [])

    thread = threading.Thread(target=listen)
    thread.start()

    def close() -> list[str]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(address))
        thread.join()
        listening.close()
        return told

    return close


@pytest.fixture(scope="module")
def story(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One life, since a process takes long to start: two refused configurations, a better one, SIGTERM."""
    folder = tmp_path_factory.mktemp("station")
    state = folder / "state"
    for name in ("first", "second"):
        write_site(folder, name)
    camera = 'camera = "synthetic:15"'
    # The bundle is wrong, and the option on the command line goes before it.
    given = (camera, 'bundle = "none_such"', 'state = "state"')
    config = write_config(folder, *given, 'site = "first.toml"')
    systemd = listen_as_systemd(folder / "notify")
    process = Process("--config", config, "--bundle", tiny_bundle, notify=folder / "notify")
    refusals = []
    try:
        process.wait_for("decision")
        for line in ("sight = 1", 'site = "nowhere.toml"'):
            write_config(folder, *given, line)
            process.signal(signal.SIGHUP)
            refusals.append(process.wait_for("health", "config", "warn"))
        process.wait_for("frame")
        write_config(folder, *given, 'site = "second.toml"')
        process.signal(signal.SIGHUP)
        process.wait_for("start", "second")
        process.wait_for("decision")
        asked = time.monotonic()
        process.signal(signal.SIGTERM)
        code, complaints = process.end()
        ended_s = time.monotonic() - asked
    finally:
        process.kill()
        told = systemd()
    left = {path.name for path in state.iterdir()}
    return Story(process.lines, events_of(state), refusals, code, complaints, ended_s, left, told)


def test_every_decision_is_an_event_in_the_file_of_the_state_folder(story):
    decisions = of_kind(story.lines, "decision")
    assert len(decisions) >= 2
    assert [event["id"] for event in story.events] == [decision["id"] for decision in decisions]
    assert [event["sequence"] for event in story.events] == list(range(1, len(decisions) + 1))
    for event, decision in zip(story.events, decisions, strict=True):
        assert event["station"] == "bin 3"
        for key in ("frames", "opened_ns", "decided_ns"):
            assert event[key] == decision[key]
        for key in ("label", "stream", "action", "reason"):
            assert event["decision"][key] == decision[key]


def test_options_go_before_the_file_after_a_reload_too(story):
    starts = of_kind(story.lines, "start")
    assert [start["bundle"] for start in starts] == ["tiny 1.0", "tiny 1.0"]


def test_a_hangup_with_a_better_configuration_takes_effect_in_the_same_process(story):
    starts, summaries = of_kind(story.lines, "start"), of_kind(story.lines, "summary")
    assert [start["site"] for start in starts] == ["first", "second"]
    assert [summary["ended"] for summary in summaries] == ["the configuration was read again", "SIGTERM"]


@pytest.mark.parametrize(("index", "words"), [(0, "unknown key `sight`"), (1, "nowhere.toml: no such file")])
def test_a_hangup_with_a_wrong_one_names_what_is_wrong_and_on_goes_the_old_one(story, index, words):
    refusal = story.refusals[index]
    (condition,) = [one for one in refusal["conditions"] if one["part"] == "config"]
    assert words in condition["text"]
    assert condition["text"].endswith("the configuration from before stays")
    after = story.lines[story.lines.index(refusal) :]
    assert next(line for line in after if line["kind"] in ("frame", "start"))["kind"] == "frame", "it went on"


def test_that_the_configuration_is_well_again_is_said(story):
    said = [one for line in of_kind(story.lines, "health") for one in line["conditions"] if one["part"] == "config"]
    assert [one["level"] for one in said] == ["warn", "warn", "ok"]


def test_sigterm_ends_it_within_a_second_with_everything_closed(story):
    assert (story.exit_code, story.complaints) == (0, "")
    # A second is promised; half of one more is for a machine that is busy with other tests and a training run.
    assert story.ended_s < 1.5
    assert story.left == {"camera.txt", "events.jsonl", "features.sqlite", "outbox.sqlite"}


def test_systemd_hears_of_each_reload_and_of_the_end(story):
    expected = ["READY=1", *["RELOADING=1", "READY=1"] * 3, "STOPPING=1"]
    assert story.told_systemd == expected, "two refused, one taken, each ended by READY"


# --- a restart ----------------------------------------------------------------------------------------------


class Tray:
    """A camera over a tray; an item lies there from `comes_s` after `watched` on, or already if that is None."""

    title, still_images = "a tray", False

    def __init__(self, watched: threading.Event, comes_s: float | None) -> None:
        self._watched, self._comes_s = watched, comes_s
        self._noise = np.random.default_rng(1)
        self._began_s: float | None = None

    def read(self) -> RawFrame:
        time.sleep(1 / 15)
        if self._began_s is None and self._watched.is_set():
            self._began_s = time.monotonic()
        picture = np.full((120, 160, 3), 125, np.uint8)
        if self._lies_there():
            picture[10:110, 30:130] = RED
        noisy = picture + self._noise.integers(0, 4, picture.shape, dtype=np.uint8)
        return packed(noisy, "rgb", time.monotonic_ns())

    def _lies_there(self) -> bool:
        if self._comes_s is None:
            return True
        return self._began_s is not None and time.monotonic() - self._began_s >= self._comes_s

    def close(self) -> None:
        pass


@pytest.fixture
def show(monkeypatch):
    """Put a `Tray` before the station; its time begins when the model is loaded."""
    watched = threading.Event()
    started = JsonView.started

    def note(view: JsonView, about: About) -> None:
        started(view, about)
        watched.set()

    monkeypatch.setattr(JsonView, "started", note)

    def show(comes_s: float | None) -> None:
        watched.clear()
        source = Source("tray", lambda: Tray(watched, comes_s), live=True)
        monkeypatch.setattr("waste_edge.device.cameras.camera_source", lambda given, clock, camera_python: source)

    return show


def test_an_item_that_lies_there_over_a_restart_is_counted_once_and_keeps_its_id(
    waste_edge, tiny_bundle, tmp_path, show
):
    state = tmp_path / "state"
    config = write_config(tmp_path, 'camera = "auto"', 'state = "state"', f"bundle = {json.dumps(str(tiny_bundle))}")
    show(comes_s=1.2)
    first = waste_edge("run", "--config", config, "--json", "--frames", 45)
    (decision,) = of_kind(lines_of(first.stdout), "decision")
    show(comes_s=None)
    again = waste_edge("run", "--config", config, "--json", "--frames", 30)
    assert of_kind(lines_of(again.stdout), "decision") == []
    assert [frame["state"] for frame in of_kind(lines_of(again.stdout), "frame")][-1] == "decided"
    assert [event["id"] for event in events_of(state)] == [decision["id"]]
    outbox, presence = Outbox(state / "outbox.sqlite", "bin 3", SystemClock()), Presence()
    scene = outbox.scene()
    outbox.close()
    assert scene is not None
    assert presence.recall(scene)
    assert presence.item_id == decision["id"]


# --- what needs no camera -----------------------------------------------------------------------------------


@pytest.fixture
def bundle_line(tiny_bundle) -> str:
    return f"bundle = {json.dumps(str(tiny_bundle))}"


def test_a_file_alone_is_enough_and_its_paths_are_its_own(waste_edge, tmp_path, photos, bundle_line, monkeypatch):
    write_site(tmp_path, "yard")
    config = write_config(tmp_path, 'source = "photos"', bundle_line, 'state = "kept"', 'site = "yard.toml"')
    monkeypatch.chdir("/")
    outcome = waste_edge("run", "--config", config, "--json")
    lines = lines_of(outcome.stdout)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert [line["stream"] for line in of_kind(lines, "decision")] == ["r", "g", "r", "g"]
    assert [event["decision"]["stream"] for event in events_of(tmp_path / "kept")] == ["r", "g", "r", "g"]


def test_options_on_the_command_line_go_before_the_file_s(waste_edge, tmp_path, photos, bundle_line):
    write_site(tmp_path, "yard")
    other = write_site(tmp_path, "other")
    lines = ('camera = "auto"', bundle_line, 'state = "kept"', 'site = "yard.toml"', 'precision = "int8"')
    config = write_config(tmp_path, *lines)
    given = ("--source", photos, "--site", other, "--precision", "fp32", "--state", tmp_path / "elsewhere")
    outcome = waste_edge("run", "--config", config, "--json", *given)
    start = lines_of(outcome.stdout)[0]
    assert outcome.exit_code == 0
    assert (start["site"], start["artifact"]) == ("other", "onnx-fp32")
    assert len(events_of(tmp_path / "elsewhere")) == 4
    assert not (tmp_path / "kept").exists()


def test_the_folder_that_systemd_gives_is_used(waste_edge, tmp_path, photos, bundle_line, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "given"))
    config = write_config(tmp_path, 'source = "photos"', bundle_line)
    assert waste_edge("run", "--config", config, "--json").exit_code == 0
    assert len(events_of(tmp_path / "given")) == 4


def test_a_demo_keeps_nothing_and_tells_nobody(waste_edge, tmp_path, bundle_line, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "given"))
    config = write_config(tmp_path, 'camera = "auto"', 'state = "kept"')
    outcome = waste_edge("run", "--demo", "--config", config, "--state", tmp_path / "state", "--json", "--frames", 3)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["station.toml"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('camara = "auto"', "unknown key `camara`"),
        ('camera = "auto"\nsource = "film.mp4"', "camera and source exclude each other; keep one"),
        ('camera = "front"', "--camera front: expected auto"),
        ('camera = "0"\nbundle = "none_such"', "none_such"),
        ('camera = "0"\nsite = "none_such"', "none_such"),
        ('camera = "0"\n[json_lines]', "need a folder where events wait"),
        ('camera = "0"\nstate = "s"\n[mqtt]\nhost = "b"\nusername = "u"\npassword_file = "no"', "no: cannot be read"),
        ("threads = 2", "give exactly one of --camera"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_2(waste_edge, tmp_path, tiny_bundle, text, words):
    path = tmp_path / "station.toml"
    path.write_text(text + "\n")
    bundle = () if "bundle" in text else ("--bundle", tiny_bundle)
    outcome = waste_edge("run", "--config", path, *bundle)
    assert outcome.exit_code == 2
    assert words in " ".join(outcome.stderr.replace("│", " ").split())
    assert "Traceback" not in outcome.stderr
    if "exactly one" not in words:  # which Typer says, with how the command is used
        assert outcome.stderr.count("\n") == 1


def test_a_state_that_cannot_be_made_is_no_reason_to_stop_but_said_at_the_end(
    waste_edge, tmp_path, photos, bundle_line
):
    (tmp_path / "file").touch()
    config = write_config(tmp_path, 'source = "photos"', bundle_line, 'state = "file/state"')
    outcome = waste_edge("run", "--config", config, "--json")
    assert len(of_kind(lines_of(outcome.stdout), "decision")) == 4
    assert outcome.exit_code == 2
    assert "events that could not be written and are lost: 4" in outcome.stderr


def test_the_station_s_keys_are_the_options_of_run():
    """A key that no option has is one that only a file can hold: those of events, and the limits."""
    import inspect

    from waste_edge.cli.run import command
    from waste_edge.device.config import StationConfig

    only_in_the_file = {"name", "looks", "disk", "load", "outbox", "answers", "collect", "gpio", "models"}
    only_in_the_file |= {"json_lines", "mqtt", "webhook", "push", "sinks"}
    options = set(inspect.signature(command).parameters)
    assert set(StationConfig.__struct_fields__) - only_in_the_file <= options
    assert not only_in_the_file & options
