"""State of the service, as systemd tells it, and the next step."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.service.instances import ONLY, UNIT, Instance
from waste_edge.errors import UserError, WasteEdgeError

PROPERTIES = (
    "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts",
    "NeedDaemonReload", "ActiveEnterTimestamp", "ActiveEnterTimestampMonotonic",
    "WatchdogUSec", "WatchdogTimestampMonotonic", "MemoryCurrent", "MemoryMax", "StatusText",
)  # fmt: skip
_UNSET = 2**64 - 1  # how systemd says "none" in a number
_CANNOT_EXECUTE, _NO_GROUP, _NO_USER = 203, 216, 217  # systemd's own exit codes


@dataclass(frozen=True)
class ServiceStatus:
    """State of the unit from `systemctl show`; None where systemd gives no value.

    Attributes:
        active: whether it runs and has said READY.
        state: systemd's words, e.g. `active (running)`.
        starts_at_boot: whether it is enabled.
        since: when it became active, as systemd writes it; empty if it is not.
        active_s: how long ago that was.
        restarts: automatic ones since it was started by hand or by the boot.
        result: how it ended last, e.g. `success`, `exit-code`, `watchdog`, `oom-kill`.
        exit_code: of the main process that ended last.
        watchdog: how long the watchdog waits, as systemd writes it; empty if there is none.
        fed_s: how long ago it was fed.
        memory_bytes, memory_limit_bytes: of the whole service.
        text: the last line it said of itself.
        stale: the unit's file has changed since systemd read it.
        unit: which one.
    """

    active: bool
    state: str
    starts_at_boot: bool
    since: str
    active_s: float | None
    restarts: int
    result: str
    exit_code: int
    watchdog: str
    fed_s: float | None
    memory_bytes: int | None
    memory_limit_bytes: int | None
    text: str
    stale: bool
    unit: str = UNIT

    @property
    def remedy(self) -> str:
        """Next step for the user; empty if there is nothing to do."""
        unit = self.unit.removesuffix(".service")
        if self.stale:
            return f"the unit's file has changed: sudo systemctl daemon-reload && sudo systemctl restart {unit}"
        if not self.active:
            return _remedy_at_rest(self)
        if not self.starts_at_boot:
            return f"it does not start at boot: sudo systemctl enable {unit}"
        if self.text.startswith("waiting for a camera"):
            return "plug the camera in, or see what is wrong with it: waste-edge doctor"
        if self.restarts:
            return f"it was restarted; see why: waste-edge service logs{_option(self)} --since -1d"
        return ""


def read_status(now_ns: int, instance: Instance = ONLY) -> ServiceStatus:
    """Read the unit's state from systemd.

    Args:
        now_ns: on the system's monotonic clock.
        instance: which station of the board.

    Raises:
        UserError: no systemd here, or the service is not installed.
        WasteEdgeError: systemctl failed.
    """
    command = ["systemctl", "show", instance.unit, f"--property={','.join(PROPERTIES)}"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UserError("systemctl: not on this machine; the service needs systemd") from error
    if shown.returncode:
        said = (shown.stderr.strip() or f"exit code {shown.returncode}").splitlines()[0]
        raise WasteEdgeError(f"systemctl show failed: {said}")
    return parse(dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line), now_ns, instance)


def parse(shown: Mapping[str, str], now_ns: int, instance: Instance = ONLY) -> ServiceStatus:
    """The status from `systemctl show`'s properties; raises UserError if the service is not installed."""
    if shown.get("LoadState", "not-found") == "not-found":
        command = f"sudo waste-edge service install{instance.option}"
        raise UserError(f"{instance.unit}: not installed; install it with: {command}")
    active = shown.get("ActiveState") in ("active", "reloading")
    watchdog = shown.get("WatchdogUSec", "")
    return ServiceStatus(
        active=active,
        state=f"{shown.get('ActiveState', 'unknown')} ({shown.get('SubState', 'unknown')})",
        starts_at_boot=shown.get("UnitFileState") == "enabled",
        since=shown.get("ActiveEnterTimestamp", "") if active else "",
        active_s=_ago_s(shown.get("ActiveEnterTimestampMonotonic", ""), now_ns) if active else None,
        restarts=_number(shown.get("NRestarts", "")) or 0,
        result=shown.get("Result", ""),
        exit_code=_number(shown.get("ExecMainStatus", "")) or 0,
        watchdog="" if watchdog in ("0", "infinity") else watchdog,
        fed_s=_ago_s(shown.get("WatchdogTimestampMonotonic", ""), now_ns) if active else None,
        memory_bytes=_number(shown.get("MemoryCurrent", "")),
        memory_limit_bytes=_number(shown.get("MemoryMax", "")),
        text=shown.get("StatusText", ""),
        stale=shown.get("NeedDaemonReload") == "yes",
        unit=instance.unit,
    )


