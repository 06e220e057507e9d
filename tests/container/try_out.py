"""The container image, built and run without a registry.

    sudo apt-get install -y podman buildah mmdebstrap runc
    sudo .venv-dev/bin/python tests/container/try_out.py [--work DIR] [--log FILE]      or: make test-container

Makes a Debian 13 with mmdebstrap, imports it as the base image, gathers the wheels, builds container/Containerfile with
nothing else from the network than Debian's packages, and runs the image as the Compose file does: another user, no
capabilities, a root that cannot be written, a volume. Prints a line a check; ends with 1 if one failed.

Storage is vfs and builds are chroot-isolated, so that it works where there are no overlay mounts and no cgroups of
one's own; images are kept under DIR, apart from those of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from waste_edge.bundle.bundle import open_bundle  # noqa: E402
from waste_edge.files.resources import BUNDLES  # noqa: E402

BASE, IMAGE = "localhost/waste-edge-base:trixie", "localhost/waste-edge"
MOST_MB = 350
TOKEN = "a-token-of-the-trial-only"
PORT = 8470
USER = 10001
FILES = min(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536
)  # podman's own default may be more than is allowed here
CONFIG = f"""
name = "container"
camera = "synthetic:10"
bundle = "small"
[page]
host = "127.0.0.1"
port = {PORT}
[json_lines]
path = "events.jsonl"
"""
NOT_THERE = ("apt-get", "dpkg", "perl", "gcc", "mount", "su")
EXCLUDED = ("doc", "man", "locale", "info")


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
        self._podman = ["podman", *places, *runtimes, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]

    def podman(self, *words: str | Path, seconds: float = 3600) -> subprocess.CompletedProcess[str]:
        command = [*self._podman, *(str(word) for word in words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, cwd=ROOT)

    def done(self, *words: str | Path) -> str:
        """What podman printed; the trial ends if it failed."""
        found = self.podman(*words)
        if found.returncode:
            raise SystemExit(f"podman {words[0]} failed:\n{found.stdout[-2000:]}{found.stderr[-2000:]}")
        return found.stdout.strip()

    def say(self, text: str) -> None:
        self.lines.append(text)
        print(text, flush=True)

    def check(self, name: str, found: object, right: bool) -> None:
        self.right &= right
        self.say(f"{'ok ' if right else 'BAD'} {name}: {found}")


def build(trial: Trial) -> None:
    """Base, wheels, image."""
    base = trial.work / "base.tar"
    if not base.exists():
        options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in EXCLUDED]
        clean = '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt "$1"/var/log/*'
        include = ["--variant=minbase", "--include=ca-certificates"]
        subprocess.run(["mmdebstrap", *include, *options, clean, "trixie", base], check=True, capture_output=True)
    if trial.podman("image", "exists", BASE).returncode:
        trial.done("import", base, BASE)
    wheels = ROOT / "container" / "wheels"
    environment = {**os.environ, "PIP": os.environ.get("PIP", f"{sys.executable} -m pip")}
    gathered = ["sh", ROOT / "device/gather_wheels.sh", wheels, "3.13", os.uname().machine]
    subprocess.run(gathered, check=True, env=environment, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    what = ("--isolation", "chroot", "--format", "docker", "--build-arg", f"BASE={BASE}")
    said = trial.done("build", *what, "-f", "container/Containerfile", "-t", IMAGE, ".")
    trial.podman("image", "prune", "--force")  # vfs keeps a whole copy of each layer of the last build
    for line in said.splitlines():
        if line.startswith("trim:"):
            trial.say(f"    {line}")
    trial.say(f"    built in {time.monotonic() - began:.0f} s")


def look(trial: Trial) -> None:
    """What the image is."""
    described = json.loads(trial.done("image", "inspect", IMAGE))[0]
    size_mb = described["Size"] / 1e6
    trial.check(f"size, unpacked, at most {MOST_MB} MB", f"{size_mb:.0f} MB", size_mb <= MOST_MB)
    packed = trial.work / "image.tar.gz"
    packed.unlink(missing_ok=True)
    trial.done("save", "--format", "docker-archive", "-o", trial.work / "image.tar", IMAGE)
    subprocess.run(["gzip", "-1", "-f", trial.work / "image.tar"], check=True)
    trial.say(f"    packed by gzip: {packed.stat().st_size / 1e6:.0f} MB")
    packed.unlink()
    config = described["Config"]
    trial.check("user", config.get("User"), config.get("User") == f"{USER}:{USER}")
    health = described.get("Healthcheck") or {}
    trial.check("health check", " ".join(health.get("Test", [])), "health.py" in str(health))
    trial.check("volume", list(config.get("Volumes", {})), "/data" in config.get("Volumes", {}))


def running(trial: Trial, *words: str | Path, name: str = "", detach: bool = False) -> list[str | Path]:
    """`podman run` as the Compose file has it."""
    confined: Sequence[str] = (
        "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host",
        "--tmpfs", "/tmp", "--no-healthcheck", "--ulimit", f"nofile={FILES}:{FILES}", "--ulimit", "nproc=4096:4096",
    )  # fmt: skip
    data = f"{trial.work / 'data'}:/data"
    config = f"{trial.work / 'station.toml'}:/etc/waste-edge/station.toml:ro"
    kind = ("--detach", "--name", name) if detach else ("--rm",)
    return ["run", *kind, *confined, "--volume", data, "--volume", config, *words]


def inside(trial: Trial) -> None:
    """What a process of it can do."""
    for name, program in (
        ("verify small", ("verify", "small")),
        ("verify accurate", ("verify", "accurate")),
    ):
        found = trial.podman(*running(trial, IMAGE, *program))
        said = (found.stdout + found.stderr).strip().splitlines() or [""]
        trial.check(name, said[-1], found.returncode == 0)
    script = (
        "import os, shutil, pathlib\n"
        f"print(os.getuid(), [name for name in {NOT_THERE} if shutil.which(name)])\n"
        "try:\n    pathlib.Path('/opt/x').touch()\nexcept OSError as error:\n    print(error.strerror)\n"
    )
    found = trial.podman(*running(trial, "--entrypoint", "python", IMAGE, "-c", script))
    expected = f"{USER} []\nRead-only file system"
    trial.check("user, tools, root", found.stdout.strip().replace("\n", "; "), found.stdout.strip() == expected)
    (trial.work / "open.toml").write_text('camera = "synthetic"\n[page]\nhost = "0.0.0.0"\n', encoding="utf-8")
    given = ("--volume", f"{trial.work / 'open.toml'}:/open.toml:ro", IMAGE, "run", "--config", "/open.toml")
    found = trial.podman(*running(trial, *given))
    said = found.stderr.strip().splitlines()[-1:]
    trial.check("a page for others without a token", "".join(said), found.returncode == 2 and "token" in "".join(said))


def lives(trial: Trial) -> None:
    """A station that starts, is healthy, decides, ends, and goes on."""
    ids: set[str] = set()
    for life in (1, 2):
        trial.podman("rm", "-f", "station")
        trial.done(*running(trial, IMAGE, name="station", detach=True))
        began = time.monotonic()
        health = _until(_health, 90)
        trial.check(f"life {life}: healthy", f"{health} after {time.monotonic() - began:.0f} s", health == 200)
        asked = trial.podman("exec", "station", "python", "-IS", "/opt/waste-edge/health.py")
        trial.check(f"life {life}: health.py", f"exit {asked.returncode}", asked.returncode == 0)
        _wait_for(trial, 3 * life)
        before = time.monotonic()
        trial.done("stop", "--time", "20", "station")
        code = trial.done("inspect", "--format", "{{.State.ExitCode}}", "station")
        took_s = time.monotonic() - before
        trial.check(f"life {life}: SIGTERM ends it", f"exit {code} after {took_s:.1f} s", code == "0")
        events = _events(trial)
        ids.update(events)
        trial.check(f"life {life}: events in the volume", len(events), len(events) >= 3 * life)
    trial.check("each event once", f"{len(ids)} ids of {len(_events(trial))}", len(ids) == len(_events(trial)))
    owner = (trial.work / "data/outbox.sqlite").stat().st_uid
    trial.check("owner of the files", owner, owner == USER)


def _wait_for(trial: Trial, events: int) -> None:
    _until(lambda: len(_events(trial)) >= events, 90)


def _until(found, seconds: float):  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not (got := found()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return got


def _health() -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=3) as answer:
            return int(answer.status)
    except (OSError, urllib.error.HTTPError):
        return 0


def _events(trial: Trial) -> list[str]:
    path = trial.work / "data/events.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line)["id"] for line in text.splitlines() if '"kind":"health"' not in line]


def main() -> int:
    """Try it."""
    parser = argparse.ArgumentParser(description="Build the container image and run it.")
    parser.add_argument("--work", type=Path, default=Path("/var/tmp/waste-edge-container"))
    parser.add_argument("--log", type=Path, help="write what is printed here, too")
    parser.add_argument("--built", action="store_true", help="the image is there already")
    options = parser.parse_args()
    for tool in ("podman", "mmdebstrap"):
        if shutil.which(tool) is None:
            print(f"{tool} is missing; apt-get install {tool}", file=sys.stderr)
            return 1
    trial = Trial(options.work)
    shutil.rmtree(options.work / "data", ignore_errors=True)
    (options.work / "data").mkdir()
    os.chown(options.work / "data", USER, USER)
    (options.work / "station.toml").write_text(CONFIG, encoding="utf-8")
    named = []
    for name in ("small", "accurate"):
        with open_bundle(BUNDLES / name) as bundle:
            named.append(f"`{name}` {bundle.manifest.version}")
    head = f"What `make test-container` printed on {time.strftime('%Y-%m-%d')} on {os.uname().machine}"
    trial.lines.append(f"{head}, with {', '.join(named)}.\n")
    trial.say(trial.done("--version"))
    if not options.built:
        build(trial)
    look(trial)
    inside(trial)
    lives(trial)
    trial.podman("rm", "-f", "station")
    if options.log:
        options.log.write_text("\n".join(trial.lines) + "\n", encoding="utf-8")
    return 0 if trial.right else 1


if __name__ == "__main__":
    sys.exit(main())
