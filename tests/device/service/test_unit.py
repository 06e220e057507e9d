"""The systemd unit: rendered, judged by systemd itself, installed into a folder of the test's own."""

from __future__ import annotations

import grp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from waste_edge.device.service import unit as service
from waste_edge.device.service.environments import MARK, Environments
from waste_edge.device.service.steps import run_command
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
    assert start == f'ExecStart="{doubled}" run --config /etc/waste-edge/station.toml --json'
    assert "@EXECUTABLE@" not in unit


def test_a_plain_path_is_not_quoted():
    assert "ExecStart=/opt/waste-edge/bin/waste-edge run" in service.render_unit(Path("/opt/waste-edge/bin/waste-edge"))


@pytest.mark.parametrize("folder", ["it's", 'a "b"', "back\\slash", "two\nlines"])
def test_a_path_that_systemd_would_not_start_is_refused(folder):
    with pytest.raises(UserError, match="systemd starts no program with such a character"):
        service.render_unit(Path("/opt") / folder / "waste-edge")


def test_a_relative_path_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="absolute path"):
        service.render_unit(Path("bin/waste-edge"))


needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)"
)


@pytest.fixture
def unit_file(executable, tmp_path) -> Path:
    path = tmp_path / service.UNIT
    path.write_text(service.render_unit(executable))
    return path


@needs_systemd_analyze
def test_systemd_accepts_the_unit(unit_file):
    judged = subprocess.run(["systemd-analyze", "verify", unit_file], capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


def security(unit_file: Path) -> subprocess.CompletedProcess[str]:
    """systemd's verdict; it fails above an exposure of 2.0."""
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit_file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd_analyze
def test_systemd_finds_the_service_exposed_by_at_most_2(unit_file):
    judged = security(unit_file)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    (exposure,) = re.findall(r"Overall exposure level for waste-edge.service: ([0-9.]+)", judged.stdout)
    assert float(exposure) <= 2.0


@needs_systemd_analyze
def test_systemd_would_have_found_a_unit_that_is_more_exposed(unit_file):
    unit_file.write_text(unit_file.read_text().replace("CapabilityBoundingSet=\n", "").replace("User=waste-edge\n", ""))
    assert security(unit_file).returncode != 0


@needs_systemd_analyze
def test_systemd_would_have_seen_a_program_that_is_missing(tmp_path):
    path = tmp_path / service.UNIT
    path.write_text(service.render_unit(tmp_path / "not-there"))
    judged = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert judged.returncode != 0


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "WatchdogSec=60",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "KillMode=mixed",
        "MemoryMax=400M",
        "TasksMax=128",
        "User=waste-edge",
        "SupplementaryGroups=video gpio",
        "StateDirectory=waste-edge",
        "DeviceAllow=char-video4linux rw",
        "DeviceAllow=char-media rw",
        "DeviceAllow=char-dma_heap rw",
        "DeviceAllow=/dev/udmabuf rw",
        "DeviceAllow=char-gpiochip rw",
        "RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6",
        "SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
        "StandardOutput=journal",
    ],
)
def test_the_unit_says_what_a_station_needs(executable, line):
    assert line in service.render_unit(executable).splitlines()


@pytest.fixture
def places(tmp_path) -> service.Places:
    """A file system of the test's own, with the group of whoever runs the test."""
    template = tmp_path / "template.toml"
    template.write_text("# camera = 0\n")
    return service.Places(tmp_path / "root", grp.getgrgid(os.getgid()).gr_name, template)


@pytest.fixture
def as_root(monkeypatch, executable):
    """Root, with a program that anybody may read."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(service, "this_executable", lambda: executable)
    monkeypatch.setattr(service, "check_reachable", lambda *paths: None)


class Commands:
    """Runs nothing and remembers it; the command that holds `failing` fails."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.run: list[str] = []

    def __call__(self, command) -> None:
        self.run.append(" ".join(command))
        if self.failing and self.failing in self.run[-1]:
            raise WasteEdgeError(f"{self.run[-1]} failed: no")


