"""What the scripts that run inside a booted Debian share, laid beside them in /trial; for the system's own Python."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

UNIT = "waste-edge.service"
PROGRAM = "/opt/waste-edge/current/bin/waste-edge"
EVENTS = Path("/var/lib/waste-edge/events.jsonl")
REPORT = Path("/trial/report.json")
checks: list[dict[str, object]] = []


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """One command to its end; what it says goes into the trial's log, too."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print("$", *command, "\n" + done.stdout, f"→ {done.returncode}", flush=True)
    return done


def check(name: str, ok: object, found: object) -> None:
    """Note what was found."""
    checks.append({"name": name, "ok": bool(ok), "found": str(found)})
    print(checks[-1], flush=True)


def show(name: str) -> str:
    """A property of the service, as systemd has it."""
    return subprocess.run(
        ["systemctl", "show", UNIT, f"--property={name}", "--value"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


def wait(until: Callable[[], bool], seconds: float) -> float:
    """Seconds until it was so; infinite if it never was."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if until():
            return time.monotonic() - started
        time.sleep(0.1)
    return float("inf")


def events() -> list[dict[str, object]]:
    """Events of items that the station has told, the oldest first."""
    told = [json.loads(line) for line in EVENTS.read_text().splitlines()] if EVENTS.exists() else []
    return [one for one in told if one["kind"] == "event"]


def report() -> None:
    """Hand over what was found."""
    REPORT.write_text(json.dumps(checks))
