"""Install the project on an emulated arm64 Debian as the README says, use it there, and compare it with this machine.

    make test-arm64            (or: sudo .venv-dev/bin/python -m tests.arm64.try_out [--suite bookworm] [--qemu FILE])

Needs root, debootstrap and qemu-user-static. The first run makes the Debian under ~/.cache/waste-edge/arm64 (about five
minutes on an idle machine); later ones begin with it as it was made. Prints one line a check, writes all of it to
report-SUITE.json there, and ends with 1 if a check failed, 2 if something is missing here. How long anything took is
not looked at and not kept: an emulator's speed says nothing about a board's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.arm64.checks import NETWORKS, PROCESSORS, Check, compare, use
from tests.arm64.emulated import CACHE, emulation, fresh, inside, make_root, newer_qemu, what_is_missing
from waste_edge.files.atomic import write_atomically
from waste_edge.files.resources import BUNDLES, DEFAULT_BUNDLE

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PYTHONS = {"bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", choices=sorted(PYTHONS), default="bookworm", help="which Debian")
    parser.add_argument("--qemu", type=Path, help="another qemu-aarch64, static")
    given = parser.parse_args()
    if missing := what_is_missing():
        print(f"make test-arm64: {missing}", file=sys.stderr)
        return 2
    qemu = given.qemu or newer_qemu()
    wheels = gather(given.suite)
    with emulation(qemu), fresh(make_root(given.suite)) as root:
        lay_out(root / "trial", wheels)
        checks = use(root)
        ours = here()
        for cpu, boards in PROCESSORS.items():
            there = inside(root, ["/opt/waste-edge/current/bin/python", "/trial/answers.py", *NETWORKS], cpu)
            checks += compare(f"{cpu} ({boards})", there, ours)
    return report(given.suite, qemu, checks)


def gather(suite: str) -> Path:
    """The folder of wheels that an owner without a network would make."""
    folder = CACHE / f"wheels-{suite}"
    command = [CHECKOUT / "device/gather_wheels.sh", folder, PYTHONS[suite], "aarch64"]
    subprocess.run(command, check=True, env={**os.environ, "PIP": f"{sys.executable} -m pip"})
    return folder


def lay_out(trial: Path, wheels: Path) -> None:
    """What somebody brings to the board: the installer, the wheels, and pictures (the golden ones)."""
    (trial / "pictures").mkdir(parents=True)
    shutil.copytree(wheels, trial / "wheels")
    shutil.copy(CHECKOUT / "device/install.sh", trial)
    shutil.copy(HERE / "answers.py", trial)
    with np.load(BUNDLES / DEFAULT_BUNDLE / "golden.npz") as golden:
        for number, pixels in enumerate(golden["pixels"]):
            Image.fromarray(pixels).save(trial / "pictures" / f"{number:02}.png")


def here() -> dict[str, object]:
    """The same answers on this machine."""
    command = [sys.executable, HERE / "answers.py", *NETWORKS]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return dict(json.loads(done.stdout))


def report(suite: str, qemu: Path, checks: list[Check]) -> int:
    """Print a line a check and keep the whole; returns the exit code."""
    version = subprocess.run([qemu, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]
    print(f"Debian {suite}, arm64, under {version}")
    for check in checks:
        print(f"{'ok ' if check.ok else 'BAD'} {check.name}: {check.found}")
    path = CACHE / f"report-{suite}.json"
    whole = {"suite": suite, "emulator": version, "checks": [check.whole() for check in checks]}
    write_atomically(path, json.dumps(whole, indent=1) + "\n")
    print(f"all of it: {path}")
    return 0 if all(check.ok for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
