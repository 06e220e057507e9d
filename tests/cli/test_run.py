"""`waste-edge run`: the whole way from a source to lines on stdout, with the tiny bundle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.conftest import GREEN, RED
from waste_edge.cli.main import with_bare_values
from waste_edge.device.cameras import Source, media_source
from waste_edge.device.capture.convert import frame_of
from waste_edge.device.decision.item_tracker import CameraItemTracker
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.vision.inspection import USUAL_LOOKS, inspector_of
from waste_edge.errors import CameraError
from waste_edge.files.resources import DEMO_CLIP, DEMO_SCRIPT, find, shipped
from waste_edge.files.strict import read_toml
from waste_edge.site import Site

pytestmark = pytest.mark.alone  # real processes and threads that must be done within a second or so

TRAY = 125
FPS = 15.0


def write_film(path: Path, *scenes: tuple[float, tuple[int, int, int] | None]) -> Path:
    """A film of a grey tray; each scene is (seconds, colour of the square that lies there or None)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (160, 120))
    for seconds, colour in scenes:
        picture = np.full((120, 160, 3), TRAY, np.uint8)
        if colour is not None:
            picture[10:110, 30:130] = colour[::-1]
        for _ in range(round(seconds * FPS)):
            writer.write(picture)
    writer.release()
    return path


@pytest.fixture
def film(tmp_path) -> Path:
    """Two items, four seconds."""
    scenes = ((0.8, None), (1.1, RED), (0.5, None), (1.1, GREEN), (0.5, None))
    return write_film(tmp_path / "film.mp4", *scenes)


@pytest.fixture
def run(waste_edge, tiny_bundle):
    return lambda *arguments: waste_edge("run", "--bundle", tiny_bundle, *arguments)


def without_the_bundle_s(stderr: str) -> list[str]:
    """Lines but for the warning that this bundle was made for whole pictures."""
    return [line for line in stderr.splitlines() if "whole" not in line]


def lines_of(stdout: str) -> list[dict]:
    return [json.loads(line) for line in stdout.splitlines()]


def of_kind(lines: list[dict], kind: str) -> list[dict]:
    return [line for line in lines if line["kind"] == kind]


# --- films and pictures -----------------------------------------------------------------------------------


def test_a_film_gives_one_decision_an_item_and_ends(run, film):
    outcome = run("--source", film, "--json")
    lines = lines_of(outcome.stdout)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert [line["kind"] for line in (lines[0], lines[-1])] == ["start", "summary"]
    decisions = of_kind(lines, "decision")
    assert [(line["label"], line["stream"]) for line in decisions] == [("red", "red"), ("green", "green")]
    assert all(line["frames"] >= 3 for line in decisions)
    assert {"arriving", "settled", "cleared", "empty"} <= {line["state"] for line in of_kind(lines, "frame")}
    summary = lines[-1]
    assert (summary["items"], summary["streams"], summary["ended"]) == (2, {"red": 1, "green": 1}, "the source ended")
    assert summary["frames"] + summary["dropped_frames"] == 60


def test_without_a_terminal_there_is_a_line_a_decision_and_a_summary(run, film):
    outcome = run("--source", film)
    lines = outcome.stdout.splitlines()
    assert outcome.exit_code == 0
    assert sum("→ red (mean of" in line for line in lines) == 1
    assert "streams: red 1, green 1" in lines
    assert any(line.startswith("ended after ") and line.endswith("the source ended") for line in lines)


def test_a_folder_gives_a_frame_and_a_decision_for_each_picture(run, photos):
    outcome = run("--source", photos, "--json")
    lines = lines_of(outcome.stdout)
    frames, decisions = of_kind(lines, "frame"), of_kind(lines, "decision")
    assert outcome.exit_code == 0
    assert [Path(line["path"]).name for line in frames] == ["0.png", "1.png", "2.png", "3.png"]
    assert [line["label"] for line in frames] == ["red", "green", "red", "green"]
    assert [line["path"] for line in decisions] == [line["path"] for line in frames]
    for frame in frames:
        assert set(frame["probabilities"]) == {"blue", "green", "red"}
        assert sum(frame["probabilities"].values()) == pytest.approx(1.0, abs=1e-3)
        assert frame["latency_ms"] > 0
    assert lines[-1]["dropped_frames"] == 0


def test_one_bad_picture_is_reported_the_rest_go_on_and_the_exit_code_is_2(run, photos):
    (photos / "1.png").write_text("not a picture")
    outcome = run("--source", photos, "--json")
    lines = lines_of(outcome.stdout)
    assert outcome.exit_code == 2
    assert len(of_kind(lines, "decision")) == 3
    assert lines[-1]["bad_pictures"] == 1
    (complaint,) = outcome.stderr.splitlines()
    assert "1.png: not a picture" in complaint


