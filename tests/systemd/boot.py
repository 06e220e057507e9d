"""Boot a Debian with systemd in it, install the service there, and see what systemd does with it. Minutes; needs root.

    sudo apt-get install -y systemd-container debootstrap
    sudo .venv-dev/bin/python tests/systemd/boot.py [--root DIR] [--config station.toml] [--stand-in]

Makes a Debian 12 under DIR (once), installs the wheel of this checkout into /opt/waste-edge there, boots it with
systemd-nspawn, and runs `trial.py` inside as root. Prints what was found, one line a check, and ends with 1 if one
failed. `--stand-in` runs `stand_in.py` in place of `waste-edge run`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,procps"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
TRIAL_UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /trial/trial.py
ExecStopPost=/usr/bin/systemctl --no-block poweroff
StandardOutput=file:/trial/log
StandardError=file:/trial/log
[Install]
WantedBy=graphical.target
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("/var/tmp/waste-edge-boot"))
    parser.add_argument("--config", type=Path, help="a station.toml in place of the shipped one")
    parser.add_argument("--stand-in", action="store_true", help="a small loop in place of `waste-edge run`")
    given = parser.parse_args()
    missing = [tool for tool in ("systemd-nspawn", "debootstrap") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        print("needs root, and: apt-get install systemd-container debootstrap", *missing, file=sys.stderr)
        return 2
    make_root(given.root)
    install_wheel(given.root)
    lay_out_trial(given.root, given.stand_in, given.config)
    return judge(given.root, boot(given.root))


def make_root(root: Path) -> None:
    """A minimal Debian 12 with systemd and Python."""
    if not (root / "usr/bin/systemctl").exists():
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root], check=True)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)  # a proxy's own, where there is one


def install_wheel(root: Path) -> None:
    """This checkout's wheel, in /opt/waste-edge of the root, as the README has it."""
    pip = ["chroot", root, "/opt/waste-edge/bin/pip", "install", "--quiet", "--cert", f"/{CERTIFICATES}"]
    with tempfile.TemporaryDirectory(dir=root / "opt") as folder:
        subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, CHECKOUT], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        inside = f"/opt/{Path(folder).name}/{wheel.name}"
        os.chmod(folder, 0o755)
        if not (root / "opt/waste-edge/bin/waste-edge").exists():
            subprocess.run(["chroot", root, "python3", "-m", "venv", "/opt/waste-edge"], check=True)
            subprocess.run([*pip, inside], check=True)
        subprocess.run([*pip, "--force-reinstall", "--no-deps", inside], check=True)


def lay_out_trial(root: Path, stand_in: bool, config: Path | None) -> None:
    """What runs inside, at boot."""
    trial = root / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    trial.mkdir()
    shutil.copy(HERE / "trial.py", trial)
    (root / "etc/systemd/system/trial.service").write_text(TRIAL_UNIT)
    subprocess.run(["chroot", root, "systemctl", "enable", "--quiet", "trial.service"], check=True)
    (package,) = (root / "opt/waste-edge/lib").glob("python3*/site-packages/waste_edge")
    if config is not None:
        shutil.copy(config, package / "_shipped/device/station.toml")
    if stand_in:
        shutil.copy(HERE / "stand_in.py", package.parent / "waste_edge_stand_in.py")
        program = root / "opt/waste-edge/bin/waste-edge"
        program.write_text("#!/opt/waste-edge/bin/python3\nfrom waste_edge_stand_in import main\n\nmain()\n")
        (package / "_shipped/device/station.toml").write_text("# nothing to configure in a stand-in\n")


def boot(root: Path) -> int:
    command = ["systemd-nspawn", "--register=no", "--keep-unit", "--quiet", "--console=pipe", "-b", "-D", root]
    with (root / "trial/console").open("wb") as console:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, check=False, timeout=900
        ).returncode


def judge(root: Path, returncode: int) -> int:
    report = root / "trial/report.json"
    if not report.exists():
        print(f"the trial did not end (nspawn: {returncode}); see {root}/trial/console and {root}/trial/log")
        return 1
    checks = json.loads(report.read_text())
    for check in checks:
        print(f"{'ok ' if check['ok'] else 'BAD'} {check['name']}: {check['found']}")
    return 0 if checks and all(check["ok"] for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
