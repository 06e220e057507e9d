"""The root of the trial: Debian 13, for its Python 3.13, with Home Assistant from the package index."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

VERSION = "2025.4.4"
PACKAGES = ("ca-certificates", "python3", "python3-venv", "python3-pip", "python3-dev", "g++")
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
# What is not in its own list of requirements, and the integrations of the trial ask for.
MORE = (
    "paho-mqtt",
    "home-assistant-frontend",
    "Pillow",
    "SQLAlchemy",
    "fnv-hash-fast",
    "psutil-home-assistant",
    "PyTurboJPEG",
)
PROGRAM = "/opt/home-assistant/bin/hass"


def make_root(root: Path) -> None:
    """Made once, in some minutes: four of its requirements are built from source."""
    if (root / "made").exists():
        return
    subprocess.run(["rm", "-rf", root], check=True)
    include = f"--include={','.join(PACKAGES)}"
    options = ["--dpkgopt=force-unsafe-io", '--aptopt=APT::Install-Recommends "false"']
    subprocess.run(["mmdebstrap", "--variant=minbase", include, *options, "trixie", root], check=True)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)  # a proxy's own, where there is one
    python = "/opt/home-assistant/bin/python"
    pip = ["nice", "-n", "10", python, "-m", "pip", "install", "--quiet"]
    inside(root, "python3", "-m", "venv", "/opt/home-assistant")
    inside(root, *pip, "--no-deps", f"homeassistant=={VERSION}")
    # Its own constraints: without them pip tries old versions of libraries by the hour.
    where = (
        "import homeassistant, pathlib; print(pathlib.Path(homeassistant.__file__).parent / 'package_constraints.txt')"
    )
    constraints = inside(root, python, "-c", where, stdout=subprocess.PIPE).stdout.strip()
    inside(root, *pip, "--constraint", constraints, f"homeassistant=={VERSION}", *MORE)
    (root / "made").touch()


def inside(root: Path, *command: str, stdout: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of the root, with /proc and /dev, and this machine's network."""
    return subprocess.run(entered(root, *command), check=True, text=True, stdout=stdout)


def entered(root: Path, *command: str) -> list[str]:
    """The command line by which a program of the root runs."""
    mounts = f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev"
    clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]
    clean.append(f"PIP_CERT=/{CERTIFICATES}")
    return ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh", *clean, "chroot", str(root), *command]
