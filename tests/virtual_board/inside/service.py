"""The service under systemd with a camera's driver: its own user, a reboot, the watchdog. With `again`: after it."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

from common import check, run_all, said
from v4l2 import LOAD, SINGLE, prepare

UNIT, PROGRAM = "waste-edge.service", "/opt/waste-edge/current/bin/waste-edge"
DROP_IN = Path(f"/etc/systemd/system/{UNIT}.d/slow.conf")
STATION = Path("/tmp/station.toml")
BEFORE = Path("/var/before")  # the number of the boot


def show(name: str) -> str:
    return said(f"systemctl show {UNIT} --property={name} --value")


def waits_for(words: str, seconds: float) -> float:
    """Seconds until the status says so; infinite if it never did."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if words in show("StatusText"):
            return time.monotonic() - started
        time.sleep(2)
    return float("inf")


def installed() -> None:
    prepare()
    Path("/etc/modules-load.d/vivid.conf").write_text("vivid\n")
    Path("/etc/modprobe.d/vivid.conf").write_text(LOAD.replace("modprobe vivid", "options vivid") + "\n")
    STATION.write_text(f'name = "bin 1"\ncamera = "{SINGLE}"\nbundle = "small"\n[json_lines]\npath = "events.jsonl"\n')
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text("[Service]\nTimeoutStartSec=300\nWatchdogSec=30\nRestartSec=2\n")
    told = said(f"ln -sf {PROGRAM} /usr/local/bin/waste-edge; {PROGRAM} service install --config {STATION}", 400)
    check("service install", show("ActiveState") == "active", told.splitlines()[-1:])
    seconds = waits_for("frames/s", 120)
    user = said("ps -o user= -p " + show("MainPID"))
    check(
        "its own user reaches the camera", seconds < 120 and user.startswith("waste"), f"{user}: {show('StatusText')}"
    )


def scored() -> None:
    told = said(f"systemd-analyze security --no-pager --threshold=20 {UNIT} | tail -n 1")
    score = float((re.findall(r": ([0-9.]+) ", told) or ["10"])[0])
    check("systemd-analyze security, at most 2.0", score <= 2.0, told)


def watched() -> None:
    before, restarts = show("MainPID"), int(show("NRestarts"))
    os.kill(int(before), signal.SIGSTOP)
    started = time.monotonic()
    while int(show("NRestarts")) == restarts and time.monotonic() - started < 120:
        time.sleep(2)
    seconds = time.monotonic() - started
    back = waits_for("frames/s", 120)
    check("a stopped station is ended by the watchdog", seconds < 120, f"after {seconds:.0f} s with a watchdog of 30 s")
    check("and looks through the camera again", back < 120, show("StatusText"))


def rebooted() -> None:
    seconds = waits_for("frames/s", 200)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    another = boot != BEFORE.read_text()
    check("after the reboot it looks through the camera", another and seconds < 200, show("StatusText"))
    said(f"systemctl stop {UNIT}; systemctl disable {UNIT}")


if __name__ == "__main__":
    if "again" in sys.argv:
        run_all((rebooted,), ())
    else:
        run_all((installed, scored, watched))
        BEFORE.write_text(Path("/proc/sys/kernel/random/boot_id").read_text())
