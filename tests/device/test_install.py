"""The shell files of `device/`: what they would do, what they refuse, and that shellcheck finds nothing in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from waste_edge.device.service.environments import HOME, LINK
from waste_edge.files.resources import shipped

INSTALL, GATHER, FIRST_BOOT = (
    shipped(f"device/{name}") for name in ("install.sh", "gather_wheels.sh", "cloud-init/vendor-data")
)
needs_systemctl = pytest.mark.skipif(shutil.which("systemctl") is None, reason="needs systemctl (Debian: systemd)")


def said(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", *command], capture_output=True, text=True, check=False)


@pytest.fixture
def wheels(tmp_path) -> Path:
    """A folder with a wheel whose own check finds the board large enough."""
    with zipfile.ZipFile(tmp_path / "waste_edge-1.0-py3-none-any.whl", "w") as wheel:
        for name in ("__init__", "device/__init__", "device/service/__init__", "device/service/environments"):
            wheel.writestr(f"waste_edge/{name}.py", "")
    return tmp_path


@pytest.mark.parametrize("script", [INSTALL, GATHER, FIRST_BOOT], ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script):
    if shutil.which("shellcheck") is None:
        pytest.skip("needs shellcheck (Debian: shellcheck)")
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@needs_systemctl
def test_a_dry_run_shows_every_step_in_order_and_does_none(wheels):
    done = said(INSTALL, "--wheels", wheels, "--config", shipped("device/station.toml"), "--dry-run")
    assert done.returncode == 0, done.stderr
    program = f"{HOME / LINK}/bin/waste-edge"
    steps = [
        f"waste_edge.device.service.environments --home {HOME} --wheels {wheels}",
        f"$ {program} service install --config {shipped('device/station.toml')}",
        f"$ {program} doctor",
    ]
    places = [done.stdout.index(step) for step in steps]
    assert places == sorted(places)
    assert "--online" not in done.stdout
    assert all(line.startswith("$ ") for line in done.stdout.splitlines())


@needs_systemctl
def test_from_a_checkout_its_wheel_is_built_and_the_rest_downloaded():
    done = said(INSTALL, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"pip wheel --quiet --no-deps --wheel-dir /tmp/waste-edge-install/wheels {INSTALL.parents[1]}" in done.stdout
    assert "--wheels /tmp/waste-edge-install/wheels --online" in done.stdout
    assert not Path("/tmp/waste-edge-install").exists()


@needs_systemctl
def test_where_a_service_runs_from_there_it_is_updated(wheels, tmp_path):
    """The one condition that the dry run decides by: both files must be there."""
    text = INSTALL.read_text()
    condition = '[ -x "$program" ] && [ -f /etc/systemd/system/waste-edge.service ]'
    assert text.count(condition) == 1
    copy = tmp_path / "install.sh"
    copy.write_text(text.replace(condition, "true"))
    done = said(copy, "--wheels", wheels, "--dry-run")
    assert f"$ {HOME / LINK}/bin/waste-edge service update --wheels {wheels}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--wheel", "x"], "--wheel: unknown; expected --wheels DIR"),
        (["--wheels"], "--wheels: expected a path after it"),
        (["--wheels", "/no/such"], "/no/such: no such folder; device/gather_wheels.sh makes one"),
        (["--config", "/no/such"], "/no/such: no such file"),
    ],
)
def test_what_it_cannot_use_is_named_with_the_remedy(arguments, reason):
    done = said(INSTALL, *arguments, "--dry-run")
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_without_our_wheel_is_refused_and_so_is_a_copy_that_is_alone(tmp_path):
    done = said(INSTALL, "--wheels", tmp_path, "--dry-run")
    assert (done.returncode, "expected one waste_edge-*.whl" in done.stderr) == (2, True)
    alone = tmp_path / "device" / "install.sh"
    alone.parent.mkdir()
    shutil.copy(INSTALL, alone)
    done = said(alone, "--dry-run")
    assert (done.returncode, "not in a checkout: say --wheels DIR" in done.stderr) == (2, True)


@needs_systemctl
def test_a_python_that_is_too_old_is_one_line(wheels, tmp_path):
    old = tmp_path / "old" / "python3"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    environment = {**os.environ, "PATH": f"{old.parent}:{os.environ['PATH']}"}
    command = ["sh", INSTALL, "--wheels", wheels, "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "install.sh: Python 3.9.2: too old; Raspberry Pi OS Bookworm or later has what is needed\n"


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("target", ["run", "test"])
def test_make_tells_a_python_that_is_too_old(tmp_path, target):
    """A copy of what make reads: nothing has been installed there."""
    for name in ("Makefile", "pyproject.toml", "training/model.mk", "training/domains.mk"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(INSTALL.parents[1] / name, tmp_path / name)
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    command = ["make", "--silent", f"PYTHON={old}", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == "Python 3.9.2: too old, Python 3.11 or later is needed; try make PYTHON=python3.11 " + (
        f"{target}\n"
    )
    assert not (tmp_path / ".venv").exists()
    assert not (tmp_path / ".venv-dev").exists()


@needs_systemctl
def test_a_board_without_room_is_told_before_any_step(tmp_path):
    """The package's own check, run out of the checkout; a full card is played by a Python that finds no room."""
    text = INSTALL.read_text()
    assert text.index("--check || exit $?") < text.index("install_packages() {")
    folder = tmp_path / "checkout" / "device"
    folder.mkdir(parents=True)
    shutil.copy(INSTALL, folder)
    (tmp_path / "checkout" / "pyproject.toml").touch()
    room = tmp_path / "checkout" / "waste_edge" / "device" / "service"
    room.mkdir(parents=True)
    for package in (room, room.parent, room.parent.parent):
        (package / "__init__.py").touch()
    (room / "environments.py").write_text(
        "import sys\nprint('waste-edge: /opt: 3 MB free', file=sys.stderr)\nsys.exit(2)\n"
    )
    done = said(folder / "install.sh", "--dry-run")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "waste-edge: /opt: 3 MB free\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may install")
