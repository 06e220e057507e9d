"""The container image, built and run without a registry.

    sudo apt-get install -y podman buildah mmdebstrap runc
    sudo .venv-dev/bin/python -m tests.container.try_out [--architecture arm64] [--log FILE]     or: make test-container

Makes a Debian 13 with mmdebstrap, imports it as the base image, gathers the wheels, builds container/Containerfile with
nothing else from the network than Debian's packages, and runs the image as the Compose file does: another user, no
capabilities, a root that cannot be written, a volume. Prints a line a check; ends with 1 if one failed.

The image of another architecture is built and run by qemu-user (`sudo apt-get install -y qemu-user-static`), which
takes an hour, and says nothing about speed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.arm64.emulated import USUAL, emulation, newer_qemu
from tests.container.engine import FILES, IMAGE, MACHINES, WORK, Trial, build, header, until, what_is_missing

MOST_MB = 350
USER = 10001
NOT_THERE = ("apt-get", "dpkg", "perl", "gcc", "mount", "su")
CONFIG = """
name = "container"
camera = "synthetic:10"
bundle = "small"
[page]
host = "127.0.0.1"
port = {port}
[json_lines]
path = "events.jsonl"
"""
PORTS = {"amd64": 8470, "arm64": 8471}  # on the machine's own network, and both may be tried at once


class Station:
    """A station of the image, on the machine's own network."""

    def __init__(self, trial: Trial, architecture: str) -> None:
        self.trial = trial
        self.port = PORTS[architecture]
        self.is_emulated = MACHINES[architecture] != os.uname().machine
        self.patience = 20 if self.is_emulated else 1  # times as long as here
        self.data = trial.work / "data"
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir()
        os.chown(self.data, USER, USER)
        (trial.work / "station.toml").write_text(CONFIG.format(port=self.port), encoding="utf-8")

    def words(self, *words: str | Path, name: str = "") -> list[str | Path]:
        """`podman run` as the Compose file has it; with a name in the background."""
        confined: Sequence[str] = (
            "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host",
            "--tmpfs", "/tmp", "--no-healthcheck", "--ulimit", f"nofile={FILES}:{FILES}",
            "--ulimit", "nproc=4096:4096", "--env", f"WASTE_EDGE_HEALTH={self.address}",
            *(("--env", f"QEMU_CPU={USUAL}") if self.is_emulated else ()),
        )  # fmt: skip
        data = f"{self.data}:/data"
        config = f"{self.trial.work / 'station.toml'}:/etc/waste-edge/station.toml:ro"
        kind = ("--detach", "--name", name) if name else ("--rm",)
        return ["run", *kind, *confined, "--volume", data, "--volume", config, *words]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/healthz"

    def health(self) -> int:
        """Status that the page answers with; 0 for none."""
        try:
            with urllib.request.urlopen(self.address, timeout=3 * self.patience) as answer:
                return int(answer.status)
        except (OSError, urllib.error.HTTPError):
            return 0

    def events(self) -> list[str]:
        """Ids of the events in the volume."""
        path = self.data / "events.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return [json.loads(line)["id"] for line in text.splitlines() if '"kind":"health"' not in line]


def look(trial: Trial, architecture: str) -> None:
    """What the image is."""
    described = json.loads(trial.done("image", "inspect", IMAGE))[0]
    trial.check("architecture", described["Architecture"], described["Architecture"] == architecture)
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


def inside(trial: Trial, station: Station) -> None:
    """What a process of it can do."""
    for bundle in ("small", "accurate"):
        found = trial.podman(*station.words(IMAGE, "verify", bundle))
        # podman's own words on stderr are of the emulation.
        said = (found.stdout.strip() or found.stderr.strip()).splitlines() or [""]
        trial.check(f"verify {bundle}", said[-1], found.returncode == 0)
    found = trial.podman(*station.words("--entrypoint", "python", IMAGE, "-c", "import os; print(os.uname().machine)"))
    machine = found.stdout.strip()
    trial.check("machine", machine, machine in MACHINES.values())
    script = (
        "import os, shutil, pathlib\n"
        f"print(os.getuid(), [name for name in {NOT_THERE} if shutil.which(name)])\n"
        "try:\n    pathlib.Path('/opt/x').touch()\nexcept OSError as error:\n    print(error.strerror)\n"
    )
    found = trial.podman(*station.words("--entrypoint", "python", IMAGE, "-c", script))
    expected = f"{USER} []\nRead-only file system"
    trial.check("user, tools, root", found.stdout.strip().replace("\n", "; "), found.stdout.strip() == expected)
    (trial.work / "open.toml").write_text('camera = "synthetic"\n[page]\nhost = "0.0.0.0"\n', encoding="utf-8")
    given = ("--volume", f"{trial.work / 'open.toml'}:/open.toml:ro", IMAGE, "run", "--config", "/open.toml")
    found = trial.podman(*station.words(*given))
    said = found.stderr.strip().splitlines()[-1:]
    trial.check("a page for others without a token", "".join(said), found.returncode == 2 and "token" in "".join(said))


