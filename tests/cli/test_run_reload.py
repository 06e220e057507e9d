"""A running station survives its configuration: whatever a file becomes, what was there before goes on."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_run_station import Process
from waste_edge.device import run as room
from waste_edge.device.config import StationConfig
from waste_edge.device.signals import Stop
from waste_edge.device.system.condition import Level
from waste_edge.device.system.health import Health
from waste_edge.errors import CameraError

DEEP = "x = " + "[" * 20_000


@pytest.fixture
def station(tmp_path, tiny_bundle):
    """Writes a configuration: keys before the tables, then tables."""

    def write(keys: str = "", tables: str = "[json_lines]\n") -> Path:
        path = tmp_path / "station.toml"
        state = "" if keys.startswith("state") else 'state = "state"\n'
        first = f'camera = "synthetic"\nbundle = "{tiny_bundle}"\n{state}'
        path.write_text(f"{first}{keys}\n{tables}")
        return path

    return write


def test_no_file_ends_a_station_that_runs(station, tmp_path):
    (tmp_path / "newer").mkdir()
    with sqlite3.connect(tmp_path / "newer" / "outbox.sqlite") as other:
        other.execute("PRAGMA user_version = 9")
    other.close()
    (tmp_path / "taken").mkdir()
    taken = os.open(tmp_path / "taken", os.O_RDONLY)
    fcntl.flock(taken, fcntl.LOCK_EX)
    (tmp_path / "file").touch()
    path = station()
    process = Process("--config", path, notify=tmp_path / "systemd")
    try:
        process.wait_for("frame")
        for keys, tables, words in [
            ("", "[json_lines]\nmax_mb = inf\n", "max_mb"),
            ("", "[outbox]\nmax_age_days = inf\n", "max_age_days"),
            ('require_key = "\\u0000"', "", "NUL"),
            (DEEP, "", ""),
            ("threads = 9999999999999999999999", "", "threads"),
            ('state = "newer"', "", "schema 9"),
            ('state = "taken"', "", "another station keeps its events there"),
            ('state = "file/below"', "", "cannot be made or written"),
            ('state = "file"', "", "is no folder"),
            ('state = "~nobody-of-this-name"', "", "no such user's home"),
            ("", '[mqtt]\nhost = "b"\nport = 0\n', "port from 1 to 65535"),
            ("", '[mqtt]\nhost = "b"\ntls = true\nca_file = "no.pem"\n', "no.pem"),
            ("", '[json_lines]\npath = "outbox.sqlite"\n', "the outbox's own name"),
        ]:
            station(keys, tables)
            process.signal(signal.SIGHUP)
            said = process.wait_for("health", "config", "warn", words)
            assert "the configuration from before stays" in str(said)
        path.write_bytes(b"\xff\xfe\x00\x00")
        process.signal(signal.SIGHUP)
        process.wait_for("health", "config", "warn")
        process.wait_for("frame")
        process.signal(signal.SIGTERM)
        code, complaints = process.end()
    finally:
        process.kill()
        os.close(taken)
    assert (code, complaints) == (0, "")


@pytest.fixture
def attempts(monkeypatch):
    """What `watch` tries, one after the other: each entry is done in the place of a run."""
    tried: list[room.ReloadAttempt] = []
    entries: list = []

    def once(attempt, clock, health, stop, reload):
        tried.append(attempt)
        return entries.pop(0)(attempt, health, reload)

    monkeypatch.setattr(room, "_watch_once", once)
    monkeypatch.setattr(room, "_checked", lambda plan_anew, old, health, clock: plan_anew())
    return tried, entries


def plan(name: str) -> room.RunPlan:
    return room.RunPlan(StationConfig(name=name), False, True, False, None, None)


def reads_again(attempt, health, reload):
    attempt.looking = True
    assert reload() == "the configuration was read again"
    return "one"


def fails_at_the_start(attempt, health, reload):
    raise CameraError("the folder is gone")


def ends(attempt, health, reload):
    attempt.looking = True
    return "the end"


def test_a_plan_that_fails_at_its_start_gives_way_to_the_one_before(attempts):
    tried, entries = attempts
    entries += [reads_again, fails_at_the_start, ends]
    assert room.run_station(plan("old"), lambda: plan("new"), Stop()) == "the end"
    assert [attempt.plan.config.name for attempt in tried] == ["old", "new", "old"]
    assert tried[2].failure == "the folder is gone; the configuration from before goes on"


def test_a_first_plan_that_fails_ends_it_and_so_does_a_failure_under_way(attempts):
    _, entries = attempts
    entries += [fails_at_the_start]
    with pytest.raises(CameraError):
        room.run_station(plan("old"), lambda: plan("new"), Stop())

    def breaks(attempt, health, reload):
        attempt.looking = True
        raise CameraError("lost")

    entries += [reads_again, breaks]
    with pytest.raises(CameraError, match="lost"):
        room.run_station(plan("old"), lambda: plan("new"), Stop())
    entries += [reads_again, fails_at_the_start, fails_at_the_start]
    with pytest.raises(CameraError, match="the folder is gone"):
        room.run_station(plan("old"), lambda: plan("new"), Stop())


def test_an_error_that_nobody_expected_is_said_in_one_line():
    def breaks() -> room.RunPlan:
        raise RecursionError("maximum recursion\ndepth exceeded")

    health = Health()
    assert room._checked(breaks, plan("old"), health, None) is None  # type: ignore[arg-type]
    (said,) = health.news(0)
    assert said.level is Level.WARN
    assert said.text.startswith("cannot be used: RecursionError: maximum recursion depth exceeded; the configuration")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_without_a_configuration_a_lost_terminal_is_an_orderly_end(tmp_path, tiny_bundle, number):
    process = Process("--camera", "synthetic", "--bundle", tiny_bundle, notify=tmp_path / "systemd")
    try:
        process.wait_for("frame")
        process.signal(number)
        code, complaints = process.end()
    finally:
        process.kill()
    assert (code, complaints) == (0, "")
    assert process.lines[-1]["ended"] == signal.Signals(number).name


def test_nohup_is_heeded(tmp_path, tiny_bundle):
    command = [sys.executable, "-m", "waste_edge", "run", "--json", "--camera", "synthetic", "--bundle", tiny_bundle]
    process = subprocess.Popen(
        [*command, "--frames", "20"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if '"frame"' in line:
            break
    process.send_signal(signal.SIGHUP)
    assert '"20 frames, as asked"' in process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0


@pytest.mark.parametrize("given", ["--state=", "--state=~nobody-of-this-name/x", "--state=$NO_SUCH_PLACE"])
def test_a_state_that_is_a_slip_of_a_script_is_refused(waste_edge, tmp_path, monkeypatch, photos, given):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    outcome = waste_edge("run", "--source", photos, given)
    assert outcome.exit_code == 2
    assert "state" in outcome.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_home_that_no_shell_filled_in_is_the_home(waste_edge, tmp_path, monkeypatch, photos, tiny_bundle):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    outcome = waste_edge("run", "--source", photos, "--bundle", tiny_bundle, "--state=~/station", "--json")
    assert outcome.exit_code == 0
    assert (tmp_path / "home/station/outbox.sqlite").exists()
    assert not (tmp_path / "~").exists()
