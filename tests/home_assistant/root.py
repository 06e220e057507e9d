"""The root of the trial: Debian 13, for its Python 3.13, with Home Assistant from the package index."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

VERSION = "2025.4.4"
PACKAGES = ("ca-certificates", "python3", "python3-venv", "python3-pip", "python3-dev", "gcc", "libc6-dev")
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
PYTHON = "/opt/home-assistant/bin/python"
PROGRAM = (PYTHON, "-m", "homeassistant")
# Of its voice assistant, which is imported and not used here: they would take a C++ compiler many minutes.
NOT_NEEDED = {"pymicro-vad": "MicroVad", "pyspeex-noise": "AudioProcessor"}
# What the integrations of the trial, and those that it always starts, ask for besides.
MORE = ("paho-mqtt", "home-assistant-frontend", "Pillow", "SQLAlchemy", "fnv-hash-fast", "psutil-home-assistant")
REQUIREMENTS = f"""
import homeassistant, importlib.metadata, pathlib, shutil
needed = importlib.metadata.requires("homeassistant")
lines = [line for line in needed if not line.startswith({tuple(NOT_NEEDED)})] + list({MORE})
pathlib.Path("/opt/requirements.txt").write_text("\\n".join(lines))
site = pathlib.Path(homeassistant.__file__).parents[1]
for name, kind in {NOT_NEEDED}.items():
    (site / (name.replace("-", "_") + ".py")).write_text(f"class {{kind}}:\\n    pass\\n")
shutil.copy(pathlib.Path(homeassistant.__file__).parent / "package_constraints.txt", "/opt/constraints.txt")
"""


def make_root(root: Path) -> None:
    """Made once, in some minutes: two of its requirements are built from source."""
    if (root / "made").exists():
        return
    subprocess.run(["rm", "-rf", root], check=True)
    include = f"--include={','.join(PACKAGES)}"
    options = ["--dpkgopt=force-unsafe-io", '--aptopt=APT::Install-Recommends "false"']
    subprocess.run(["mmdebstrap", "--variant=minbase", include, *options, "trixie", root], check=True)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)  # a proxy's own, where there is one
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--no-compile"]
    inside(root, "python3", "-m", "venv", "/opt/home-assistant")
    inside(root, *pip, "--no-deps", f"homeassistant=={VERSION}")
    inside(root, PYTHON, "-c", REQUIREMENTS)
    # Its own constraints: without them pip tries old versions of libraries by the hour.
    inside(root, *pip, "--constraint", "/opt/constraints.txt", "--requirement", "/opt/requirements.txt")
    (root / "made").touch()


def inside(root: Path, *command: str) -> None:
    """Run a program of the root, with /proc and /dev, and this machine's network."""
    subprocess.run(entered(root, *command), check=True)


def entered(root: Path, *command: str) -> list[str]:
    """The command line by which a program of the root runs."""
    mounts = f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev"
    clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]
    clean.append(f"PIP_CERT=/{CERTIFICATES}")
    return ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh", *clean, "chroot", str(root), *command]
