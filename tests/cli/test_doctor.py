"""`waste-edge doctor`, on the machine that runs the tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from waste_edge.device.doctor import Examination
from waste_edge.device.system.condition import Level
from waste_edge.files.strict import read_json

WasteEdge = Callable[..., Any]
PARTS = {
    *("picamera", "camera", "permissions", "python", "system", "int8", "power", "temperature", "memory", "disk"),
    *("clock", "service", "engine-litert", "engine-onnx"),
}


def test_this_machine_from_end_to_end(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "waste_edge", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    (tmp_path / "doctor.json").write_text(done.stdout, encoding="utf-8")
    examination = read_json(tmp_path / "doctor.json", Examination)
    assert done.stderr == ""
    found = {condition.part: condition.level for condition in examination.conditions}
    assert set(found) >= PARTS
    assert found["python"] is found["system"] is found["engine-litert"] is found["engine-onnx"] is Level.OK
    if not list(Path("/dev").glob("video*")):
        assert found["camera"] is Level.WARN
    assert done.returncode == (2 if examination.level is Level.BAD else 0)


def test_a_camera_that_was_named_must_be_there(waste_edge: WasteEdge, tiny_bundle: Path) -> None:
    outcome = waste_edge("doctor", "--camera", "/dev/video987", "--bundle", tiny_bundle)
    assert outcome.exit_code == 2
    lines = [line for line in outcome.stdout.splitlines() if line.startswith("bad ")]
    assert [line.split()[1] for line in lines] == ["camera"]
    assert "there is no such device" in lines[0]
    assert "not fit to be a station yet" in outcome.stdout


def test_a_network_camera_of_the_configuration_is_tried_and_its_password_shown_nowhere(
    waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path
) -> None:
    config = tmp_path / "station.toml"
    config.write_text('source = "http://admin:hunter2@127.0.0.1:1/video"\n')
    outcome = waste_edge("doctor", "--config", config, "--bundle", tiny_bundle)
    assert outcome.exit_code == 2
    (line,) = [line for line in outcome.stdout.splitlines() if line.split()[1:2] == ["camera"]]
    assert line.startswith("bad ")
    assert "http://127.0.0.1:1/video" in line
    assert "hunter2" not in outcome.stdout + outcome.stderr


def test_a_bundle_that_is_not_there_is_one_bad_line_among_the_others(waste_edge: WasteEdge, tmp_path: Path) -> None:
    outcome = waste_edge("doctor", "--bundle", tmp_path / "typo")
    assert (outcome.exit_code, outcome.stderr) == (2, "")
    assert "bad   engine " in outcome.stdout
    assert "typo" in outcome.stdout
    assert "python " in outcome.stdout


def test_a_state_folder_that_cannot_be_written_is_bad(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; a read-only disk is tried in tests/device/system/test_disk.py")
    (tmp_path / "state").mkdir(mode=0o500)
    outcome = waste_edge("doctor", "--state", tmp_path / "state", "--bundle", tiny_bundle)
    assert outcome.exit_code == 2
    assert "may not be written by this user" in outcome.stdout


def test_a_broken_opencv_does_not_silence_the_doctor(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('numpy.core.multiarray failed to import')", encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])])
    command = [sys.executable, "-m", "waste_edge", "doctor"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "PYTHONPATH": paths}
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert "bad   python " in done.stdout
    assert "opencv-python-headless does not load" in done.stdout
    assert "disk " in done.stdout


def test_the_sinks_of_a_configuration_are_tried(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    with socket.socket() as closed:  # a port at which nobody answers, once this is shut
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    station = tmp_path / "station.toml"
    station.write_text(
        f'camera = "synthetic"\nstate = "."\n[json_lines]\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n',
        encoding="utf-8",
    )
    outcome = waste_edge("doctor", "--config", station, "--bundle", tiny_bundle)
    found = {line.split()[1]: line for line in outcome.stdout.splitlines() if line[:4] in ("ok  ", "warn", "bad ")}
    assert found["sink-json-lines"].startswith("ok ")
    assert found["sink-mqtt"].startswith("warn ")
    assert "connection refused; events wait on the disk" in found["sink-mqtt"]
    assert "synthetic camera" in found["camera"]
    assert list(tmp_path.iterdir()) == [station], "nothing is written"


def test_a_sink_that_cannot_be_built_is_bad(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    station = tmp_path / "station.toml"
    station.write_text(
        'camera = "synthetic"\nstate = "."\n[mqtt]\nhost = "h"\nusername = "u"\npassword_file = "/nowhere"\n',
        encoding="utf-8",
    )
    outcome = waste_edge("doctor", "--config", station, "--bundle", tiny_bundle)
    assert outcome.exit_code == 2
    assert "mqtt.password_file /nowhere: cannot be read" in outcome.stdout


def test_a_wrong_configuration_is_one_line(waste_edge: WasteEdge, tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text('camra = "synthetic"\n', encoding="utf-8")
    outcome = waste_edge("doctor", "--config", tmp_path / "station.toml")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "unknown key `camra`" in outcome.stderr
