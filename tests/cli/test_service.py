"""`waste-edge service`, with a systemctl and a journalctl of the test's own on the PATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from waste_edge.cli.service import app
from waste_edge.device.service import environments, unit
from waste_edge.errors import UserError

runner = CliRunner()

SHOWN = """LoadState=loaded
UnitFileState=enabled
ActiveState={state}
SubState=running
Result=success
NRestarts=2
WatchdogUSec=1min
MemoryCurrent=117440512
StatusText=looking at picamera:0, 14.8 frames/s, 12 items"""


@pytest.fixture
def places(monkeypatch, tmp_path) -> unit.Places:
    """A file system of the test's own, for a user who is not root and a program that all may read."""
    template = tmp_path / "template.toml"
    template.write_text("# camera = 0\n")
    found = unit.Places(tmp_path / "root", template=template)
    monkeypatch.setattr(unit, "Places", lambda: found)
    monkeypatch.setattr(unit, "this_executable", lambda: Path("/opt/waste-edge/bin/waste-edge"))
    monkeypatch.setattr(unit, "check_reachable", lambda *paths: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return found


@pytest.fixture
def on_path(monkeypatch, tmp_path):
    """Put a shell script on the PATH: `on_path("systemctl", "echo hello")`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


def test_a_dry_install_prints_files_and_commands_needs_no_root_and_does_nothing(places):
    result = runner.invoke(app, ["install", "--dry-run"])
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert text.startswith("$ systemd-sysusers --inline 'g video -' 'g gpio -' 'u waste-edge - ")
    assert f"# {places.config} (mode 0640, group waste-edge)\n# camera = 0\n" in text
    assert f"# {places.unit}\n# waste-edge at a bin." in text
    assert "\nExecStart=/opt/waste-edge/bin/waste-edge run --config /etc/waste-edge/station.toml --json\n" in text
    assert text.splitlines()[-3:] == [
        "$ systemctl daemon-reload",
        "$ systemctl enable waste-edge.service",
        "$ systemctl restart waste-edge.service",
    ]
    assert not places.root.exists()


def test_a_dry_install_says_that_a_configuration_stays(places):
    places.config.parent.mkdir(parents=True)
    places.config.write_text("")
    places.config.chmod(0o644)
    result = runner.invoke(app, ["install", "--dry-run"])
    assert f"# {places.config}: is there already, stays as it is\n" in result.stdout


def test_a_dry_install_shows_the_steps_then_names_a_program_that_is_out_of_reach(places, monkeypatch):
    def closed(*paths: Path) -> None:
        raise UserError("/home/pi: closed to the service's own user")

    monkeypatch.setattr(unit, "check_reachable", closed)
    result = runner.invoke(app, ["install", "--dry-run"])
    assert isinstance(result.exception, UserError)
    assert "$ systemctl restart waste-edge.service" in result.stdout


def test_a_dry_uninstall_prints_the_commands_and_does_nothing(places):
    places.unit.parent.mkdir(parents=True)
    places.unit.touch()
    result = runner.invoke(app, ["uninstall", "--dry-run"])
    assert result.stdout.splitlines() == [
        "$ systemctl disable --now waste-edge.service",
        f"$ rm {places.unit}",
        "$ systemctl daemon-reload",
    ]
    assert places.unit.exists()


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_without_root_it_is_one_line_and_exit_code_2(places, verb):
    error = runner.invoke(app, [verb]).exception
    assert isinstance(error, UserError)
    assert error.exit_code == 2
    assert "needs root" in str(error)
    assert "\n" not in str(error)


def test_status_asks_systemd_and_says_it_in_words(on_path):
    on_path("systemctl", f'test "$1 $2" = "show waste-edge.service" && cat <<END\n{SHOWN.format(state="active")}\nEND')
    result = runner.invoke(app, ["status"])
    assert result.exit_code == 0, result.output
    assert "looking at picamera:0, 14.8 frames/s, 12 items" in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "  remedy    it was restarted; see why: waste-edge service logs --since -1d"
    )


def test_status_as_json_holds_the_remedy_and_a_service_at_rest_is_exit_code_1(on_path):
    on_path("systemctl", f"cat <<END\n{SHOWN.format(state='failed')}\nEND")
    result = runner.invoke(app, ["status", "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["active"] is False
    assert document["restarts"] == 2
    assert document["memory_bytes"] == 112 * 2**20
    assert document["remedy"] == "start it: sudo systemctl start waste-edge"


def test_a_systemctl_that_fails_is_quoted_in_one_line(waste_edge, on_path):
    on_path("systemctl", "echo System has not been booted with systemd. >&2; exit 1")
    outcome = waste_edge("service", "status")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr == "waste-edge: systemctl show failed: System has not been booted with systemd.\n"


@pytest.mark.parametrize("verb", ["status", "logs"])
def test_a_machine_without_systemd_is_told_so(waste_edge, monkeypatch, tmp_path, verb):
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = waste_edge("service", verb)
    assert outcome.exit_code == 2
    assert "not on this machine" in outcome.stderr


def test_logs_becomes_journalctl(on_path):
    on_path("journalctl", 'echo "$$"; for word; do echo "$word"; done')
    command = [sys.executable, "-m", "waste_edge", "service", "logs", "-f", "--since", "2026-05-01 08:00"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        said = started.communicate()[0].splitlines()
    assert said == [
        str(started.pid),
        "--unit=waste-edge.service",
        "--no-pager",
        "--output=short-iso",
        "--since=2026-05-01 08:00",
        "--follow",
    ]


def test_help_names_all():
    result = runner.invoke(app, [])
    for verb in ("install", "status", "logs", "uninstall"):
        assert verb in result.output


def test_install_begins_with_the_given_settings_if_they_are_right(places, tmp_path):
    config = tmp_path / "station.toml"
    config.write_text('name = "bin 7"\n')
    result = runner.invoke(app, ["install", "--dry-run", "--config", str(config)])
    assert 'name = "bin 7"' in result.output
    config.write_text("nmae = 7\n")
    error = runner.invoke(app, ["install", "--dry-run", "--config", str(config)]).exception
    assert isinstance(error, UserError)
    assert "nmae" in str(error)


def test_a_dry_update_names_the_way_and_the_way_back(monkeypatch, tmp_path):
    (tmp_path / "waste_edge-1.0-py3-none-any.whl").touch()
    home = tmp_path / "home"
    (home / "venv-1").mkdir(parents=True)
    (home / "venv-1" / environments.MARK).touch()
    monkeypatch.setattr(environments.Environments.__init__, "__defaults__", (home, Path("python3"), environments.call))
    environments.Environments().use(home / "venv-1")
    result = runner.invoke(app, ["update", "--dry-run", "--wheels", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert f"$ python3 -m venv --system-site-packages {home}/venv-2" in result.output
    assert "--no-index" in result.output
    assert "leads back to venv-1" in result.output
    assert not (home / "venv-2").exists()


@pytest.mark.parametrize("arguments", [[], ["--wheels", ".", "--version", "1"]])
def test_an_update_wants_to_know_from_what(arguments):
    error = runner.invoke(app, ["update", *arguments]).exception
    assert isinstance(error, UserError)
    assert "either --wheels DIR or --version X" in str(error)
