"""Real camera stacks without a board: Debian 13's libcamera and picamera2, and V4L2 drivers in a guest of its own.

    sudo apt-get install -y mmdebstrap qemu-system-x86 e2fsprogs dosfstools mtools openssl
    sudo .venv-dev/bin/python tests/virtual_board/board.py [--root DIR] [--log FILE]     or: make test-virtual-board
    sudo .venv-dev/bin/python tests/virtual_board/board.py --part stick                  that part alone

Makes a Debian 13 under DIR (once, gigabytes), installs this checkout's wheel in it, and runs the trials of `inside/`:

- on this machine's kernel, libcamera's own virtual camera (NV12), through picamera2 and the system's Python;
- in QEMU, under Debian's kernel and systemd, its V4L2 test driver `vivid`, a film of a bin through `v4l2loopback`, the
  service, and USB sticks with models (`sticks.py`) that are plugged in under way.

Prints a line a check with what was found; ends with 1 if one failed. Without KVM it takes an hour of a processor.
What this cannot show: a sensor and its image processor, RGB and YUV420 from either, a USB cable.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from guest import EMULATED, EMULATED_QUICK, KVM, Guest, why_no_kvm
from root import HERE, inside, install_ours, make_image, make_root
from sticks import Ports, make_sticks

PYTHON = "/opt/waste-edge/current/bin/python"
TOOLS = {
    "mmdebstrap": "mmdebstrap", "qemu-system-x86_64": "qemu-system-x86", "mke2fs": "e2fsprogs",
    "mkfs.vfat": "dosfstools", "mcopy": "mtools", "openssl": "openssl",
}  # fmt: skip
VERSIONS = (
    'echo "$(ls /lib/modules), systemd $(dpkg-query -W -f "\\${Version}" systemd), '
    'libcamera $(dpkg-query -W -f "\\${Version}" python3-libcamera), '
    'picamera2 $(python3 -m pip show picamera2 2>/dev/null | sed -n "s/^Version: //p"), $(python3 --version), '
    f'$({PYTHON} -m waste_edge --version | tail -n 1)"'
)


@dataclass(frozen=True)
class Trial:
    """A script of `inside/`, what it is about, its longest time, what follows after a reboot, and if time counts."""

    script: str
    about: str
    seconds: float = 900
    arguments: str = ""
    rebooted: str = ""
    quick: bool = False


HERE_TRIALS = (
    Trial("ribbon.py", "picamera2 and libcamera"),
    Trial("film.py", "a bin is filmed, with libcamera", arguments="through_libcamera"),
)
# One guest each, side by side.
GUEST_TRIALS = (
    (
        Trial("v4l2.py", "vivid: what is seen, and what is said of what cannot be"),
        Trial("faults.py", "vivid: what a driver can do"),
    ),
    (
        Trial("film.py", "a bin is filmed, with v4l2loopback", arguments="through_v4l2loopback"),
        Trial("service.py", "the service before vivid", rebooted="again"),
    ),
    (Trial("stick.py", "USB sticks with a model, through udev", 3600, quick=True),),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("/var/tmp/waste-edge-virtual-board/root"))
    parser.add_argument("--log", type=Path, help="write the lines to this file, too")
    parts = sorted({Path(trial.script).stem for trials in (HERE_TRIALS, *GUEST_TRIALS) for trial in trials})
    parser.add_argument("--part", choices=parts, action="append", help="try this part alone; may be repeated")
    given = parser.parse_args()
    if missing := what_is_missing():
        print(missing, file=sys.stderr)
        return 2
    here, guests_trials = chosen(HERE_TRIALS, given.part), [chosen(trials, given.part) for trials in GUEST_TRIALS]
    given.root.parent.mkdir(parents=True, exist_ok=True)
    make_root(given.root)
    install_ours(given.root)
    image = make_image(given.root)
    lines = [*machine(), said(given.root, "sh", "-c", VERSIONS)]
    print("\n".join(lines), flush=True)
    with ThreadPoolExecutor() as pool:
        guests = [
            pool.submit(try_in_guest, given.root, image, given.root.with_name(f"share-{number}"), trials)
            for number, trials in enumerate(guests_trials)
            if trials
        ]
        for trial in here:
            lines += try_here(given.root, trial)
        for guest in guests:
            lines += guest.result()
    if given.log is not None:
        given.log.write_text("\n".join(lines) + "\n")
    return 1 if any(line.startswith("BAD") for line in lines) else 0


def chosen(trials: tuple[Trial, ...], parts: list[str] | None) -> tuple[Trial, ...]:
    """The trials of the parts that were asked for; without any, all."""
    return tuple(trial for trial in trials if parts is None or Path(trial.script).stem in parts)


def what_is_missing() -> str:
    """One line with the remedy; empty if nothing is."""
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        return f"needs root, and: apt-get install {' '.join(missing or TOOLS.values())}"
    return ""


def machine() -> list[str]:
    """The first lines of the log: when, on what, and how the guests run."""
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    how = (
        f"no KVM ({why}): emulated, one processor, 500 million instructions a second (1,000 million for the sticks)"
        if (why := why_no_kvm())
        else "KVM"
    )
    started = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return [
        f"make test-virtual-board, {started}; {os.cpu_count()} processors, Linux {os.uname().release}",
        f"{qemu.splitlines()[0]}; {how}",
    ]


def said(root: Path, *command: str) -> str:
    return inside(root, *command, stdout=subprocess.PIPE).stdout.strip()


def lay_out(share: Path) -> Path:
    """What the trials see of this machine."""
    shutil.rmtree(share, ignore_errors=True)
    shutil.copytree(HERE / "inside", share / "inside")
    (share / "usb").mkdir()
    return share


def try_here(root: Path, trial: Trial) -> list[str]:
    """Run one script in the root, on this machine's kernel; returns a line a check."""
    share = lay_out(root / "share")
    log = root.with_name(f"{trial.script}.log")
    command = [PYTHON, "-B", f"/share/inside/{trial.script}", *trial.arguments.split()]
    with log.open("w") as stream:
        ended = inside(root, *command, stdout=stream, stderr=stream, check=False)
    return report(share, trial, [ended.returncode], log)