@pytest.mark.parametrize(("given", "expected"), [(["--frames", 2], 2), (["--frames", 99], 4)])
def test_frames_limits_pictures_too(run, photos, given, expected):
    assert lines_of(run("--source", photos, "--json", *given).stdout)[-1]["frames"] == expected


def test_duration_ends_a_film_early(run, film):
    summary = lines_of(run("--source", film, "--json", "--duration", 0.5).stdout)[-1]
    assert summary["ended"] == "0.5 s, as asked"
    assert 0.5 <= summary["seconds"] < 1.5


@pytest.mark.parametrize(("precision", "artifact"), [("int8", "onnx-int8"), ("fp32", "onnx-fp32")])
def test_engine_and_precision_choose_the_artifact(run, photos, precision, artifact):
    outcome = run("--source", photos, "--json", "--engine", "onnx", "--precision", precision, "--threads", 2)
    start = lines_of(outcome.stdout)[0]
    assert (start["artifact"], start["bundle"]) == (artifact, "tiny 1.0")
    assert start["engine"].startswith("ONNX Runtime")


# --- sites ------------------------------------------------------------------------------------------------


def write_site(path: Path, streams: str, more: str = "") -> Path:
    path.write_text(f'name = "test"\nresidual = "rest"\n{more}\n[streams]\n{streams}\n')
    return path


def test_a_site_sends_labels_to_its_streams(run, photos, tmp_path):
    site = write_site(tmp_path / "site.toml", 'blue = "b"\ngreen = "g"\nwarm = "w"')
    lines = lines_of(run("--source", photos, "--json", "--site", site).stdout)
    assert [line["stream"] for line in of_kind(lines, "decision")] == ["w", "g", "w", "g"]
    assert lines[0]["site"] == "test"


def test_a_sites_confidence_sends_the_unsure_to_the_residual_with_a_reason(run, photos, tmp_path):
    site = write_site(tmp_path / "site.toml", 'blue = "b"\ngreen = "g"\nred = "r"', "min_confidence = 0.9999")
    decision = of_kind(lines_of(run("--source", photos, "--json", "--site", site).stdout), "decision")[0]
    assert (decision["label"], decision["stream"]) == ("unknown", "rest")
    assert decision["reason"].startswith("unsure: r 100% (red) or ")


@pytest.mark.parametrize(
    ("streams", "more", "message"),
    [
        ('blue = "b"', "", "site 'test' has no stream for green, red"),
        ('blue = "b"\ngreen = "g"\nred = "r"', "min_confidense = 0.5", "unknown key `min_confidense`"),
        ('blue = "b"\ngreen = "g"\nred = 5', "", "streams"),
    ],
)
def test_a_wrong_site_is_one_line_and_exit_code_2(run, photos, tmp_path, streams, more, message):
    outcome = run("--source", photos, "--json", "--site", write_site(tmp_path / "site.toml", streams, more))
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    (complaint,) = outcome.stderr.splitlines()
    assert message in complaint


def test_a_site_that_is_not_there_is_named(run, photos):
    outcome = run("--source", photos, "--site", "nowhere.toml")
    assert outcome.exit_code == 2
    assert "nowhere.toml: no such file" in outcome.stderr


