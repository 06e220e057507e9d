"""Boot a Debian with systemd in it, install a station there from nothing, and see what systemd does with it.

    sudo apt-get install -y systemd-container debootstrap
    sudo .venv-dev/bin/python tests/systemd/boot.py [--root DIR] [--log FILE]        or: make test-boot

Makes a Debian 12 under DIR (once), gathers the wheels of this checkout beside it, and boots it with systemd-nspawn:
twice for `trial.py`, which runs inside as root, first from `device/install.sh` on, then after the reboot; then, with
all that removed, for `setup_trial.py`, in which `waste-edge setup` makes a station of what is only unpacked. Prints
what was found, one line a check, and ends with 1 if one failed. Two of its minutes are an update that hangs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from altered import altered_wheel

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,procps"
NSPAWN = ("systemd-nspawn", "--register=no", "--keep-unit", "--quiet")
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
# What an installation leaves: the next trial begins without it.
LEFT = (
    "opt/waste-edge", "etc/waste-edge", "var/lib/waste-edge", "var/log/journal", "usr/local/bin/waste-edge",
    "etc/systemd/system/waste-edge.service", "etc/systemd/system/multi-user.target.wants/waste-edge.service",
)  # fmt: skip
HANGS = '\nimport sys, time\nif "run" in sys.argv:\n    time.sleep(3600)\n'
LONGEST_S = 5400  # of one boot: a machine that others use takes half an hour
Report = list[dict[str, object]]
TRIAL_UNIT = """[Unit]
After=@AFTER@
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /trial/trial.py
ExecStopPost=/usr/bin/systemctl --no-block poweroff
StandardOutput=append:/trial/log
StandardError=append:/trial/log
[Install]
WantedBy=graphical.target
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("/var/tmp/waste-edge-boot"))
    parser.add_argument("--log", type=Path, help="write the lines to this file, too")
    parser.add_argument("--part", choices=["all", "install", "setup"], default="all", help="only the one part")
    given = parser.parse_args()
    if missing := what_is_missing():
        print(missing, file=sys.stderr)
        return 2
    reports: list[Report | None] = []
    if given.part != "setup":
        make_root(given.root, "bookworm", LEFT)
        lay_out_trial(given.root)
        reports.append(boot(given.root))
        if (given.root / "trial/before-the-reboot.json").exists():
            reports.append(boot(given.root))
    if given.part != "install":
        make_root(given.root, "bookworm", LEFT)
        lay_out_setup(given.root)
        reports.append(boot(given.root, "--private-network"))
    return judge(given.root, reports, {"all": 3, "install": 2, "setup": 1}[given.part], given.log)


def what_is_missing() -> str:
    """One line with the remedy; empty if nothing is."""
    missing = [tool for tool in ("systemd-nspawn", "debootstrap") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        return f"needs root, and: apt-get install systemd-container debootstrap {' '.join(missing)}".rstrip()
    return ""


def make_root(root: Path, suite: str, left: Sequence[str], later: Sequence[str] = ()) -> None:
    """A minimal Debian with systemd and Python, made once; what an earlier trial left in it is removed.

    Args:
        root: where.
        suite: of Debian.
        left: paths that a trial leaves.
        later: packages that debootstrap cannot configure by itself.
    """
    if not (root / "made").exists():
        subprocess.run(["rm", "-rf", root], check=True)
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, root], check=True)
        if later:
            install = ["apt-get", "-qy", "--no-install-recommends", "install", *later]
            subprocess.run([*NSPAWN, "--setenv=DEBIAN_FRONTEND=noninteractive", "-D", root, *install], check=True)
        (root / "made").touch()
    subprocess.run(["rm", "-rf", *(root / path for path in left)], check=True)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)  # a proxy's own, where there is one


def lay_out_trial(root: Path) -> None:
    """What somebody brings to the board, and what runs inside at boot."""
    enable_trial(root, HERE / "trial.py", after="multi-user.target")
    trial = root / "trial"
    wheels = gather(root, trial / "wheels")
    (ours,) = wheels.glob("waste_edge-*.whl")
    for folder in ("newer", "hangs"):
        shutil.copytree(wheels, trial / folder, copy_function=os.link)
        (trial / folder / ours.name).unlink()
        (trial / folder / "SHA256SUMS").unlink()  # of the wheels before they are altered
    (trial / "incomplete").mkdir()
    altered_wheel(ours, trial / "newer", "9.9.1", {})
    altered_wheel(ours, trial / "hangs", "9.9.2", {"waste_edge/cli/run.py": HANGS})
    altered_wheel(ours, trial / "incomplete", "9.9.3", {})  # nothing of what it needs is there
    shutil.copy(CHECKOUT / "device/install.sh", trial)
    station = (CHECKOUT / "device/station.toml").read_text()
    (trial / "station.toml").write_text(station.replace('camera = "auto"', 'camera = "synthetic"'))


def lay_out_setup(root: Path) -> None:
    """The wheels, and a camera in the network that plays the demo's film; no user and no settings of before."""
    user = ["chroot", root, "userdel", "waste-edge"]
    subprocess.run(user, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    enable_trial(root, HERE / "setup_trial.py", after="multi-user.target")
    trial = root / "trial"
    shutil.copy(HERE / "film.py", trial)
    gather(root, trial / "wheels")


def enable_trial(root: Path, script: Path, after: str) -> None:
    """Run `script` inside at each boot, in a folder /trial of its own, and power off when it ends."""
    trial = root / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    trial.mkdir()
    shutil.copy(script, trial / "trial.py")
    shutil.copy(HERE / "inside.py", trial)
    (root / "etc/systemd/system/trial.service").write_text(TRIAL_UNIT.replace("@AFTER@", after))
    subprocess.run(["chroot", root, "systemctl", "enable", "--quiet", "trial.service"], check=True)


def gather(root: Path, folder: Path) -> Path:
    """This checkout's wheel and all that it needs, for the root's own Python; what was downloaded is kept beside it."""
    kept = root.with_name(f"{root.name}-wheels")
    asked = ["chroot", root, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    python = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    command = [CHECKOUT / "device/gather_wheels.sh", kept, python, os.uname().machine]
    subprocess.run(command, check=True, env={**os.environ, "PIP": f"{sys.executable} -m pip"})
    return Path(shutil.copytree(kept, folder))


def boot(root: Path, *options: str) -> Report | None:
    """One boot, until the trial powers it off; what it reported, or None if it did not end."""
    report = root / "trial/report.json"
    report.unlink(missing_ok=True)
    command = [*NSPAWN, "--console=pipe", *options, "-b", "-D", root]
    with (root / "trial/console").open("ab") as console:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, check=False, timeout=LONGEST_S
        )
    return json.loads(report.read_text()) if report.exists() else None


def judge(root: Path, reports: list[Report | None], boots: int, log: Path | None) -> int:
    """Print a line a check; returns the exit code."""
    lines, right = [], len(reports) == boots
    for number, checks in enumerate(reports, 1):
        lines.append(f"boot {number}")
        if not checks:
            lines.append(f"BAD the trial did not end; see {root}/trial/console and {root}/trial/log")
            right = False
            continue
        lines += [f"{'ok ' if check['ok'] else 'BAD'} {check['name']}: {check['found']}" for check in checks]
        right &= all(bool(check["ok"]) for check in checks)
    print("\n".join(lines))
    if log is not None:
        log.write_text("\n".join(lines) + "\n")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