def demo(trial: Trial, station: Station) -> None:
    """The demo's items, in the image; under emulation again if it came to none: a slow film is given up."""
    attempts = 3 if station.is_emulated else 1
    for attempt in range(1, attempts + 1):  # noqa: B007  # it is told
        found = trial.podman(*station.words(IMAGE, "run", "--demo", "--json"))
        told = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
        labels = [one["label"] for one in told if one["kind"] == "decision"]
        right = found.returncode == 0 and len(labels) >= 3
        if right:
            break
    said = f"{len(labels)} items: {', '.join(labels)}" if labels else found.stderr[-300:]
    trial.check("run --demo", said if attempt == 1 else f"{said} (at attempt {attempt})", right)


def lives(trial: Trial, station: Station, each: int) -> None:
    """A station that starts, is healthy, decides, ends, and goes on; `each`: events of a life."""
    ids: set[str] = set()
    for life in (1, 2):
        trial.podman("rm", "-f", "station")
        trial.done(*station.words(IMAGE, name="station"))
        began = time.monotonic()
        health = until(station.health, 90 * station.patience)
        trial.check(f"life {life}: healthy", f"{health} after {time.monotonic() - began:.0f} s", health == 200)
        asked = trial.podman("exec", "station", "python", "-IS", "/opt/waste-edge/health.py")
        trial.check(f"life {life}: health.py", f"exit {asked.returncode}", asked.returncode == 0)
        until(lambda so_far=each * life: len(station.events()) >= so_far, 90 * station.patience)  # type: ignore[misc]
        before = time.monotonic()
        trial.done("stop", "--time", str(20 * station.patience), "station")
        code = trial.done("inspect", "--format", "{{.State.ExitCode}}", "station")
        took_s = time.monotonic() - before
        trial.check(f"life {life}: SIGTERM ends it", f"exit {code} after {took_s:.1f} s", code == "0")
        events = station.events()
        ids.update(events)
        trial.check(f"life {life}: events in the volume", len(events), len(events) >= each * life)
    count = len(station.events())
    trial.check("each event once", f"{len(ids)} ids of {count}", len(ids) == count)
    owner = (station.data / "outbox.sqlite").stat().st_uid
    trial.check("owner of the files", owner, owner == USER)
    trial.podman("rm", "-f", "station")


def main() -> int:
    """Try it."""
    parser = argparse.ArgumentParser(description="Build the container image and run it.")
    native = next(name for name, machine in MACHINES.items() if machine == os.uname().machine)
    parser.add_argument("--architecture", choices=list(MACHINES), default=native, help="else this machine's")
    parser.add_argument(
        "--work", type=Path, help=f"folder of images; else {WORK}, for another architecture {WORK}-NAME"
    )
    parser.add_argument("--log", type=Path, help="write what is printed here, too")
    parser.add_argument("--built", action="store_true", help="the image is there already")
    options = parser.parse_args()
    emulated = options.architecture != native
    if emulated and options.architecture != "arm64":
        print(
            f"{options.architecture}: only arm64 is emulated; try it on a machine of its own",
            file=sys.stderr,
        )
        return 2
    if missing := what_is_missing("podman", "mmdebstrap", *(["qemu-aarch64-static"] if emulated else [])):
        print(f"make test-container: {missing}", file=sys.stderr)
        return 2
    trial = Trial(options.work or (WORK.with_name(f"{WORK.name}-{options.architecture}") if emulated else WORK))
    station = Station(trial, options.architecture)
    with contextlib.ExitStack() as stack:
        trial.lines.append(header(f"python -m tests.container.try_out --architecture {options.architecture}"))
        trial.say(trial.done("--version"))
        if emulated:
            qemu = newer_qemu()
            stack.enter_context(emulation(qemu))
            asked = subprocess.run([qemu, "--version"], stdout=subprocess.PIPE, text=True, check=True)
            trial.say(f"{options.architecture} by {asked.stdout.splitlines()[0]}")
        if not options.built:
            build(trial, options.architecture)
        look(trial, options.architecture)
        inside(trial, station)
        demo(trial, station)
        lives(trial, station, 1 if emulated else 3)
    trial.write(options.log)
    return 0 if trial.right else 1


if __name__ == "__main__":
    sys.exit(main())