@pytest.mark.parametrize("path", sorted(shipped("device/sites").glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_sites_are_sound(path):
    site = read_toml(path, Site)
    site.check_covers(["cardboard", "glass", "metal", "paper", "plastic", "trash"], {})
    assert find(path.stem, "device/sites") == path


def test_the_shipped_four_bins_are_black_blue_green_and_other():
    site = read_toml(find("four_bins", "device/sites"), Site)
    assert {*site.streams.values(), site.residual} == {"black", "blue", "green", "other"}


# --- cameras ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "completed"),
    [
        ("run --camera", "run --camera auto"),
        ("run --camera --json", "run --camera auto --json"),
        ("run --json --camera", "run --json --camera auto"),
        ("run --camera 0", "run --camera 0"),
        ("run --camera picamera:0 --json", "run --camera picamera:0 --json"),
        ("run --camera=1", "run --camera=1"),
        ("run --source a.mp4", "run --source a.mp4"),
        ("classify --camera", "classify --camera"),
        ("", ""),
    ],
)
def test_a_bare_camera_means_auto(given, completed):
    assert with_bare_values(given.split()) == completed.split()


@pytest.fixture
def asked(monkeypatch, clock_free_camera) -> list[str]:
    """Replaces the cameras of this machine; returns the IDs that were asked for."""
    asked: list[str] = []

    def camera_source(given: str, clock, camera_python: str | None) -> Source:
        asked.append(given)
        return Source(given, clock_free_camera, live=True)

    monkeypatch.setattr("waste_edge.device.cameras.camera_source", camera_source)
    return asked


@pytest.fixture
def clock_free_camera(film):
    """Opens a camera that shows the film."""
    from waste_edge.device.clock import SystemClock

    return lambda: media_source(str(film), SystemClock()).open()


@pytest.mark.parametrize(
    ("given", "camera_id"),
    [(["--camera"], "auto"), (["--camera", "--no-wait"], "auto"), (["--camera", "/dev/video2"], "/dev/video2")],
)
def test_camera_with_and_without_a_value(run, asked, given, camera_id):
    outcome = run("--frames", 3, "--json", *given)
    assert asked == [camera_id]
    assert outcome.exit_code == 0
    assert lines_of(outcome.stdout)[-1]["frames"] == 3


def test_no_camera_and_no_wait_is_exit_code_2_in_one_line(run):
    outcome = run("--camera", "987", "--no-wait", "--json")
    assert outcome.exit_code == 2
    assert outcome.stderr == "waste-edge: /dev/video987: there is no such device; is the camera plugged in?\n"
    kinds = [line["kind"] for line in lines_of(outcome.stdout)]
    assert [kind for kind in kinds if kind != "health"] == ["start", "summary"]  # health: a bundle of whole pictures


def test_no_camera_is_said_and_waited_for_until_the_duration_is_over(run):
    outcome = run("--camera", "987", "--duration", 1.2)
    assert outcome.exit_code == 0
    (news,) = without_the_bundle_s(outcome.stderr)
    assert news.startswith("waste-edge: waiting for a camera (/dev/video987: there is no such device")
    assert "1.2 s, as asked" in outcome.stdout


def test_a_camera_that_appears_is_used(run, monkeypatch, clock_free_camera):
    attempts = iter([CameraError("not yet"), clock_free_camera])

    def open_next():
        attempt = next(attempts)
        if isinstance(attempt, CameraError):
            raise attempt
        return attempt()

    source = Source("usb", open_next, live=True)
    monkeypatch.setattr("waste_edge.device.cameras.camera_source", lambda given, clock, camera_python: source)
    outcome = run("--camera", "--json", "--frames", 5)
    assert outcome.exit_code == 0
    assert "not yet" in outcome.stderr
    assert lines_of(outcome.stdout)[-1]["frames"] == 5


def test_a_wrong_camera_id_is_not_waited_for(run):
    outcome = run("--camera", "front")
    assert outcome.exit_code == 2
    assert outcome.stderr == (
        "waste-edge: --camera front: expected auto, picamera:0, an index such as 0, /dev/video0, "
        "/dev/v4l/by-id/NAME, or synthetic, or a plug-in's name\n"
    )


# --- options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [[], ["--camera", "0", "--demo"], ["--source", "a.mp4", "--demo"], ["--camera", "--source", "a.mp4"]]
)
def test_exactly_one_source_is_wanted(run, given):
    outcome = run(*given)
    assert outcome.exit_code == 2
    assert "exactly one of" in outcome.stderr


@pytest.mark.parametrize("given", [["--frames", "0"], ["--duration", "0"], ["--duration", "nan"], ["--threads", "0"]])
def test_impossible_numbers_are_refused(run, photos, given):
    outcome = run("--source", photos, *given)
    assert outcome.exit_code == 2
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("given", ["nothing.mp4", "nothing", "nothing.jpg"])
def test_a_source_that_is_not_there_is_named(run, given):
    outcome = run("--source", given)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert f"{given}: no such file" in outcome.stderr


