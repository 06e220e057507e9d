"""The systemd unit: rendered, judged by systemd itself, installed into a folder of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from waste_edge.device import service
from waste_edge.errors import UserError, WasteEdgeError


@pytest.fixture
def executable(tmp_path) -> Path:
    """Something that exists and may be run, with a name that needs quoting."""
    folder = tmp_path / "50% of a folder"
    folder.mkdir()
    path = folder / "waste-edge"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_unit_starts_the_given_program(executable):
    unit = service.render_unit(executable)
    (start,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    doubled = str(executable).replace("%", "%%")
    assert start == f'ExecStart="{doubled}" run --camera --json'
    assert "@" not in unit


def test_a_plain_path_is_not_quoted():
    assert "ExecStart=/opt/waste-edge/bin/waste-edge run" in service.render_unit(Path("/opt/waste-edge/bin/waste-edge"))


@pytest.mark.parametrize("folder", ["it's", 'a "b"', "back\\slash", "two\nlines"])
def test_a_path_that_systemd_would_not_start_is_refused(folder):
    with pytest.raises(UserError, match="systemd starts no program with such a character"):
        service.render_unit(Path("/opt") / folder / "waste-edge")


def test_a_relative_path_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="absolute path"):
        service.render_unit(Path("bin/waste-edge"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)")
def test_systemd_accepts_the_unit(executable, tmp_path):
    path = tmp_path / service.UNIT
    path.write_text(service.render_unit(executable))
    judged = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)")
def test_systemd_would_have_seen_a_program_that_is_missing(tmp_path):
    path = tmp_path / service.UNIT
    path.write_text(service.render_unit(tmp_path / "not-there"))
    judged = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert judged.returncode != 0


def test_the_unit_says_what_a_station_needs(executable):
    unit = service.render_unit(executable)
    for line in ("Restart=always", "DynamicUser=yes", "SupplementaryGroups=video", "StandardOutput=journal"):
        assert line in unit.splitlines()


@pytest.fixture
def as_root(monkeypatch, executable):
    """Root, with a program that anybody may read."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(service, "this_executable", lambda: executable)
    monkeypatch.setattr(service, "check_reachable", lambda *paths: None)


def test_install_writes_the_unit_then_starts_it(as_root, executable, tmp_path):
    unit_path, done = tmp_path / "etc" / service.UNIT, []
    service.install(unit_path, done.append)
    assert unit_path.read_text() == service.render_unit(executable)
    assert done == [("systemctl", "daemon-reload"), ("systemctl", "enable", "--now", "waste-edge.service")]


def test_uninstall_stops_it_then_removes_the_unit(as_root, tmp_path):
    unit_path, done = tmp_path / service.UNIT, []
    unit_path.touch()
    service.uninstall(unit_path, done.append)
    assert not unit_path.exists()
    assert done == [("systemctl", "disable", "--now", "waste-edge.service"), ("systemctl", "daemon-reload")]


def test_uninstall_of_what_is_not_installed_says_so(as_root, tmp_path):
    with pytest.raises(UserError, match="the service is not installed"):
        service.uninstall(tmp_path / service.UNIT, lambda command: None)


@pytest.mark.parametrize("verb", [service.install, service.uninstall])
def test_without_root_nothing_is_touched(monkeypatch, executable, tmp_path, verb):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(service, "this_executable", lambda: executable)
    with pytest.raises(UserError, match=r"needs root: sudo .* \(--dry-run does not\)"):
        verb(tmp_path / service.UNIT, pytest.fail)
    assert not (tmp_path / service.UNIT).exists()


def test_a_program_in_a_closed_home_is_refused(tmp_path):
    home = tmp_path / "home"
    program = home / "venv" / "waste-edge"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    home.chmod(0o700)
    with pytest.raises(UserError, match=r"home: closed to the service's own user, .*/opt/waste-edge"):
        service.check_reachable(program)


def test_commands_that_fail_or_are_missing_are_named():
    with pytest.raises(WasteEdgeError, match="false failed: exit code 1"):
        service.run_command(["false"])
    with pytest.raises(UserError, match="no-such-program-here: not on this machine"):
        service.run_command(["no-such-program-here"])
    service.run_command(["true"])


def test_the_program_of_this_environment_is_found_or_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UserError, match="with pip first"):
        service.this_executable()
    (tmp_path / "waste-edge").touch()
    assert service.this_executable() == tmp_path / "waste-edge"
