"""podman with storage of its own, the base image and the station's: what the trials of the container share.

Storage is vfs and builds are chroot-isolated, so that it works where there are no overlay mounts and no cgroups of
one's own; images are kept under a folder of the trial, apart from those of the machine.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from waste_edge.bundle.bundle import open_bundle
from waste_edge.files.resources import BUNDLES

ROOT = Path(__file__).resolve().parents[2]
WORK = Path("/var/tmp/waste-edge-container")
BASE, IMAGE = "localhost/waste-edge-base:trixie", "localhost/waste-edge"
# podman's own default may be more than is allowed here
FILES = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)
EXCLUDED = ("doc", "man", "locale", "info")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
Found = TypeVar("Found")


class Trial:
    """podman with storage of its own, and what was found."""

    def __init__(self, work: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.work = work
        self.lines: list[str] = []
        self.right = True
        places = ("--root", str(work / "storage"), "--runroot", str(work / "run"))
        # crun knows no hybrid cgroups; runc does.
        runtime = shutil.which("runc", path=f"{os.environ['PATH']}:/usr/sbin")
        runtimes = () if runtime is None else ("--runtime", runtime)
        self.command = [
            shutil.which("podman") or "podman",
            *places,
            *runtimes,
            "--storage-driver",
            "vfs",
            "--cgroup-manager",
            "cgroupfs",
        ]

    def limit_files(self) -> None:
        """Let every container have as many files as this machine allows: podman's own default may be more."""
        limits = [f'"nofile={FILES}:{FILES}"', '"nproc=4096:4096"']
        config = self.work / "containers.conf"
        config.write_text(f"[containers]\ndefault_ulimits = [{', '.join(limits)}]\n", encoding="utf-8")
        os.environ["CONTAINERS_CONF"] = str(config)

    def podman(self, *words: str | Path, seconds: float = 7200) -> subprocess.CompletedProcess[str]:
        """One command to its end; its output is returned."""
        command = [*self.command, *(str(word) for word in words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, cwd=ROOT)

    def done(self, *words: str | Path) -> str:
        """What podman printed; the trial ends if it failed."""
        found = self.podman(*words)
        if found.returncode:
            raise SystemExit(f"podman {words[0]} failed:\n{found.stdout[-2000:]}{found.stderr[-2000:]}")
        return found.stdout.strip()

    def say(self, text: str) -> None:
        """Print a line, and keep it for the log."""
        self.lines.append(text)
        print(text, flush=True)

    def check(self, name: str, found: object, right: bool) -> None:
        """Say what was found; the trial is wrong if that is."""
        self.right &= bool(right)
        self.say(f"{'ok ' if right else 'BAD'} {name}: {found}")

    def write(self, log: Path | None) -> None:
        """Write what was said, if that is wanted."""
        if log is not None:
            log.write_text("\n".join(self.lines) + "\n", encoding="utf-8")


def what_is_missing(*tools: str) -> str:
    """One line that names what this machine lacks, with the remedy; empty if nothing."""
    missing = [tool for tool in tools if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        return f"{', '.join(missing)} missing; sudo apt-get install -y {' '.join(missing)}"
    return "" if os.geteuid() == 0 else "needs root; say it with sudo"


def header(command: str) -> str:
    """First line of a log: what printed it, when, where, with which bundles."""
    named = []
    for name in ("small", "accurate"):
        with open_bundle(BUNDLES / name) as bundle:
            named.append(f"`{name}` {bundle.manifest.version}")
    return (
        f"What `{command}` printed on {time.strftime('%Y-%m-%d')} on {os.uname().machine}, with {', '.join(named)}.\n"
    )


def import_base(trial: Trial, architecture: str) -> None:
    """Make a Debian 13 and import it as the base image, once."""
    base = trial.work / "base.tar"
    if not base.exists():
        options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in EXCLUDED]
        clean = '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt "$1"/var/log/*'
        include = ["--variant=minbase", "--include=ca-certificates", f"--architectures={architecture}"]
        made = base.with_suffix(".part.tar")
        subprocess.run(["mmdebstrap", *include, *options, clean, "trixie", made], check=True, capture_output=True)
        made.rename(base)
    if trial.podman("image", "exists", BASE).returncode:
        trial.done("import", "--arch", architecture, "--os", "linux", base, BASE)


def lay_out(context: Path) -> None:
    """What the image is built from, apart from the checkout: two builds may have other wheels, and nothing changes."""
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir()
    ignore = ROOT / ".containerignore"
    names = [line[1:] for line in ignore.read_text(encoding="utf-8").splitlines() if line.startswith("!")]
    for path in (ignore, *(ROOT / name for name in names)):
        if path.is_dir():
            shutil.copytree(path, context / path.name, ignore=shutil.ignore_patterns("__pycache__", "wheels"))
        else:
            shutil.copy(path, context)


def build(trial: Trial, architecture: str) -> None:
    """Base, wheels, image; nothing of it from a registry."""
    import_base(trial, architecture)
    gathered, context = trial.work / "wheels", trial.work / "context"
    environment = {**os.environ, "PIP": os.environ.get("PIP", f"{sys.executable} -m pip")}
    command = ["sh", ROOT / "device/gather_wheels.sh", gathered, "3.13", MACHINES[architecture]]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    lay_out(context)
    shutil.copytree(gathered, context / "container/wheels")
    began = time.monotonic()
    what = ("--isolation", "chroot", "--format", "docker", "--arch", architecture, "--build-arg", f"BASE={BASE}")
    said = trial.done("build", *what, "-f", context / "container/Containerfile", "-t", IMAGE, context)
    trial.podman("image", "prune", "--force")  # vfs keeps a whole copy of each layer of the last build
    for line in said.splitlines():
        if line.startswith("trim:"):
            trial.say(f"    {line}")
    trial.say(f"    built in {time.monotonic() - began:.0f} s")


def until(found: Callable[[], Found], seconds: float) -> Found:
    """Wait for it to be true; what it was at last."""
    deadline = time.monotonic() + seconds
    while not (got := found()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return got
