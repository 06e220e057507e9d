"""A board without a board: Debian 13 in QEMU, with real camera stacks, and the station before virtual cameras.

    sudo apt-get install -y mmdebstrap qemu-system-x86 e2fsprogs
    sudo .venv-dev/bin/python tests/virtual_board/board.py [--root DIR] [--log FILE]     or: make test-virtual-board

Makes the system under DIR (once; gigabytes), installs this checkout's wheel in it, boots it without KVM, and has the
trials of `inside/` run there: vivid and v4l2loopback, the kernel's own, and picamera2 with libcamera's virtual camera.
Prints a line a check with what was found, and ends with 1 if one failed. About twenty minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from guest import Guest
from root import HERE, install_ours, make_image, make_root

PYTHON = "/opt/waste-edge/current/bin/python"
# Script, what it is about, and how long it may take.
TRIALS = (
    ("v4l2.py", "V4L2, one plane and several", 900),
    ("faults.py", "what a driver can do to a station", 1200),
    ("ribbon.py", "picamera2 and libcamera", 900),
    ("film.py", "a bin is filmed", 900),
    ("service.py", "the service", 1200),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("/var/tmp/waste-edge-virtual-board/root"))
    parser.add_argument("--log", type=Path, help="write the lines to this file, too")
    parser.add_argument("--only", nargs="*", default=[name for name, *_ in TRIALS], help="scripts to run")
    given = parser.parse_args()
    if missing := what_is_missing():
        print(missing, file=sys.stderr)
        return 2
    given.root.parent.mkdir(parents=True, exist_ok=True)
    make_root(given.root)
    install_ours(given.root)
    image = make_image(given.root)
    share = lay_out(given.root.with_name("share"))
    lines, right = [], True
    guest = Guest(given.root, image, share)
    try:
        lines.append(f"booted in {guest.wait_for_boot():.0f} s: {guest.run(VERSIONS, 120).said.strip()}")
        for script, about, seconds in TRIALS:
            if script in given.only:
                found = try_out(guest, share, script, about, seconds)
                lines += found
                right &= not any(line.startswith("BAD") for line in found)
    finally:
        guest.stop()
    if given.log is not None:
        given.log.write_text("\n".join(lines) + "\n")
    return 0 if right else 1


VERSIONS = (
    f'echo "Linux $(uname -r), systemd $(systemctl --version | sed -n "1s/systemd \\([0-9]*\\).*/\\1/p"), '
    f'libcamera $(dpkg-query -W -f "\\${{Version}}" python3-libcamera), '
    f'picamera2 $(python3 -m pip show picamera2 2>/dev/null | sed -n "s/Version: //p"), $({PYTHON} --version), '
    f'waste-edge $({PYTHON} -m waste_edge --version | tail -n 1)"'
)


def what_is_missing() -> str:
    """One line with the remedy; empty if nothing is."""
    tools = {"mmdebstrap": "mmdebstrap", "qemu-system-x86_64": "qemu-system-x86", "mke2fs": "e2fsprogs"}
    missing = [package for tool, package in tools.items() if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        return f"needs root, and: apt-get install {' '.join(missing or tools.values())}"
    return ""


def lay_out(share: Path) -> Path:
    """What the guest sees of this machine."""
    shutil.rmtree(share, ignore_errors=True)
    share.mkdir()
    shutil.copytree(HERE / "inside", share / "inside")
    return share


def try_out(guest: Guest, share: Path, script: str, about: str, seconds: float) -> list[str]:
    """Run one script inside; of the service, once more after a reboot. Returns a line a check."""
    report = share / "report.jsonl"
    report.unlink(missing_ok=True)
    print(about, flush=True)
    runs = [guest.run(f"{PYTHON} -B /share/inside/{script}", seconds)]
    if script == "service.py":
        boots = len((share / "boots").read_text().split())
        guest.run("systemctl --no-block reboot", 30)
        guest.wait_for_boot(boots + 1)
        runs.append(guest.run(f"{PYTHON} -B /share/inside/{script} again", seconds))
    with (share / "log").open("a") as log:
        log.writelines(f"### {script}: {run.code}\n{run.said}\n" for run in runs)
    checks = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    lines = [f"{'ok ' if check['ok'] else 'BAD'} {check['name']}: {check['found']}" for check in checks]
    lines += [f"BAD {script} ended with code {run.code}; see {share}/log" for run in runs if run.code != 0]
    print("\n".join(lines), flush=True)
    return [about, *lines]


if __name__ == "__main__":
    sys.exit(main())
