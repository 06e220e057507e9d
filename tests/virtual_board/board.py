"""A ribbon camera without a board: Debian 13's libcamera and the package index' picamera2, with a virtual camera.

    sudo apt-get install -y mmdebstrap
    sudo .venv-dev/bin/python tests/virtual_board/board.py [--root DIR] [--log FILE]     or: make test-virtual-board

Makes a Debian 13 under DIR (once), installs this checkout's wheel in it, and runs the trials of `inside/` there, on
this machine's kernel: the station's capture process under the system's Python, picamera2 and libcamera as they are,
and libcamera's own virtual camera (NV12). Prints a line a check with what was found; ends with 1 if one failed.
What this cannot show: a sensor, its image processor, RGB and YUV420 from either, /dev/dma_heap, and V4L2.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from root import HERE, inside, install_ours, make_root

PYTHON = "/opt/waste-edge/current/bin/python"
TRIALS = {"ribbon.py": "picamera2 and libcamera", "film.py": "a bin is filmed"}
VERSIONS = (
    'echo "libcamera $(dpkg-query -W -f "\\${Version}" python3-libcamera), '
    'picamera2 $(python3 -m pip show picamera2 2>/dev/null | sed -n "s/^Version: //p"), $(python3 --version), '
    f'$({PYTHON} -m waste_edge --version | tail -n 1)"'
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("/var/tmp/waste-edge-virtual-board/root"))
    parser.add_argument("--log", type=Path, help="write the lines to this file, too")
    given = parser.parse_args()
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        print("needs root, and: apt-get install mmdebstrap", file=sys.stderr)
        return 2
    given.root.parent.mkdir(parents=True, exist_ok=True)
    make_root(given.root)
    install_ours(given.root)
    lines, right = [said(given.root, "sh", "-c", VERSIONS)], True
    print(lines[0], flush=True)
    for script, about in TRIALS.items():
        found = try_out(given.root, script, about)
        lines += found
        right &= not any(line.startswith("BAD") for line in found)
    if given.log is not None:
        given.log.write_text("\n".join(lines) + "\n")
    return 0 if right else 1


def said(root: Path, *command: str) -> str:
    return inside(root, *command, stdout=subprocess.PIPE).stdout.strip()


def try_out(root: Path, script: str, about: str) -> list[str]:
    """Run one script in the root; returns a line a check."""
    share = root / "share"
    shutil.rmtree(share, ignore_errors=True)
    shutil.copytree(HERE / "inside", share / "inside")
    print(about, flush=True)
    log = root.with_name(f"{script}.log")
    with log.open("w") as stream:
        ended = inside(root, PYTHON, "-B", f"/share/inside/{script}", stdout=stream, stderr=stream, check=False)
    report = share / "report.jsonl"
    checks = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    lines = [f"{'ok ' if check['ok'] else 'BAD'} {check['name']}: {check['found']}" for check in checks]
    if ended.returncode or not checks:
        lines.append(f"BAD {script} ended with code {ended.returncode}; see {log}")
    print("\n".join(lines), flush=True)
    return [about, *lines]


if __name__ == "__main__":
    sys.exit(main())