@needs_systemctl
def test_it_asks_for_root(wheels):
    done = said(INSTALL, "--wheels", wheels)
    assert (done.returncode, "needs root: sudo" in done.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["a", "b", "c", "d"], ["folder", "3.9"]])
def test_gathering_says_how_it_is_used(arguments):
    done = said(GATHER, *arguments)
    assert done.returncode == 2
    assert "3.13" in done.stderr


@pytest.mark.parametrize("config", [False, True])
def test_the_first_boot_installs_from_the_card(tmp_path, config):
    card = tmp_path / "waste-edge"
    card.mkdir()
    (card / "install.sh").write_text('echo "$@"\n')
    if config:
        (card / "station.toml").touch()
    text = FIRST_BOOT.read_text()
    assert text.startswith("#!/bin/sh\n")  # by this cloud-init knows a script
    assert text.count("card=/boot/firmware/waste-edge\n") == 1
    copy = tmp_path / "vendor-data"
    copy.write_text(text.replace("card=/boot/firmware/waste-edge", f"card={card}"))
    expected = f"--wheels {card}/wheels" + (f" --config {card}/station.toml" if config else "")
    assert said(copy).stdout == expected + "\n"


def test_python_imports_nothing_from_the_folder_it_is_started_in():
    """Each start of Python before there is an environment: with -P, and no settings of a user's."""
    text = INSTALL.read_text()
    started = [line for line in text.splitlines() if "python3 -" in line and not line.lstrip().startswith("#")]
    assert len(started) == 5
    assert all("python3 -P" in line or "python3 --version" in line for line in started)
    assert "unset PYTHONPATH PYTHONHOME" in text


@needs_systemctl
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_its_end_removes_only_what_it_made(tmp_path, wheels):
    """With --wheels it makes no folder; one of the name that the dry run prints may be anybody's."""
    other = Path("/tmp/waste-edge-install")
    there = other.exists()
    other.mkdir(exist_ok=True)
    (other / "mine").touch()
    done = said(INSTALL, "--wheels", tmp_path, "--config", "/no/such")
    assert done.returncode == 2
    assert (other / "mine").exists()
    (other / "mine").unlink()
    if not there:
        other.rmdir()
