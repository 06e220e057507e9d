"""The Compose file, started without a registry: a station in its container tells a broker in one, and is scraped.

    sudo .venv-dev/bin/python -m tests.container.stack [--log FILE]     or: make test-container, which builds the image

The file is used as it ships, by podman-compose, for station, mosquitto and Prometheus; only the station's camera is
another one. The images of the last two are made from Debian 13's packages with the folders and users that their makers'
have, under the names that the file gives. Grafana and Home Assistant, which Debian has no packages of, are not started;
Docker Compose's own reader (Debian's docker-compose) checks all of the file.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import venv
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.container.engine import BASE, IMAGE, ROOT, WORK, Trial, header, until, what_is_missing

STARTED = ("station", "mosquitto", "prometheus")
PORTS = {"station": 8470, "mosquitto": 1883, "prometheus": 9090}
EVENTS = 5
COMPOSE_TOOL = "localhost/docker-compose"
# As the makers' own images have it: eclipse-mosquitto's Dockerfile, and prom/prometheus's.
MADE_FROM_DEBIAN = {
    "docker.io/library/eclipse-mosquitto:2": (
        "RUN apt-get update && apt-get install -y --no-install-recommends mosquitto \\\n"
        " && install -d -o mosquitto -g mosquitto /mosquitto/config /mosquitto/data /mosquitto/log\n"
    ),
    "docker.io/prom/prometheus:v2.53.2": (
        "RUN apt-get update && apt-get install -y --no-install-recommends prometheus \\\n"
        " && install -d -o nobody -g nogroup /prometheus /etc/prometheus\n"
        "USER nobody\nWORKDIR /prometheus\n"
    ),
    COMPOSE_TOOL: "RUN apt-get update && apt-get install -y --no-install-recommends docker-compose\n",
}


class Stack:
    """The Compose file in a folder of its own, with secrets of its own."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.folder = trial.work / "stack/container/compose"
        self.secrets = {name: secrets.token_hex(16) for name in self._names_of_secrets()}
        self._tool = trial.work / "podman-compose"

    def _names_of_secrets(self) -> list[str]:
        lines = (ROOT / "container/compose/.env.example").read_text(encoding="utf-8").splitlines()
        return [line.removesuffix("=") for line in lines if line.endswith("=")]

    def lay_out(self) -> None:
        """The shipped files, the secrets, and a camera that is drawn."""
        shutil.rmtree(self.trial.work / "stack", ignore_errors=True)
        shutil.copytree(ROOT / "container/compose", self.folder)
        for name in ("prometheus", "grafana"):
            shutil.copytree(ROOT / "device" / name, self.trial.work / "stack/device" / name)
        station = self.folder / "station.toml"
        text = station.read_text(encoding="utf-8")
        assert 'camera = "/dev/video0"' in text
        station.write_text(text.replace('camera = "/dev/video0"', 'camera = "synthetic:10"'), encoding="utf-8")
        lines = [f"{name}={value}" for name, value in self.secrets.items()]
        (self.folder / ".env").write_text("\n".join([*lines, "CAMERA=/dev/null", "CAMERA_GROUP=44"]) + "\n")
        # podman's health checks are timers of systemd: where there is none, a container with one does not start.
        override = "services:\n  station:\n    healthcheck:\n      disable: true\n"
        (self.folder / "without-systemd.yaml").write_text(override, encoding="utf-8")

    def prepare_tools(self) -> None:
        """podman-compose in an environment of its own, calling podman with the trial's storage."""
        if not (self._tool / "bin/podman-compose").exists():
            venv.create(self._tool, with_pip=True)
            pip = [self._tool / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "podman-compose"]
            subprocess.run(pip, check=True)
        podman = self._tool / "bin/podman"
        podman.write_text(f'#!/bin/sh\nexec {" ".join(self.trial.command)} "$@"\n', encoding="utf-8")
        podman.chmod(0o755)

    def compose(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command of podman-compose."""
        files = ["-f", "compose.yaml"]
        if not Path("/run/systemd/system").is_dir():
            files += ["-f", "without-systemd.yaml"]
        environment = {**os.environ, "PATH": f"{self._tool / 'bin'}:{os.environ['PATH']}"}
        command = [self._tool / "bin/podman-compose", *files, *words]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=900
        )

    def container(self, service: str) -> str:
        """Name of a service's container."""
        label = f"label=com.docker.compose.service={service}"
        return self.trial.done("ps", "--all", "--filter", label, "--format", "{{.Names}}")

    def events(self) -> list[str]:
        """Ids in the station's own file, on its volume."""
        text = self.trial.podman("exec", self.container("station"), "cat", "/data/events.jsonl").stdout
        return [json.loads(line)["id"] for line in text.splitlines() if '"kind":"event"' in line]


class Receiver:
    """A client of the broker with a lasting session, as docs/fleet.md has it."""

    def __init__(self, password: str) -> None:
        self.ids: list[str] = []
        self.refused = ""
        self._client = Client(CallbackAPIVersion.VERSION2, "trial", clean_session=False)
        self._client.username_pw_set("waste-edge", password)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = self._connected
        self._client.on_message = lambda _, __, message: self.ids.append(json.loads(message.payload)["id"])
        self._client.connect("127.0.0.1", PORTS["mosquitto"])
        self._client.loop_start()

    def _connected(self, client: Client, _data: object, _flags: object, code: Any, _properties: object) -> None:
        if code.is_failure:
            self.refused = str(code)
        else:
            client.subscribe("waste-edge/+/event", qos=1)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


def make_images(trial: Trial) -> None:
    """The images that the file names, from Debian's packages."""
    for name, made in MADE_FROM_DEBIAN.items():
        if trial.podman("image", "exists", name).returncode:
            recipe = trial.work / "Containerfile"
            recipe.write_text(f"FROM {BASE}\n{made}", encoding="utf-8")
            (trial.work / "empty").mkdir(exist_ok=True)
            trial.done("build", "--isolation", "chroot", "-f", recipe, "-t", name, trial.work / "empty")
    trial.podman("image", "prune", "--force")


def read_by_docker(trial: Trial, stack: Stack) -> None:
    """Docker Compose's own reader takes the file, all of it; and it can say no."""
    whole = f"{trial.work / 'stack'}:/stack:ro"
    program = (
        "docker-compose version --short; docker-compose -f compose.yaml config --services; echo exit $?;"
        "docker-compose --env-file /dev/null -f compose.yaml config 2>&1; echo exit $?"
    )
    run = ("run", "--rm", "--network", "none", "--volume", whole, "--workdir", "/stack/container/compose")
    found = trial.podman(*run, "--entrypoint", "/bin/sh", COMPOSE_TOOL, "-c", program)
    version, *lines = found.stdout.strip().splitlines() or [found.stderr[-300:]]
    services = sorted(lines[: lines.index("exit 0")]) if "exit 0" in lines else lines
    right = services == ["grafana", "home-assistant", "mosquitto", "prometheus", "station"]
    trial.check(f"docker-compose {version} config", services, right)
    refused = "openssl rand" in " ".join(lines[-2:]) and lines[-1] != "exit 0"
    trial.check("without the secrets", lines[-2:-1], refused)


def start(trial: Trial, stack: Stack) -> None:
    """Start three of the services by the file."""
    taken = [port for port in PORTS.values() if _answers(port)]
    if taken:
        raise SystemExit(f"ports {taken} are in use on this machine; the Compose file needs them")
    version = stack.compose("version").stdout.splitlines()
    found = stack.compose("config")
    trial.check(
        f"{version[0] if version else 'podman-compose'} config", f"exit {found.returncode}", found.returncode == 0
    )
    found = stack.compose("up", "-d", *STARTED)
    states = {name: trial.podman("inspect", "--format", "{{.State.Status}}", stack.container(name)).stdout.strip()
              for name in STARTED}  # fmt: skip
    right = set(states.values()) == {"running"}
    trial.check("up -d station mosquitto prometheus", states if right else f"{states} {found.stderr[-2000:]}", right)
    for service, command in (("mosquitto", "mosquitto -h"), ("prometheus", "prometheus --version")):
        said = trial.podman("exec", stack.container(service), "/bin/sh", "-c", f"{command} 2>&1").stdout.splitlines()
        trial.say(f"    {service}, made from Debian's package: {''.join(said[:1])}")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def of_the_station(trial: Trial, stack: Stack) -> None:
    """It is confined as the file says, and healthy."""
    described = json.loads(trial.done("inspect", stack.container("station")))[0]
    host = described["HostConfig"]
    confined = host["ReadonlyRootfs"] and not described["EffectiveCaps"] and host["Memory"] == 400 * 2**20
    facts = f"read-only {host['ReadonlyRootfs']}, capabilities {described['EffectiveCaps']}, memory {host['Memory']}"
    trial.check("the station is confined", facts, confined and "no-new-privileges" in host["SecurityOpt"])
    status = until(lambda: _get(f"http://127.0.0.1:{PORTS['station']}/healthz")[0] == 200, 120)
    trial.check("/healthz", 200 if status else _get(f"http://127.0.0.1:{PORTS['station']}/healthz"), status)
    code, _ = _get(f"http://127.0.0.1:{PORTS['station']}/metrics")
    trial.check("/metrics without the token", code, code in (401, 403))


def of_the_broker(trial: Trial, stack: Stack) -> None:
    """Events come to the broker, through its restart, and once each; nobody else gets in."""
    stranger = Receiver("wrong")
    until(lambda: stranger.refused, 20)
    trial.check("the broker refuses another password", stranger.refused, bool(stranger.refused))
    stranger.close()
    receiver = Receiver(stack.secrets["MQTT_PASSWORD"])
    until(lambda: len(set(receiver.ids)) >= EVENTS, 180)
    trial.check("events at the broker", len(receiver.ids), len(set(receiver.ids)) >= EVENTS)
    trial.done("restart", "--time", "10", stack.container("mosquitto"))
    before = len(set(receiver.ids))
    until(lambda: len(set(receiver.ids)) >= before + EVENTS, 180)
    trial.check("and after its restart", len(receiver.ids), len(set(receiver.ids)) >= before + EVENTS)
    # Those that its file has now and that were told since the receiver came: all of them reach it.
    told = stack.events()
    told = told[told.index(receiver.ids[0]) :]
    until(lambda: set(told) <= set(receiver.ids), 60)
    lost = [one for one in told if one not in receiver.ids]
    again = len(receiver.ids) - len(set(receiver.ids))
    trial.check("none lost over the restart", f"{len(told)} told, {len(lost)} lost, {again} twice", not lost)
    receiver.close()


def of_prometheus(trial: Trial, stack: Stack) -> None:
    """It scrapes the station by the token, and has the alerts."""

    def found() -> list[str]:
        return [one["value"][1] for one in _query('up{job="waste-edge",instance="station:8470"}')]

    until(lambda: found() == ["1"], 90)
    trial.check('up{instance="station:8470"}', found(), found() == ["1"])
    until(lambda: bool(_query("waste_edge_items_total")), 60)
    counted = [one["value"][1] for one in _query("sum(waste_edge_items_total)")]
    trial.check("waste_edge_items_total", counted, bool(counted) and float(counted[0]) >= EVENTS)
    code, body = _get(f"http://127.0.0.1:{PORTS['prometheus']}/api/v1/rules")
    rules = [rule["name"] for group in json.loads(body)["data"]["groups"] for rule in group["rules"]] if body else []
    trial.check("its alerts", f"{len(rules)} rules", code == 200 and len(rules) > 3)
    targets = _query("up")
    trial.check("targets", len(targets), len(targets) == 1)


def of_its_end(trial: Trial, stack: Stack) -> None:
    """Down and up again: what was told stays, and it goes on."""
    before = stack.events()
    stack.compose("stop", "station")
    code = trial.podman("inspect", "--format", "{{.State.ExitCode}}", stack.container("station")).stdout.strip()
    trial.check("stop station", f"exit {code}", code == "0")
    stack.compose("down")
    left = [name for name in STARTED if stack.container(name)]
    trial.check("down", f"{len(left)} containers left", not left)
    stack.compose("up", "-d", *STARTED)
    until(lambda: len(stack.events()) > len(before), 420)  # a busy machine keeps the camera waiting
    after = stack.events()
    right = after[: len(before)] == before and len(after) > len(before) and len(set(after)) == len(after)
    trial.check("up again", f"{len(before)} events, then {len(after)}, each once", right)


def _get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")[:200]
    except OSError as error:
        return 0, str(error)


def _query(expression: str) -> list[dict[str, Any]]:
    words = urllib.parse.urlencode({"query": expression})
    code, body = _get(f"http://127.0.0.1:{PORTS['prometheus']}/api/v1/query?{words}")
    return list(json.loads(body)["data"]["result"]) if code == 200 else []


def main() -> int:
    """Try it."""
    parser = argparse.ArgumentParser(description="Start the Compose file's station, broker and Prometheus.")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of tests.container.try_out, with its image")
    parser.add_argument("--log", type=Path, help="write what is printed here, too")
    options = parser.parse_args()
    if missing := what_is_missing("podman", "mmdebstrap"):
        print(f"make test-container: {missing}", file=sys.stderr)
        return 2
    trial = Trial(options.work)
    if trial.podman("image", "exists", IMAGE).returncode:
        print(f"{IMAGE} is not there; python -m tests.container.try_out makes it first", file=sys.stderr)
        return 2
    stack = Stack(trial)
    trial.lines.append(header("python -m tests.container.stack"))
    trial.limit_files()
    stack.lay_out()
    stack.prepare_tools()
    make_images(trial)
    read_by_docker(trial, stack)
    try:
        start(trial, stack)
        of_the_station(trial, stack)
        of_the_broker(trial, stack)
        of_prometheus(trial, stack)
        of_its_end(trial, stack)
    finally:
        if not trial.right:
            time.sleep(1)
            for name in STARTED:
                said = trial.podman("logs", "--tail", "30", stack.container(name) or name)
                (trial.work / f"{name}.log").write_text(said.stdout + said.stderr, encoding="utf-8")
        stack.compose("down", "--volumes")
    trial.say(
        "    Grafana and Home Assistant were not started: Debian has no packages of them, and here is no registry"
    )
    trial.write(options.log)
    return 0 if trial.right else 1


if __name__ == "__main__":
    sys.exit(main())
