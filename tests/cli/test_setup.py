"""`waste-edge setup`: by options, and by questions in a real terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WasteEdge = Callable[..., Any]
QUIET = ("--yes", "--no-doctor")


def test_options_alone_write_a_station_that_runs(waste_edge: WasteEdge, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    first = waste_edge("setup", "--config", path, *QUIET, "--camera", "synthetic", "--site", "four_bins")
    assert (first.exit_code, first.stderr) == (0, "")
    assert '+camera = "synthetic"' in first.stdout
    run = waste_edge("run", "--config", path, "--frames", "2", "--bundle", "small", "--json")
    assert run.exit_code == 0, run.stderr
    assert (tmp_path / "state" / "outbox.sqlite").is_file()
    words = ["--page", "network", "--light", "blue=17"]
    outcome = waste_edge("setup", "--config", path, *QUIET, *words)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert f"its token: cat {tmp_path / 'page-token'}" in outcome.stdout
    before = path.read_bytes()
    again = waste_edge("setup", "--config", path, *QUIET, *words)
    assert (again.exit_code, again.stdout) == (0, f"{path}: nothing to change\n")
    dry = waste_edge("setup", "--config", path, "--name", "bin 9", "--dry-run", *QUIET)
    assert '+name = "bin 9"' in dry.stdout
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--site", "nowhere"], "--site nowhere: no such file"),
        (["--camera", "foo"], "--camera foo: expected auto"),
        (["--camera", "/dev/video77"], "write it unseen with --no-camera-check"),
        (["--broker", "127.0.0.1:1"], "--broker 127.0.0.1:1: connection refused; nothing is written"),
        (["--broker-user", "x"], "go with --broker HOST"),
        (["--page", "network", "--page-token-file", "/none"], "token_file /none: cannot be read"),
        (["--light", "blue=17"], "--light blue=17: no such stream"),
        (["--instance", "left"], "give one of them"),
        (["--name", ""], "name must not be empty"),
        (["--service"], "--service: the service reads /etc/waste-edge/station.toml"),
    ],
)
def test_an_answer_that_cannot_be_used_is_one_line_and_nothing_is_written(
    waste_edge: WasteEdge, tmp_path: Path, words: list[str], reason: str
) -> None:
    outcome = waste_edge("setup", "--config", tmp_path / "station.toml", *QUIET, *words)
    assert outcome.exit_code == 2
    assert len(outcome.stderr.splitlines()) == 1
    assert reason in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_camera_that_comes_later_is_written_unseen(waste_edge: WasteEdge, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    outcome = waste_edge("setup", "--config", path, *QUIET, "--camera", "/dev/video77", "--no-camera-check")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert tomllib.loads(path.read_text())["camera"] == "/dev/video77"
    again = waste_edge("setup", "--config", path, *QUIET, "--camera", "/dev/video77")
    assert (again.exit_code, again.stdout) == (0, f"{path}: nothing to change\n"), "it stands there already"


def test_without_a_terminal_it_asks_nothing(waste_edge: WasteEdge, tmp_path: Path) -> None:
    outcome = waste_edge("setup", "--config", tmp_path / "station.toml")
    assert (outcome.exit_code, "give --yes" in outcome.stderr) == (2, True)


def test_questions_in_a_terminal(tmp_path: Path) -> None:
    """A pseudo-terminal: the camera's picture comes in colours, a wrong site is asked again, a no writes nothing."""
    path = tmp_path / "station.toml"
    answers = {
        "Name of this station": "bin 7", "Camera (": "synthetic", "Take this one?": "y", "Site: a name": "nowhere",
        "no such file": "four_bins", "MQTT broker": "none", "Page in the browser": "local",
        **({"Lights or buttons": "n"} if list(Path("/dev").glob("gpiochip*")) else {}), "Write ": "y",
        "Show the station": "n",
    }  # fmt: skip
    shown = in_terminal(["setup", "--config", str(path), "--no-doctor"], answers)
    assert "\x1b[38;2;" in shown
    assert "▀" in shown
    values = tomllib.loads(path.read_text())
    assert (values["name"], values["camera"], values["site"]) == ("bin 7", "synthetic", "four_bins")
    assert values["page"] == {"host": "127.0.0.1"}


def test_ctrl_c_at_a_question_writes_nothing(tmp_path: Path) -> None:
    words = ["setup", "--config", str(tmp_path / "station.toml"), "--no-doctor"]
    shown = in_terminal(words, {"Name of this station": "\x03"}, exit_code=130)
    assert "stopped at this question" in shown
    assert list(tmp_path.iterdir()) == []


def in_terminal(words: list[str], answers: dict[str, str], exit_code: int = 0) -> str:
    """Run a command in a pseudo-terminal; each answer is typed once its question was read. Returns all it showed."""
    near, far = pty.openpty()
    command = [sys.executable, "-m", "waste_edge", *words]
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    own = {"stdin": far, "stdout": far, "stderr": far, "env": environment}
    process = subprocess.Popen(command, **own, preexec_fn=lambda: os.login_tty(far))
    os.close(far)
    shown, left, until = "", list(answers.items()), time.monotonic() + 60
    try:
        while time.monotonic() < until:
            if not select.select([near], [], [], 1.0)[0]:
                continue
            try:
                chunk = os.read(near, 65536)
            except OSError:  # the other end has closed
                break
            if not chunk:
                break
            shown += chunk.decode("utf-8", "replace")
            while left and any(question in shown for question, _ in left[:1]):
                _, answer = left.pop(0)
                os.write(near, f"{answer}\n".encode())
        assert process.wait(timeout=30) == exit_code, shown
    finally:
        process.kill()
        process.wait()
        os.close(near)
    return shown