def test_a_text_file_called_mp4_is_one_line(tiny_bundle, tmp_path):
    (tmp_path / "film.mp4").write_text("not a film")
    # In a process of its own, since the films written here have already set how much FFmpeg says.
    command = [sys.executable, "-m", "waste_edge", "run", "--bundle", tiny_bundle, "--source", tmp_path / "film.mp4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (complaint,) = without_the_bundle_s(done.stderr)
    assert "neither a picture nor a video" in complaint


def test_help_teaches_and_loads_no_engine():
    script = (
        "import sys\n"
        "from waste_edge.cli.main import main\n"
        "try:\n    main(['run', '--help'])\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "heavy = {'cv2', 'numpy', 'onnxruntime', 'ai_edge_litert', 'waste_edge.device'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("--camera", "--source", "--demo", "--site", "--no-wait", "waste-edge run --source photos/ --json"):
        assert word in done.stdout


# --- ending -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("camera", [True, False], ids=["waiting", "playing"])
def test_a_signal_ends_it_with_a_summary_and_exit_code_0(tiny_bundle, tmp_path, number, camera):
    source = ["--camera", "987"] if camera else ["--source", str(write_film(tmp_path / "long.mp4", (30.0, None)))]
    command = [sys.executable, "-m", "waste_edge", "run", "--json", "--bundle", str(tiny_bundle), *source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(1 if camera else 2)]  # it runs
        asked = time.monotonic()
        process.send_signal(number)
        rest, complaints = process.communicate(timeout=20)
    assert process.returncode == 0, complaints
    assert time.monotonic() - asked < 3.0
    summary = lines_of("".join(lines) + rest)[-1]
    assert summary["kind"] == "summary"
    assert summary["ended"] == ("Ctrl-C" if number == signal.SIGINT else "SIGTERM")
    assert "Traceback" not in complaints


def test_a_reader_that_goes_away_ends_it_quietly(tiny_bundle, film):
    command = [sys.executable, "-m", "waste_edge", "run", "--json", "--bundle", str(tiny_bundle), "--source", str(film)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        complaints = process.stderr.read()
    assert complaints == ""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_live_panel_and_a_summary(tiny_bundle, film):
    controller, terminal = os.openpty()
    command = [sys.executable, "-m", "waste_edge", "run", "--bundle", str(tiny_bundle), "--source", str(film)]
    command += ["--duration", "3.2"]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, stdin=terminal, env=environment) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                chunk = os.read(controller, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not chunk:
                break
            shown += chunk
        assert process.wait(timeout=20) == 0
    os.close(controller)
    text = shown.decode()
    for words in ("waste-edge", "tiny 1.0", "settled", "frames/s", "network p50", "summary", "3.2 s, as asked"):
        assert words in text, words


# --- the demo ---------------------------------------------------------------------------------------------


class DemoClock:
    """Plays a film as fast as it can be read."""

    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        return self.time_ns

    def sleep(self, seconds: float, interrupt=None) -> None:
        self.time_ns += max(0, round(seconds * 1e9))


def test_the_demo_takes_the_bundle_that_fits_this_board_unless_told_otherwise(waste_edge, run):
    start = lines_of(waste_edge("run", "--demo", "--json", "--frames", 3).stdout)[0]
    assert start["bundle"].split()[0] in ("small", "accurate")
    assert start["bundle_choice"]
    assert lines_of(run("--demo", "--json", "--frames", 3).stdout)[0]["bundle"].startswith("tiny ")


@pytest.mark.parametrize(("name", "right"), [("accurate", 9), ("small", 8)])
def test_the_demo_decides_ten_items_and_names_at_least_nine_rightly_where_the_board_affords_accurate(name, right):
    """The clip, of drawn items, was chosen for that; rehearsals tell what bundles reach on items that nobody chose."""
    from waste_edge.bundle.bundle import find_bundle, open_bundle
    from waste_edge.engines.classifier import load_classifier

    script = [item["label"] for item in json.loads(DEMO_SCRIPT.read_text(encoding="utf-8"))["items"]]
    with open_bundle(find_bundle(name)) as bundle:
        classifier = load_classifier(bundle)
        site = read_toml(find("six_materials", "device/sites"), Site)
        items = CameraItemTracker(DecisionPolicy(bundle.manifest, site), inspector_of(classifier, USUAL_LOOKS))
        camera = media_source(str(DEMO_CLIP), DemoClock()).open()
        labels = []
        while (raw := camera.read()) is not None:
            event = items.see(frame_of(raw)).event
            labels += [event.decision.label] if event else []
    assert len(labels) == len(script) == 10
    assert sum(said == true for said, true in zip(labels, script, strict=True)) >= right, (labels, script)


def test_the_demo_with_a_bundle_of_other_labels_gives_each_label_a_stream_and_says_so(run):
    start = lines_of(run("--demo", "--json", "--frames", 3).stdout)[0]
    assert start["streams"] == {label: label for label in start["labels"]}
    assert "each label is a stream of its own" in start["warning"]


def test_a_bundle_for_whole_pictures_is_a_warning_in_health_at_a_camera(waste_edge, bundle_copy, edit_manifest):
    for kind, warned in (("picture", True), ("item", False)):
        edit_manifest(bundle_copy, "input.view", {"kind": kind, "margin": 0.1, "surround": "plain"})
        outcome = waste_edge("run", "--bundle", bundle_copy, "--camera", "synthetic", "--json", "--frames", 3)
        told = [one for line in of_kind(lines_of(outcome.stdout), "health") for one in line["conditions"]]
        said = [one["text"] for one in told if (one["part"], one["level"]) == ("bundle", "warn")]
        assert any("made for pictures that an item fills" in text for text in said) is warned


def test_the_demo_starts_with_its_site(waste_edge, default_bundle):
    outcome = waste_edge("run", "--demo", "--json", "--frames", 3)
    start = lines_of(outcome.stdout)[0]
    assert outcome.exit_code == 0
    assert (start["site"], start["source"]) == ("six materials", "the demo clip (rendered)")


def test_a_camera_thread_is_gone_when_the_run_is_over(run, film):
    run("--source", film, "--frames", 2, "--json")
    assert "camera" not in {thread.name for thread in threading.enumerate()}
