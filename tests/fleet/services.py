"""The services of the trial: a mosquitto that keeps its state, a Prometheus, and a receiver with a lasting session."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from waste_edge.files.resources import shipped

TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait for it; False if it does not come about in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


class Service:
    """A program of the trial, with the processor time and memory that it took."""

    def __init__(self, command: Sequence[str | Path], port: int) -> None:
        self._command = [str(word) for word in command]
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._cpu_s = 0.0
        self.peak_mb = 0.0

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not until(self._answers, 60):
            raise RuntimeError(f"{self._command[0]}: does not answer at port {self.port}")

    def stop(self) -> None:
        """SIGTERM, as its package's upgrade sends."""
        if self._process is None:
            return
        self.look()
        self._cpu_s = self.cpu_s
        self._process.terminate()
        self._process.wait(30)
        self._process = None

    def look(self) -> None:
        """Note its memory."""
        if self._process is not None:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
            resident = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
            self.peak_mb = max(self.peak_mb, int(resident.split()[1]) / 1e3)

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time since the first start."""
        if self._process is None:
            return self._cpu_s
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return self._cpu_s + (int(fields[11]) + int(fields[12])) / TICKS

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def mosquitto(folder: Path, queued: int | None) -> Service:
    """A broker that keeps what it must; `queued`: messages for a receiver that is away, None for its default."""
    folder.mkdir()
    port, config = free_port(), folder / "mosquitto.conf"
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "user root", "persistence true"]
    lines += [f"persistence_location {folder}/", "max_inflight_messages 100"]
    lines += [] if queued is None else [f"max_queued_messages {queued}"]
    config.write_text("\n".join(lines) + "\n")
    return Service([shutil.which("mosquitto", path="/usr/sbin:/usr/bin") or "mosquitto", "-c", config], port)


class Prometheus(Service):
    """A Prometheus with the shipped configuration and alerts, all stations as its targets."""

    def __init__(self, folder: Path, targets: Sequence[int], scrape_s: int) -> None:
        folder.mkdir()
        port = free_port()
        shutil.copy(shipped("device/prometheus/alerts.yml"), folder / "alerts.yml")
        config = shipped("device/prometheus/prometheus.yml").read_text(encoding="utf-8")
        listed = ", ".join(f'"127.0.0.1:{target}"' for target in targets)
        config = config.replace('"127.0.0.1:8470"', listed).replace("15s", f"{scrape_s}s")
        (folder / "prometheus.yml").write_text(config, encoding="utf-8")
        data = f"--storage.tsdb.path={folder / 'data'}"
        web = f"--web.listen-address=127.0.0.1:{port}"
        super().__init__(["prometheus", f"--config.file={folder / 'prometheus.yml'}", data, web], port)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        words = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{words}", timeout=20) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return result

    def number(self, expression: str) -> float:
        """The one value of a query; 0 where there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else 0.0


class FleetReceiver:
    """A receiver as docs/fleet.md has it: QoS 1, one client id, a session that lasts."""

    def __init__(self, port: int) -> None:
        self.came: dict[str, float] = {}
        self.again = 0
        self._lock = threading.Lock()
        self._client = Client(CallbackAPIVersion.VERSION2, "fleet", clean_session=False)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = lambda client, *_: client.subscribe("waste-edge/+/event", qos=1)
        self._client.on_message = lambda _, __, message: self._note(message.payload)
        self._port = port
        self.come()

    def come(self) -> None:
        """Connect, and take up the session."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()

    def leave(self) -> None:
        """Go away; the broker keeps what comes meanwhile."""
        self._client.disconnect()
        self._client.loop_stop()

    def _note(self, payload: bytes) -> None:
        name = json.loads(payload)["id"]
        with self._lock:
            self.again += name in self.came
            self.came.setdefault(name, time.monotonic())