MAKE_USER = " ".join(service.MAKE_USER)
RELOAD = "systemctl daemon-reload"


def test_install_makes_the_user_writes_both_files_then_starts(as_root, executable, places):
    commands, told = Commands(), []
    service.install(places, commands, told.append)
    assert places.unit.read_text() == service.render_unit(executable)
    assert places.config.read_text() == "# camera = 0\n"
    assert places.config.stat().st_mode & 0o777 == 0o640
    assert commands.run == [
        MAKE_USER,
        RELOAD,
        "systemctl enable waste-edge.service",
        "systemctl restart waste-edge.service",
    ]
    assert told == [
        service.command_title(service.MAKE_USER),
        f"# {places.config} (mode 0640, group {places.group})",
        f"# {places.unit}",
        *[f"$ {command}" for command in commands.run[1:]],
    ]


def test_install_again_renews_the_unit_and_keeps_the_configuration(as_root, executable, places):
    service.install(places, Commands())
    places.config.write_text("camera = 1\n")
    places.config.chmod(0o600 | 0o040)
    places.unit.write_text("[Unit]\n")
    service.install(places, Commands())
    assert places.unit.read_text() == service.render_unit(executable)
    assert places.config.read_text() == "camera = 1\n"


def test_a_configuration_that_the_service_could_not_read_is_named_before_anything_is_done(as_root, places):
    places.config.parent.mkdir(parents=True)
    places.config.touch(mode=0o600)
    with pytest.raises(UserError, match=r"station.toml: closed to the service's own user; sudo chgrp"):
        service.install(places, pytest.fail)
    places.config.chmod(0o640)
    service.install(places, Commands())
    places.config.chmod(0o604)
    service.install(places, Commands())


@pytest.mark.parametrize("upgraded", [False, True])
@pytest.mark.parametrize("failing", ["daemon-reload", "enable"])
def test_a_step_that_fails_takes_back_the_files(as_root, places, failing, upgraded):
    if upgraded:
        service.install(places, Commands())
        places.unit.write_text("[Unit]\n")
    commands = Commands(failing)
    with pytest.raises(WasteEdgeError, match=f"{failing}.* failed: no; still done: [$] systemd-sysusers") as caught:
        service.install(places, commands)
    assert ("station.toml" in str(caught.value)) is False
    if upgraded:
        assert places.unit.read_text() == "[Unit]\n"
        assert places.config.exists()
    else:
        assert not places.unit.exists()
        assert not places.config.parent.exists()
    assert commands.run[-1] == RELOAD


def test_without_its_group_no_configuration_is_left_open_to_all(as_root, places):
    nobody = service.Places(places.root, "no-such-group-here", places.template)
    with pytest.raises(WasteEdgeError, match=r"station.toml: cannot be given to the group no-such-group-here"):
        service.install(nobody, Commands())
    assert not nobody.config.parent.exists()


def test_a_first_step_that_fails_leaves_nothing(as_root, places):
    with pytest.raises(WasteEdgeError, match="failed: no; nothing is changed"):
        service.install(places, Commands("systemd-sysusers"))
    assert not places.root.exists()


def test_a_service_that_is_not_ready_stays_installed_and_that_is_said(as_root, places):
    with pytest.raises(
        WasteEdgeError, match=r"is installed .* is not ready now: .* see why with: waste-edge service logs"
    ):
        service.install(places, Commands("restart"))
    assert places.unit.exists()
    assert places.config.exists()


def test_uninstall_stops_it_then_removes_the_unit_and_keeps_the_configuration(as_root, places):
    service.install(places, Commands())
    commands = Commands()
    service.uninstall(places, commands)
    assert not places.unit.exists()
    assert places.config.exists()
    assert commands.run == ["systemctl disable --now waste-edge.service", RELOAD]


def test_an_uninstall_that_fails_half_way_says_what_is_done(as_root, places):
    service.install(places, Commands())
    with pytest.raises(WasteEdgeError, match=r"failed: no; still done: [$] systemctl disable --now .*; [$] rm "):
        service.uninstall(places, Commands("daemon-reload"))


