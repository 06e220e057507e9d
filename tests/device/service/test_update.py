"""An update switches, and goes back if the service is not ready in the new version."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from waste_edge.device.service import unit, update
from waste_edge.device.service.environments import Environments, Source
from waste_edge.errors import UserError, WasteEdgeError


class Pip:
    """Makes environments whose `waste-edge` restarts the service by a systemctl of the test's own."""

    def __init__(self, systemctl: Path) -> None:
        self.systemctl = systemctl

    def __call__(self, command) -> str:
        line = [str(word) for word in command]
        if "venv" in line:
            program = Path(line[-1]) / "bin/waste-edge"
            program.parent.mkdir(parents=True)
            program.write_text(f'#!/bin/sh\nexec {self.systemctl} "$@" "$(readlink -f "$0")"\n')
            program.chmod(0o755)
        return ""


@pytest.fixture
def systemctl(tmp_path) -> Path:
    """Remembers what it was asked; the service is not ready in the environments that `bad` names."""
    program = tmp_path / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\n'
        f"for bad in $(cat {tmp_path}/bad); do\n"
        'case $3 in *$bad/*) echo "waste-edge: not ready: no" >&2; exit 1 ;; esac\ndone\n'
    )
    program.chmod(0o755)
    (tmp_path / "bad").touch()
    return program


@pytest.fixture
def wheels(tmp_path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "waste_edge-1.0-py3-none-any.whl").write_bytes(b"one")
    return folder


@pytest.fixture
def station(tmp_path, systemctl, wheels, monkeypatch) -> tuple[unit.Places, Environments]:
    """A station installed from `wheels`; then a newer wheel is put there."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    places = unit.Places(tmp_path / "root")
    places.unit.parent.mkdir(parents=True)
    places.unit.touch()
    environments = Environments(tmp_path / "home", call=Pip(systemctl))
    environments.use(environments.make(Source(wheels)))
    (wheels / "waste_edge-1.0-py3-none-any.whl").write_bytes(b"two")
    return places, environments


def asked(tmp_path: Path) -> list[str]:
    """Which environments the service was started from."""
    return [Path(line.split()[-1]).parents[1].name for line in (tmp_path / "asked").read_text().splitlines()]


def test_a_version_that_is_ready_stays(station, wheels, tmp_path):
    places, environments = station
    told: list[str] = []
    assert update.update(Source(wheels), places, environments, tell=told.append)
    assert environments.in_use() == environments.home / "venv-2"
    assert asked(tmp_path) == ["venv-2"]
    assert (environments.home / "venv-1").is_dir()  # to go back to by hand
    assert len(told) == 2
    assert not update.update(Source(wheels), places, environments)
    assert asked(tmp_path) == ["venv-2"]


def test_of_older_versions_only_the_last_is_kept(station, wheels):
    places, environments = station
    for content in (b"two", b"three"):
        (wheels / "waste_edge-1.0-py3-none-any.whl").write_bytes(content)
        update.update(Source(wheels), places, environments)
    assert sorted(path.name for path in environments.home.iterdir()) == ["current", "venv-2", "venv-3"]


def test_a_version_that_is_not_ready_is_left_again(station, wheels, tmp_path):
    places, environments = station
    (tmp_path / "bad").write_text("venv-2")
    with pytest.raises(WasteEdgeError, match=r"was not ready: not ready: no; the old one runs again") as caught:
        update.update(Source(wheels), places, environments)
    assert caught.value.exit_code == 1
    assert environments.in_use() == environments.home / "venv-1"
    assert asked(tmp_path) == ["venv-2", "venv-1"]
    assert not (environments.home / "venv-2").exists()


def test_if_neither_is_ready_both_reasons_are_told(station, wheels, tmp_path):
    places, environments = station
    (tmp_path / "bad").write_text("venv-1 venv-2")
    with pytest.raises(
        WasteEdgeError, match=r"neither the new version .* nor, gone back to, the old one .* service logs"
    ):
        update.update(Source(wheels), places, environments)
    assert environments.in_use() == environments.home / "venv-1"


def test_a_version_that_hangs_is_not_waited_for_without_end(monkeypatch, tmp_path):
    program = tmp_path / "waste-edge"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(update, "READY_S", 0.2)
    monkeypatch.setattr(update, "STOP_S", 0)
    with pytest.raises(WasteEdgeError, match="not ready within"):
        update.start_service(program)
    with pytest.raises(WasteEdgeError, match="cannot be started"):
        update.start_service(tmp_path / "no")


def test_what_cannot_be_installed_never_touches_the_service(station, wheels, tmp_path):
    places, environments = station

    def fails(command) -> str:
        raise WasteEdgeError("pip failed: no")

    with pytest.raises(WasteEdgeError, match="pip failed"):
        update.update(Source(wheels), places, Environments(environments.home, call=fails))
    assert environments.in_use() == environments.home / "venv-1"
    assert not (tmp_path / "asked").exists()


def test_a_lost_connection_does_not_end_it_between_switch_and_verdict(station, wheels):
    places, environments = station

    def start(program: Path) -> None:
        for one in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), one)
        if environments.in_use() != environments.home / "venv-1":
            raise WasteEdgeError("no")

    before = signal.getsignal(signal.SIGHUP)
    with pytest.raises(WasteEdgeError, match="the old one runs again"):
        update.update(Source(wheels), places, environments, start)
    assert signal.getsignal(signal.SIGHUP) == before
    assert environments.in_use() == environments.home / "venv-1"


def test_a_dry_run_names_every_step_and_does_none(station, wheels):
    _, environments = station
    lines = update.plan(Source(wheels), environments)
    assert [line.split()[0] for line in lines] == ["$", "$", "#", "$", "#"]
    assert "leads back to venv-1" in lines[-1]
    assert environments.in_use() == environments.home / "venv-1"
    assert environments.next().name == "venv-2"


def test_what_is_not_installed_so_is_refused_with_the_remedy(station, wheels, tmp_path, monkeypatch):
    places, environments = station
    with pytest.raises(UserError, match=r"leads to no environment.*device/install.sh"):
        update.update(Source(wheels), places, Environments(tmp_path / "elsewhere"))
    places.unit.unlink()
    with pytest.raises(UserError, match="the service is not installed"):
        update.update(Source(wheels), places, environments)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="needs root"):
        update.update(Source(wheels), places, environments)


def test_120_seconds_are_the_units_own():
    assert f"TimeoutStartSec={update.READY_S}" in unit.render_unit(Path("/a"))