def lines(status: ServiceStatus) -> list[str]:
    """The status for people: one line a fact, the remedy last."""
    head = f"{status.unit}: {status.state}"
    if status.active_s is not None:
        head += f" since {status.since}, {_span(status.active_s)}"
    facts = {
        "says": status.text,
        "restarts": f"{status.restarts}" + (f"; ended last by: {status.result}" if status.result != "success" else ""),
        "watchdog": _watchdog(status),
        "memory": _memory(status),
        "at boot": "starts" if status.starts_at_boot else "does not start",
        "remedy": status.remedy or "nothing to do",
    }
    return [head, *(f"  {name:<9} {fact}" for name, fact in facts.items() if fact)]


def log_command(
    follow: bool = False, since: str | None = None, lines: int = 100, units: Sequence[str] = (UNIT,)
) -> list[str]:
    """The journalctl that shows what units wrote: the last lines, or all since a time as journalctl reads it."""
    command = ["journalctl", *(f"--unit={unit}" for unit in units), "--no-pager", "--output=short-iso"]
    command.append(f"--lines={lines}" if since is None else f"--since={since}")
    return [*command, "--follow"] if follow else command


def _option(status: ServiceStatus) -> str:
    """Option of `waste-edge service` that means this station."""
    name = status.unit.removesuffix(".service").partition("@")[2]
    return Instance(name).option


def _remedy_at_rest(status: ServiceStatus) -> str:
    option = _option(status)
    if status.exit_code == _CANNOT_EXECUTE and status.result == "exit-code":
        return f"its program cannot be started; install it again: sudo waste-edge service install{option}"
    if status.exit_code in (_NO_GROUP, _NO_USER) and status.result == "exit-code":
        return f"its user or group is missing; sudo waste-edge service install{option} makes them"
    causes = {
        "exit-code": "it ended with an error and is started again by itself; see which",
        "watchdog": "it hung, was ended and is started again by itself; see where",
        "oom-kill": "it took too much memory and is started again by itself; see when",
        "timeout": "it was not ready in time and is started again by itself; see why",
    }
    if status.result in causes:
        return f"{causes[status.result]}: waste-edge service logs{option}"
    if status.state.startswith("activating"):
        return "it is starting; look again in a minute"
    return f"start it: sudo systemctl start {status.unit.removesuffix('.service')}"


def _watchdog(status: ServiceStatus) -> str:
    if not status.watchdog:
        return "none"
    fed = "" if status.fed_s is None else f"fed {status.fed_s:.1f} s ago, "
    return f"{fed}bites after {status.watchdog}"


def _memory(status: ServiceStatus) -> str:
    if status.memory_bytes is None:
        return "not counted by this kernel" if status.active else ""
    limit = "" if status.memory_limit_bytes is None else f" of {status.memory_limit_bytes / 2**20:.0f} MiB"
    return f"{status.memory_bytes / 2**20:.0f} MiB{limit}"


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) != _UNSET else None


def _ago_s(monotonic_us: str, now_ns: int) -> float | None:
    """Seconds since a moment of systemd's; it writes 0 for never."""
    return max(0.0, (now_ns - int(monotonic_us) * 1000) / NS_PER_S) if _number(monotonic_us) else None


def _span(seconds: float) -> str:
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
