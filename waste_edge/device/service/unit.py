"""The systemd unit: rendered, checked, installed, removed; each a list of steps, so that it can be shown first."""

from __future__ import annotations

import contextlib
import grp
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from waste_edge.device.service.environments import Environments
from waste_edge.device.service.instances import (
    ONLY,
    Instance,
    begun_config,
    check_apart,
    installed_instances,
    template_of,
)
from waste_edge.device.service.instances import UNIT as UNIT
from waste_edge.device.service.steps import (
    Command,
    Run,
    Step,
    Tell,
    carry_out,
    command_step,
    command_title,
    run_command,
)
from waste_edge.errors import UserError, WasteEdgeError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.resources import shipped

USER = "waste-edge"
CONFIG_MODE = 0o640  # it may hold a broker's password
# What the unit hides from its program (ProtectHome, PrivateTmp).
HIDDEN = tuple(Path(folder) for folder in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"))

# Debian has `video`; Raspberry Pi OS has `gpio`, too. systemd starts no unit that names a group that is missing.
MAKE_USER: Command = (
    "systemd-sysusers", "--inline", "g video -", "g gpio -", f'u {USER} - "waste-edge station" /var/lib/waste-edge',
)  # fmt: skip
RELOAD: Command = ("systemctl", "daemon-reload")


def config_template() -> Path:
    """The commented configuration that a station starts with."""
    return shipped("device/station.toml")


@dataclass(frozen=True)
class Places:
    """Paths of the service's files. Tests bring a `root` and a `group` of their own.

    Attributes:
        root: of the file system that is installed into.
        group: who, besides root, may read the configuration.
        template: the configuration to begin with; None for the shipped one.
        instance: which station of the board.
        camera: ID that a new configuration names; None leaves the template's.
    """

    root: Path = Path("/")
    group: str = USER
    template: Path | None = None
    instance: Instance = ONLY
    camera: str | None = None

    @property
    def unit(self) -> Path:
        return self.instance.unit_file(self.root)

    @property
    def config(self) -> Path:
        return self.instance.config(self.root)

    @property
    def config_text(self) -> str:
        """The configuration as it is, or as it would begin."""
        if _is_there(self.config):
            return self.config.read_text(encoding="utf-8")
        text = (self.template or config_template()).read_text(encoding="utf-8")
        return begun_config(text, self.instance if self.template is None else ONLY, self.camera)


def this_executable() -> Path:
    """The `waste-edge` of the environment that runs now; through the link to it, where updates switch one.

    Raises:
        UserError: there is none beside the Python that runs.
    """
    path = Path(sys.executable).parent / "waste-edge"  # not resolved: a venv's Python is a link out of it
    if not path.is_file():
        raise UserError(f"{path}: no such file; install waste-edge into this Python's environment with pip first")
    environment = path.parents[1]
    environments = Environments(environment.parent)
    return environments.program if environments.in_use() == environment.resolve() else path


def render_unit(executable: Path, instance: Instance = ONLY) -> str:
    """The unit's text, which starts `executable`, an absolute path; for a named instance the template of all.

    Raises:
        UserError: the path holds a character that systemd takes in no program's path.
    """
    if not executable.is_absolute():
        raise ValueError(f"systemd needs an absolute path, got {executable}")
    template = shipped(f"systemd/{UNIT}").read_text(encoding="utf-8")
    template = template_of(template) if instance.name else template
    return template.replace("@EXECUTABLE@", _quoted(str(executable)))


def check_reachable(*paths: Path, hidden: Sequence[Path] = HIDDEN) -> None:
    """Raise UserError unless the service's own user may read the program.

    Args:
        paths: files it needs; all folders above them must be open to others.
        hidden: folders that the unit does not let it see.
    """
    remedy = "install into a place such as /opt/waste-edge instead (see systemd/README.md)"
    for path in paths:
        for step in (path, *path.parents):
            mode = step.stat().st_mode
            read = 0o004 if step == path else 0
            execute = 0o001 if mode & 0o111 else 0  # a folder, or a program; a module of Python is neither
            if mode & (read | execute) != read | execute:
                raise UserError(f"{step}: closed to the service's own user, so {path.name} could not start; {remedy}")
        for folder in hidden:
            if folder in path.parents:
                raise UserError(f"{path}: the service does not see {folder}, so {path.name} could not start; {remedy}")


def check(places: Places) -> None:
    """Raise UserError if the service, installed now, could not start: its program or configuration is closed to it."""
    check_reachable(this_executable(), Path(sys.executable).resolve(), Path(__file__).resolve())
    with contextlib.suppress(PermissionError):  # a dry run by somebody who may not read what others have
        check_apart(places.instance, places.config_text, places.root)
    if not _is_there(places.config):
        return
    if places.camera is not None:
        raise UserError(f"{places.config}: is there already, and --camera changes none; change `camera` in it")
    with contextlib.suppress(KeyError):  # no such group yet: then others must be able to read it
        found = places.config.stat()
        if found.st_mode & 0o040 and found.st_gid == grp.getgrnam(places.group).gr_gid:
            return
    if not places.config.stat().st_mode & 0o004:
        raise UserError(
            f"{places.config}: closed to the service's own user; "
            f"sudo chgrp {places.group} {places.config} && sudo chmod {CONFIG_MODE:o} {places.config}"
        )


def install_steps(places: Places, run: Run | None = None) -> list[Step]:
    """All that installing does, the start of the service last."""
    run, unit = run or run_command, places.instance.unit
    return [
        command_step(run, MAKE_USER),
        _write_config(places),
        _write_unit(places, render_unit(this_executable(), places.instance), run),
        Step(command_title(RELOAD), partial(run, RELOAD), undo=lambda: None),  # the unit's undo does it again
        command_step(run, ("systemctl", "enable", unit)),
        command_step(run, ("systemctl", "restart", unit)),  # not `start`: installed anew, it must take the new unit
    ]


def uninstall_steps(places: Places, run: Run | None = None) -> list[Step]:
    """All that removing does; the configuration, the user and what it kept under /var/lib stay.

    The unit's file stays too while another instance needs it.

    Raises:
        UserError: not installed.
    """
    run, installed = run or run_command, installed_instances(places.root)
    if not _is_there(places.unit) or (places.instance.name and places.instance not in installed):
        raise UserError(f"{places.instance.unit}: the service is not installed; nothing is to be done")
    others = [one for one in installed if one != places.instance and one.unit_file(places.root) == places.unit]
    remove = Step(f"$ rm {shlex.quote(str(places.unit))}", places.unit.unlink)
    return [
        command_step(run, ("systemctl", "disable", "--now", places.instance.unit)),
        *([] if others else [remove]),
        command_step(run, RELOAD),
    ]


def install(places: Places, run: Run | None = None, tell: Tell = lambda title: None) -> None:
    """Write the unit and, unless there is one, the configuration; start the service now and at every boot.

    May be repeated: a configuration stays as it is, a unit and a running service are renewed.

    Args:
        places: where the files go.
        run: runs a command.
        tell: is given each step's title once it is done.

    Raises:
        UserError: not root, no systemd, or a program or configuration that the service's user could not read.
        WasteEdgeError: a step failed; what was done before is undone, or named.
    """
    _require_root("install")
    check(places)
    *before, start = install_steps(places, run)
    carry_out(before, tell)
    try:
        start.do()
    except WasteEdgeError as error:
        raise type(error)(
            f"{places.instance.unit} is installed and starts at every boot, but is not ready now: {error}; systemd "
            f"goes on trying every 10 s; see why with: waste-edge service logs{places.instance.option}"
        ) from error
    tell(start.title)


def uninstall(places: Places, run: Run | None = None, tell: Tell = lambda title: None) -> None:
    """Stop the service and remove the unit.

    Raises:
        UserError: not root, or not installed.
        WasteEdgeError: a step failed; what was done before is named.
    """
    _require_root("uninstall")
    carry_out(uninstall_steps(places, run), tell)


def _write_config(places: Places) -> Step:
    """The template, for root and the service's group only; what is there already stays as it is."""
    if _is_there(places.config):
        return Step(f"# {places.config}: is there already, stays as it is", lambda: None, lambda: None)
    new = [one for one in (places.config.parent, ONLY.config(places.root).parent) if not one.exists()]

    def write() -> None:
        write_atomically(places.config, content, mode=0o600)  # open to nobody before it has its group
        try:
            shutil.chown(places.config, group=places.group)
            places.config.chmod(CONFIG_MODE)
        except (LookupError, OSError) as error:
            remove()
            raise WasteEdgeError(f"{places.config}: cannot be given to the group {places.group} ({error})") from error

    def remove() -> None:
        places.config.unlink()
        for folder in dict.fromkeys(new):
            folder.rmdir()

    content = places.config_text
    return Step(f"# {places.config} (mode {CONFIG_MODE:04o}, group {places.group})", write, remove, content)


def _write_unit(places: Places, unit: str, run: Run) -> Step:
    before = places.unit.read_text(encoding="utf-8") if _is_there(places.unit) else None

    def restore() -> None:
        if before is None:
            places.unit.unlink()
        else:
            write_atomically(places.unit, before)
        run(RELOAD)

    return Step(f"# {places.unit}", partial(write_atomically, places.unit, unit), restore, unit)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise UserError(f"{path}: its folder is closed to you; say it again with sudo") from error


def _require_root(verb: str) -> None:
    if os.geteuid() != 0:
        raise UserError(f"service {verb} needs root: sudo {this_executable()} service {verb} (--dry-run does not)")


def _quoted(path: str) -> str:
    """A path as a unit writes it: `%` doubled, quoted if it holds a space. systemd runs none with quotes in it."""
    if set(path) & set("\"'\\\n"):
        raise UserError(f"{path!r}: systemd starts no program with such a character in its path; install elsewhere")
    escaped = path.replace("%", "%%")
    return f'"{escaped}"' if " " in escaped else escaped
