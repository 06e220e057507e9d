"""Setting of an examination. Everything a check touches of the machine is a field, so that tests bring their own."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.device.cameras.libcamera.devices import opening_group
from waste_edge.device.clock import Clock, SystemClock
from waste_edge.device.service.instances import UNIT
from waste_edge.device.system.command import RunProgram, run_program
from waste_edge.device.system.disk import DiskLimits
from waste_edge.device.system.shedding import Thresholds

if TYPE_CHECKING:
    from waste_edge.bundle.bundle import Bundle

STATE = Path("var/lib/waste-edge")  # under the root


@dataclass(frozen=True)
class User:
    """User who must be able to open the devices.

    Attributes:
        name: as in /etc/passwd.
        may_open: whether a device's node may be read and written.
    """

    name: str
    may_open: Callable[[Path], bool]


def present_user() -> User:
    """Look up the user who runs this process."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = str(os.geteuid())
    return User(name, lambda node: os.access(node, os.R_OK | os.W_OK))


def user_of_groups(name: str, groups: frozenset[str]) -> User:
    """Make a user of whom only the groups are known: may open what one of them may, or everybody."""
    return User(name, lambda node: name == "root" or opening_group(node) in groups or _open_to_all(node))


def _open_to_all(node: Path) -> bool:
    try:
        return node.stat().st_mode & 0o006 == 0o006
    except OSError:
        return False


@dataclass(frozen=True)
class Setting:
    """Attributes:
    bundle: opens the bundle to try; raises UserError.
    choice: says which bundle that is and why, in one line; an empty one if it was named; raises UserError.
    engine: the engine that the station names; a plug-in is tried beside the package's own.
    camera: the camera's ID as in `run --camera`; None is any, and then none is needed.
    state: the station's folder; None is where the service keeps it.
    unit: of the station, for systemd.
    root: where /proc, /sys, /dev and /etc are looked for.
    run_program: runs systemctl, timedatectl, vcgencmd and the camera's process.
    pythons: interpreters that picamera2 is looked for in.
    user: who must reach the devices.
    clock, utc_now: durations, and the date.
    thresholds, disk: what is too hot and too full.
    """

    bundle: Callable[[], AbstractContextManager[Bundle]]
    camera: str | None = None
    state: Path | None = None
    unit: str = UNIT
    root: Path = Path("/")
    run_program: RunProgram = run_program
    pythons: tuple[str, ...] = (sys.executable, "/usr/bin/python3")
    user: User = field(default_factory=present_user)
    clock: Clock = field(default_factory=SystemClock)
    utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    thresholds: Thresholds = field(default_factory=Thresholds)
    disk: DiskLimits = field(default_factory=DiskLimits)
    choice: Callable[[], str] = lambda: ""
    engine: str = "auto"
