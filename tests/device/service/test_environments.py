"""Environments are made whole beside the one in use, and switched in one step."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from waste_edge.device.service import environments as room
from waste_edge.device.service.environments import MARK, Environments, Source, call, main
from waste_edge.errors import UserError, WasteEdgeError

WHEEL = "waste_edge-1.0-py3-none-any.whl"


class Calls:
    """Stands in for venv and pip: makes the files they would, and remembers what was asked."""

    def __init__(self, numpy: str = "", failing: str = "") -> None:
        self.numpy, self.failing = numpy, failing
        self.made: list[str] = []

    def __call__(self, command) -> str:
        line = " ".join(map(str, command))
        self.made.append(line)
        if "-m venv" in line:
            (Path(command[-1]) / "bin").mkdir(parents=True)
        if self.failing and self.failing in line:
            raise WasteEdgeError(f"{self.failing} failed: no")
        return self.numpy if "distributions" in line else ""


@pytest.fixture
def wheels(tmp_path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / WHEEL).write_bytes(b"one")
    return folder


@pytest.fixture
def environments(tmp_path) -> Environments:
    return Environments(tmp_path / "home", call=Calls())


def test_the_first_is_made_and_used(environments, wheels):
    source = Source(wheels)
    assert environments.in_use() is None
    environments.use(environments.make(source))
    assert environments.in_use() == environments.home / "venv-1"
    assert environments.holds(source)
    assert environments.program == environments.home / "current/bin/waste-edge"
    assert environments.call.made[0] == f"/usr/bin/python3 -m venv --system-site-packages {environments.home}/venv-1"


def test_the_next_one_lies_beside_and_the_link_never_leads_nowhere(environments, wheels, monkeypatch):
    environments.use(environments.make(Source(wheels)))
    (wheels / WHEEL).write_bytes(b"two")
    assert not environments.holds(Source(wheels))
    second = environments.make(Source(wheels))
    assert environments.in_use() == environments.home / "venv-1"
    monkeypatch.setattr(os, "replace", no_power)
    with pytest.raises(KeyboardInterrupt):
        environments.use(second)
    assert environments.in_use() == environments.home / "venv-1"
    monkeypatch.undo()
    environments.use(second)
    assert environments.in_use() == second == environments.home / "venv-2"


def no_power(*_) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("failing", ["-m venv", "pip", "--version"])
def test_what_fails_leaves_nothing(environments, wheels, failing):
    environments.use(environments.make(Source(wheels)))
    broken = Environments(environments.home, call=Calls(failing=failing))
    with pytest.raises(WasteEdgeError, match="failed: no"):
        broken.make(Source(wheels))
    assert sorted(path.name for path in environments.home.iterdir()) == ["current", "venv-1"]


def test_a_half_that_a_power_cut_left_is_passed_over_and_removed(environments, wheels):
    (environments.home / "venv-4/bin").mkdir(parents=True)
    (environments.home / "venv-mine").mkdir()
    made = environments.make(Source(wheels))
    assert made.name == "venv-5"
    environments.use(made)
    environments.remove_all_but(made)
    assert sorted(path.name for path in environments.home.iterdir()) == ["current", "venv-5", "venv-mine"]


@pytest.mark.parametrize(("numpy", "held"), [("1.24.2\n", True), ("2.2.4\n", False), ("\n", False)])
def test_numpy_is_held_back_where_the_systems_is_1(tmp_path, wheels, numpy, held):
    calls = Calls(numpy)
    Environments(tmp_path / "home", call=calls).make(Source(wheels))
    (install,) = [line for line in calls.made if "pip install" in line]
    assert install.endswith("numpy<2") is held


def test_pip_is_given_the_wheel_itself_and_no_index(wheels):
    assert Source(wheels).pip_arguments == [
        "--no-index",
        f"--find-links={wheels}",
        f"{wheels / WHEEL}[gpio,mqtt,sign,web]",
    ]
    assert "--no-index" not in Source(wheels, online=True).pip_arguments
    assert Source(version="1.2").pip_arguments == ["waste-edge[gpio,mqtt,sign,web]==1.2"]


def test_a_source_that_is_none_is_named(wheels):
    for wrong in ({}, {"wheels": wheels, "version": "1"}):
        with pytest.raises(UserError, match="either --wheels DIR or --version X"):
            Source(**wrong)
    (wheels / "waste_edge-2.0-py3-none-any.whl").touch()
    with pytest.raises(UserError, match=r"expected one waste_edge-\*.whl, got waste_edge-1.0.*, waste_edge-2.0"):
        Source(wheels).mark  # noqa: B018
    with pytest.raises(UserError, match=r"got none; device/gather_wheels.sh"):
        Source(wheels / "no").mark  # noqa: B018


def test_a_command_that_fails_is_told_by_its_own_error(tmp_path):
    script = "import sys; print('ERROR: no matching thing', file=sys.stderr); print('[notice] advice'); sys.exit(1)"
    with pytest.raises(WasteEdgeError, match="failed: ERROR: no matching thing"):
        call([sys.executable, "-c", script])
    with pytest.raises(WasteEdgeError, match="failed: exit code 3"):
        call([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(UserError, match="no-such-program: not on this machine"):
        call(["no-such-program"])
    call([sys.executable, "-c", f"open({str(tmp_path / 'file')!r}, 'w')"])
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_it_needs_nothing_but_pythons_own_library():
    """The installer runs it before anything is installed: -S leaves site-packages out."""
    root = Path(room.__file__).parents[3]
    code = f"import sys; sys.path.insert(0, {str(root)!r}); import waste_edge.device.service.environments"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_installers_call_makes_one_and_the_second_time_none(tmp_path, wheels, monkeypatch, capsys):
    calls = Calls()
    monkeypatch.setattr(room.Environments.__init__, "__defaults__", (room.HOME, room.PYTHON, calls))
    arguments = ["--home", str(tmp_path / "home"), "--wheels", str(wheels)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{tmp_path}/home/current/bin/waste-edge\n"
    made = len(calls.made)
    assert main(arguments) == 0
    assert len(calls.made) == made
    assert (tmp_path / "home/venv-1" / MARK).is_file()
    assert main(["--home", str(tmp_path / "home"), "--wheels", str(tmp_path)]) == 2
    assert "waste-edge: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("memory_kb", "free", "reason"),
    [
        (8_000_000, 10**12, ""),
        (430_000, 10**12, ""),  # a Zero 2 W with 512 MB
        (230_000, 10**12, "this board has 230 MB of memory; expected 300 at least"),
        (8_000_000, 150 * 10**6, "150 MB free, the installation takes up to 700; free some"),
    ],
)
def test_a_board_that_is_too_small_is_told_before_anything_is_made(
    tmp_path, monkeypatch, capsys, memory_kb, free, reason
):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal:       {memory_kb} kB\nMemFree: 1 kB\n")
    check = room.check_board
    monkeypatch.setattr(room, "check_board", lambda home: check(home, meminfo))
    home = tmp_path / "not" / "there"
    assert main(["--home", str(home), "--check"]) == (2 if reason else 0)
    said = capsys.readouterr()
    assert said.out == ""
    assert reason in said.err
    assert len(said.err.splitlines()) == bool(reason)
    assert not home.parent.exists()


def test_a_machine_of_32_bits_and_one_that_tells_nothing(tmp_path, monkeypatch):
    room.check_board(tmp_path, tmp_path / "no-meminfo")
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    with pytest.raises(UserError, match="32-bit system"):
        room.check_board(tmp_path)


PIP_SAID = "pip install failed: ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), WasteEdgeError(PIP_SAID)])
def test_a_card_that_fills_up_leaves_nothing_and_says_so(tmp_path, wheels, error):
    made = Calls()

    def full(command):
        if "install" in map(str, command):
            raise error
        return made(command)

    environments = Environments(tmp_path / "home", call=full)
    with pytest.raises(UserError, match="venv-1: no space left on this disk; nothing of it stays; free some"):
        environments.make(Source(wheels))
    assert list(environments.home.iterdir()) == []


def test_a_program_that_does_not_say_why_is_told_by_the_disk_itself(tmp_path, wheels, monkeypatch):
    """`python3 -m venv` on a full disk: its pip "returned non-zero exit status 1"."""
    said = WasteEdgeError("python3 -m venv … failed: ensurepip returned non-zero exit status 1.")

    def failing(command):
        raise said

    monkeypatch.setattr(room, "check_room", lambda folder: None)
    environments = Environments(tmp_path / "home", call=failing)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10_000))
    with pytest.raises(UserError, match="venv-1: no space left on this disk"):
        environments.make(Source(wheels))
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**9))
    with pytest.raises(WasteEdgeError, match="status 1"):
        environments.make(Source(wheels))


def test_an_update_needs_room_too(environments, wheels, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(UserError, match="0 MB free"):
        environments.make(Source(wheels))
    assert list(environments.home.iterdir()) == []