def booted(root: Path, image: Path, share: Path, quick: bool) -> tuple[Guest, float]:
    """A guest, and after how many seconds it answered: with KVM, and where that does not work, without."""
    emulated = EMULATED_QUICK if quick else EMULATED
    for kind in [emulated] if why_no_kvm() else [KVM, emulated]:
        guest = Guest(root, image, share, kind)
        try:
            return guest, guest.wait_for_boot()
        except TimeoutError as error:
            guest.stop()
            failure = error
            print(f"{'with' if kind is KVM else 'without'} KVM: {error}", flush=True)
    raise failure


def try_in_guest(root: Path, image: Path, share: Path, trials: tuple[Trial, ...]) -> list[str]:
    """Boot a guest and run some scripts in it; returns a line a check."""
    lay_out(share)
    log, sticks, lines = share / "log", share.with_name(f"{share.name}-sticks"), []
    if any(trial.script == "stick.py" for trial in trials):
        make_sticks(sticks)
        shutil.copytree(sticks / "keys", share / "keys", ignore=shutil.ignore_patterns("*.key"))
    try:
        guest, seconds = booted(root, image, share, any(trial.quick for trial in trials))
    except TimeoutError as error:
        return [f"BAD {trials[0].about}: {error}"]
    print(f"a guest booted in {seconds:.0f} s", flush=True)
    guest.meanwhile = Ports(guest.monitor, sticks, share / "usb").serve
    try:
        for trial in trials:
            command = f"{PYTHON} -B /share/inside/{trial.script}"
            runs = [guest.run(f"{command} {trial.arguments}", trial.seconds)]
            if trial.rebooted:
                boots = len((share / "boots").read_text().split())
                guest.run("systemd-run --quiet --on-active=3 systemctl --no-block reboot", 30)
                guest.wait_for_boot(boots + 1)
                runs.append(guest.run(f"{command} {trial.rebooted}", trial.seconds))
            with log.open("a") as stream:
                stream.writelines(f"### {trial.script}: {run.code}\n{run.said}\n" for run in runs)
            lines += report(share, trial, [run.code for run in runs], log)
    except TimeoutError as error:
        lines.append(f"BAD {error}")
    finally:
        guest.stop()
    return lines


def report(share: Path, trial: Trial, codes: list[int], log: Path) -> list[str]:
    """What a script found, as lines, also printed."""
    found = share / "report.jsonl"
    checks = [json.loads(line) for line in found.read_text().splitlines()] if found.exists() else []
    found.unlink(missing_ok=True)
    lines = [f"{'ok ' if check['ok'] else 'BAD'} {check['name']}: {check['found']}" for check in checks]
    if any(codes) or not checks:
        lines.append(f"BAD {trial.script} ended with code {max(codes)}; see {log}")
    lines.insert(0, trial.about)
    print("\n".join(lines), flush=True)
    return lines


if __name__ == "__main__":
    sys.exit(main())
