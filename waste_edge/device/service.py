"""The systemd unit: rendered, installed, removed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from waste_edge.errors import UserError, WasteEdgeError
from waste_edge.files import write_atomically
from waste_edge.resources import shipped

UNIT = "waste-edge.service"
UNIT_PATH = Path("/etc/systemd/system") / UNIT

Command = Sequence[str]

INSTALL_COMMANDS: Sequence[Command] = (("systemctl", "daemon-reload"), ("systemctl", "enable", "--now", UNIT))
STOP_COMMANDS: Sequence[Command] = (("systemctl", "disable", "--now", UNIT),)
RELOAD_COMMANDS: Sequence[Command] = (("systemctl", "daemon-reload"),)


def this_executable() -> Path:
    """The `waste-edge` of the environment that runs now.

    Raises:
        UserError: there is none beside the Python that runs.
    """
    path = Path(sys.executable).parent / "waste-edge"  # not resolved: a venv's Python is a link out of it
    if not path.is_file():
        raise UserError(f"{path}: no such file; install waste-edge into this Python's environment with pip first")
    return path


def render_unit(executable: Path) -> str:
    """The unit's text, which starts `executable`, an absolute path.

    Raises:
        UserError: the path holds a character that systemd takes in no program's path.
    """
    if not executable.is_absolute():
        raise ValueError(f"systemd needs an absolute path, got {executable}")
    template = shipped(f"systemd/{UNIT}").read_text(encoding="utf-8")
    return template.replace("@EXECUTABLE@", _quoted(str(executable)))


def check_reachable(*paths: Path) -> None:
    """Raise UserError unless the service's own user may read the program.

    Args:
        paths: files it needs; all folders above them must be open to others.
    """
    for path in paths:
        for step in (path, *path.parents):
            wanted = 0o005 if step == path else 0o001
            if step.stat().st_mode & wanted != wanted:
                raise UserError(
                    f"{step}: closed to the service's own user, so {path.name} could not start; "
                    "install into a place such as /opt/waste-edge instead (see systemd/README.md)"
                )


def install(unit_path: Path = UNIT_PATH, run: Callable[[Command], None] | None = None) -> None:
    """Write the unit, start it now and at every boot.

    Raises:
        UserError: not root, no systemd, or a program that the service's user could not read.
        WasteEdgeError: systemctl failed; its message is passed on.
    """
    executable = this_executable()
    unit = render_unit(executable)
    _require_root("install")
    check_reachable(executable, Path(sys.executable).resolve(), Path(__file__).resolve())
    write_atomically(unit_path, unit)
    for command in INSTALL_COMMANDS:
        (run or run_command)(command)


def uninstall(unit_path: Path = UNIT_PATH, run: Callable[[Command], None] | None = None) -> None:
    """Stop the service and remove the unit; what it kept under /var/lib/waste-edge stays.

    Raises:
        UserError: not root, or not installed.
        WasteEdgeError: systemctl failed; its message is passed on.
    """
    _require_root("uninstall")
    if not unit_path.exists():
        raise UserError(f"{unit_path}: the service is not installed")
    for command in STOP_COMMANDS:
        (run or run_command)(command)
    unit_path.unlink()
    for command in RELOAD_COMMANDS:
        (run or run_command)(command)


def run_command(command: Command) -> None:
    """Run one command to its end; raises UserError if it is not on this machine, WasteEdgeError if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UserError(f"{command[0]}: not on this machine; the service needs systemd") from error
    if done.returncode:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise WasteEdgeError(f"{' '.join(command)} failed: {said}")


def _require_root(verb: str) -> None:
    if os.geteuid() != 0:
        raise UserError(f"service {verb} needs root: sudo {this_executable()} service {verb} (--dry-run does not)")


def _quoted(path: str) -> str:
    """A path as a unit writes it: `%` doubled, quoted if it holds a space. systemd runs none with quotes in it."""
    if set(path) & set("\"'\\\n"):
        raise UserError(f"{path!r}: systemd starts no program with such a character in its path; install elsewhere")
    escaped = path.replace("%", "%%")
    return f'"{escaped}"' if " " in escaped else escaped
