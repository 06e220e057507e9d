"""Checks of systemd's unit and of the clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.doctor.setting import Setting
from waste_edge.device.system.condition import Condition, Level

_LIMIT_S = 3.0
_PROPERTIES = (
    "LoadState",
    "UnitFileState",
    "ActiveState",
    "SubState",
    "Result",
    "NRestarts",
    "WatchdogUSec",
    "MainPID",
    "ExecMainStartTimestampMonotonic",
    "User",
    "SupplementaryGroups",
)
_PLAUSIBLE_YEARS = range(2025, 2100)


@dataclass(frozen=True)
class Service:
    """The unit, as `systemctl show` tells it.

    Attributes:
        absent: why nothing is known; empty if systemd answered.
        facts: property to value.
    """

    absent: str = ""
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        return self.facts.get("LoadState") not in (None, "", "not-found")

    @property
    def active(self) -> bool:
        return self.facts.get("ActiveState") == "active"

    @property
    def restarts(self) -> int:
        return self._number("NRestarts")

    @property
    def main_pid(self) -> int:
        """Process id of the service; 0 if it does not run."""
        return self._number("MainPID")

    @property
    def started_ns(self) -> int:
        """Start time of its process, on the monotonic clock."""
        return self._number("ExecMainStartTimestampMonotonic") * 1000

    def _number(self, name: str) -> int:
        text = self.facts.get(name, "")
        return int(text) if text.isdecimal() else 0


def read_service(setting: Setting) -> Service:
    """Ask systemd; says why where it does not answer."""
    answer = setting.run_program(["systemctl", "show", setting.unit, f"--property={','.join(_PROPERTIES)}"], _LIMIT_S)
    if answer is None:
        return Service("there is no systemd here")
    if answer.cut_off:
        return Service(f"systemctl gave no answer within {_LIMIT_S:g} s")
    if not answer.ok:
        said = answer.complaint.strip().splitlines()
        return Service(f"systemd does not answer ({said[0] if said else f'code {answer.code}'})")
    return Service(facts=dict(line.partition("=")[::2] for line in answer.text.splitlines()))


def check_service(setting: Setting, service: Service) -> list[Condition]:
    """Installed, started at boot, running, guarded by a watchdog, and not for ever restarted."""
    level, text = _judged(setting, service)
    return [Condition("service", level, text)]


def _judged(setting: Setting, service: Service) -> tuple[Level, str]:
    unit = setting.unit
    journal = f"see journalctl -u {unit}"
    if service.absent:
        return Level.WARN, f"{service.absent}; something else must start the station at boot"
    if not service.installed:
        return Level.WARN, "is not installed; sudo waste-edge service install starts the station at every boot"
    if not service.active:
        state = f"{service.facts.get('ActiveState')}, {service.facts.get('Result')}"
        return Level.BAD, f"does not run ({state}); {journal}, then sudo systemctl restart {unit}"
    since_s = max(0.0, (setting.clock.now_ns() - service.started_ns) / NS_PER_S)
    text = f"runs for {since_s / 3600:.1f} h, {service.restarts} restarts"
    if service.facts.get("UnitFileState") != "enabled":
        return Level.WARN, f"{text}, but not from boot on; sudo systemctl enable {unit}"
    if service.facts.get("WatchdogUSec") in (None, "", "0", "infinity"):
        return Level.WARN, f"{text}, without a watchdog; sudo waste-edge service install renews the unit"
    if service.restarts:
        return Level.WARN, f"{text}; {journal}"
    return Level.OK, f"{text}, watchdog {service.facts['WatchdogUSec']}"


def check_clock(setting: Setting) -> list[Condition]:
    """A plausible year, and whether the network keeps the clock right."""
    now = setting.utc_now()
    remedy = "sudo timedatectl set-ntp true, and let UDP port 123 through"
    if now.year not in _PLAUSIBLE_YEARS:
        return [Condition("clock", Level.BAD, f"says {now:%Y-%m-%d}, so events get wrong dates; {remedy}")]
    synchronized = _synchronized(setting)
    if synchronized is None:
        return [Condition("clock", Level.WARN, f"{now:%Y-%m-%d %H:%M} UTC; whether it is synchronized is not known")]
    if not synchronized:
        return [Condition("clock", Level.WARN, f"{now:%Y-%m-%d %H:%M} UTC, not synchronized; {remedy}")]
    return [Condition("clock", Level.OK, f"{now:%Y-%m-%d %H:%M} UTC, synchronized")]


def _synchronized(setting: Setting) -> bool | None:
    answer = setting.run_program(["timedatectl", "show", "--property=NTPSynchronized", "--value"], _LIMIT_S)
    if answer is not None and answer.ok and (said := answer.text.strip()) in ("yes", "no"):
        return said == "yes"
    return True if (setting.root / "run/systemd/timesync/synchronized").exists() else None
