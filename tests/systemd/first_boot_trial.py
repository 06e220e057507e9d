"""Runs inside the booted Debian once cloud-init has ended: did the card install itself?"""

from __future__ import annotations

import json
import pwd
import socket
import subprocess
from pathlib import Path

PROGRAM = "/opt/waste-edge/current/bin/waste-edge"
checks: list[dict[str, object]] = []


def said(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print("$", *command, "\n" + done.stdout, f"→ {done.returncode}", flush=True)
    return done.stdout.strip()


def check(name: str, ok: bool, found: object) -> None:
    checks.append({"name": name, "ok": bool(ok), "found": str(found)})
    print(checks[-1], flush=True)


def main() -> None:
    status = said("cloud-init", "status", "--wait", "--long")
    said("tail", "-n", "80", "/var/log/cloud-init-output.log")
    check("cloud-init ended well", "status: done" in status, status.splitlines()[0])
    owner = "owner" in {one.pw_name for one in pwd.getpwall()}
    imager = socket.gethostname() == "bin1" and owner and Path("/var/imager-was-here").exists()
    check("what Imager wrote was done, too", imager, f"host {socket.gethostname()}, its user, its runcmd")
    state = said("systemctl", "show", "waste-edge.service", "--property=ActiveState", "--value")
    boot = said("systemctl", "is-enabled", "waste-edge.service")
    check("the station runs, now and at every boot", (state, boot) == ("active", "enabled"), f"{state}, {boot}")
    config = Path("/etc/waste-edge/station.toml")
    right = 'name = "bin 7"' in config.read_text() and config.stat().st_mode & 0o777 == 0o640
    check("with the settings of the card", right, oct(config.stat().st_mode & 0o777))
    verified = subprocess.run([PROGRAM, "verify", "small"], stdout=subprocess.PIPE, text=True, check=False)
    python = said("/opt/waste-edge/current/bin/python", "--version")
    check("both engines answer right", verified.returncode == 0, f"{python}: {verified.stdout.splitlines()[-1:]}")
    check(
        "waste-edge is a command",
        said("sh", "-c", "command -v waste-edge").endswith("/waste-edge"),
        said("waste-edge", "--version"),
    )


try:
    main()
finally:
    Path("/trial/report.json").write_text(json.dumps(checks))