def test_uninstall_of_what_is_not_installed_says_so(as_root, places):
    with pytest.raises(UserError, match="the service is not installed"):
        service.uninstall(places, pytest.fail)


@pytest.mark.parametrize("verb", [service.install, service.uninstall])
def test_without_root_nothing_is_touched(monkeypatch, executable, places, verb):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(service, "this_executable", lambda: executable)
    with pytest.raises(UserError, match=r"needs root: sudo .* \(--dry-run does not\)"):
        verb(places, pytest.fail)
    assert not places.root.exists()


def test_a_program_in_a_closed_home_is_refused(tmp_path):
    home = tmp_path / "home"
    program = home / "venv" / "waste-edge"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    home.chmod(0o700)
    with pytest.raises(UserError, match=r"home: closed to the service's own user, .*/opt/waste-edge"):
        service.check_reachable(program)


def test_a_program_where_the_unit_sees_nothing_is_refused(tmp_path):
    shell = Path("/bin/sh").resolve()
    service.check_reachable(Path("/etc/passwd"), hidden=[])  # a file that nobody executes
    service.check_reachable(shell, hidden=[tmp_path])
    with pytest.raises(UserError, match="the service does not see /"):
        service.check_reachable(shell, hidden=[shell.parent])
    assert {Path("/home"), Path("/root"), Path("/tmp")} <= set(service.HIDDEN)


def test_commands_that_fail_or_are_missing_are_named():
    with pytest.raises(WasteEdgeError, match="false failed: exit code 1"):
        run_command(["false"])
    with pytest.raises(UserError, match="no-such-program-here: not on this machine"):
        run_command(["no-such-program-here"])
    run_command(["true"])


def test_the_program_of_this_environment_is_found_or_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UserError, match="with pip first"):
        service.this_executable()
    (tmp_path / "waste-edge").touch()
    assert service.this_executable() == tmp_path / "waste-edge"


def test_the_unit_goes_through_the_link_where_updates_switch_it(monkeypatch, tmp_path):
    environment = tmp_path / "venv-3"
    (environment / "bin").mkdir(parents=True)
    for name in ("python", "waste-edge"):
        (environment / "bin" / name).touch()
    monkeypatch.setattr(sys, "executable", str(environment / "bin/python"))
    assert service.this_executable() == environment / "bin/waste-edge"
    (environment / MARK).touch()
    Environments(tmp_path).use(environment)
    assert service.this_executable() == tmp_path / "current/bin/waste-edge"
    (tmp_path / "venv-4").mkdir()
    Environments(tmp_path).use(tmp_path / "venv-4")
    assert service.this_executable() == environment / "bin/waste-edge"


def test_the_configuration_is_never_readable_by_others(tmp_path, monkeypatch):
    """Not for a moment: it may hold passwords, and somebody may watch the folder."""
    template = tmp_path / "mine.toml"
    template.write_text('name = "secret"\n')
    places = service.Places(root=tmp_path / "root", template=template, group=grp.getgrgid(os.getgid()).gr_name)
    seen: list[int] = []

    def note(function):
        def wrapped(*arguments, **more):
            folder = places.config.parent
            seen.extend(path.stat().st_mode & 0o777 for path in folder.glob(".*") if path.stat().st_size)
            seen.extend(path.stat().st_mode & 0o777 for path in folder.glob("*"))
            return function(*arguments, **more)

        return wrapped

    for name in ("replace", "fchmod", "chmod", "fsync", "unlink"):
        monkeypatch.setattr(os, name, note(getattr(os, name)))
    monkeypatch.setattr(shutil, "chown", note(shutil.chown))
    old_mask = os.umask(0)
    try:
        service._write_config(places).do()
    finally:
        os.umask(old_mask)
    assert seen
    assert not any(mode & 0o007 for mode in seen)
    assert places.config.stat().st_mode & 0o777 == 0o640
