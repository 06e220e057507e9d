"""Real parts for real faults. A tool that is missing fails a test: a fault that was not tried was not survived."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SECONDS = 60.0  # how long something may take to come about, on a busy machine


def require_tool(name: str, package: str) -> str:
    """The tool's path; the test fails if it is not there."""
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        pytest.fail(f"{name} is missing; apt-get install {package}")
    return path


def wait_until(true: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


class Broker:
    """A mosquitto of the test's own, on a port of its own."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self._tool = require_tool("mosquitto", "mosquitto")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        folder.chmod(0o755)
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", *settings, "user root", "max_queued_messages 100000"]
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([self._tool, "-c", self._config], stderr=subprocess.DEVNULL)
        wait_until(self._answers)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def make_broker(tmp_path) -> Iterator[Callable[..., Broker]]:
    brokers: list[Broker] = []

    def make(*settings: str) -> Broker:
        brokers.append(Broker(tmp_path, *(settings or ("allow_anonymous true",))))
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.kill()


class Receiver:
    """A client of the broker that notes everything under the station's topics, and counts each event id once."""

    def __init__(self, broker: Broker) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "receiver", clean_session=True)
        self._client.reconnect_delay_set(1, 1)
        # QoS 0: then the broker writes each message to this socket before it acknowledges it to the station, and a
        # receiver that acknowledges nothing reads all of it, even from a broker that is dead by then.
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=0)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _, __, message: self._note(message)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(SECONDS)

    def _note(self, message) -> None:
        self.messages.append((message.topic, message.payload, message.retain))

    def wait_for_return(self) -> None:
        """Wait until it is subscribed again, after `forget_subscription`."""
        assert self._subscribed.wait(SECONDS)

    def forget_subscription(self) -> None:
        self._subscribed.clear()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def told(self) -> list[str]:
        """Every event's id as it came, repetitions included."""
        return [json.loads(payload)["id"] for topic, payload, _ in list(self.messages) if topic.endswith("/event")]

    @property
    def counted(self) -> list[str]:
        return list(dict.fromkeys(self.told))

    def newest(self, topic: str) -> str:
        found = [payload.decode() for name, payload, _ in list(self.messages) if name == topic]
        return found[-1] if found else ""


@pytest.fixture
def receive() -> Iterator[Callable[[Broker], Receiver]]:
    receivers: list[Receiver] = []

    def receive_(broker: Broker) -> Receiver:
        receivers.append(Receiver(broker))
        return receivers[-1]

    yield receive_
    for receiver in receivers:
        receiver.close()


class Disk:
    """A small filesystem of the test's own: ext4 in a file, or memory."""

    def __init__(self, folder: Path) -> None:
        self.mount_tool = require_tool("mount", "mount")
        self.image = folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir()

    def make_ext4(self, megabytes: int) -> None:
        with self.image.open("wb") as stream:
            stream.truncate(megabytes << 20)
        tool = require_tool("mkfs.ext4", "e2fsprogs")
        subprocess.run([tool, "-q", "-m", "0", self.image], check=True)
        self.mount("-o", "loop", str(self.image))

    def make_tmpfs(self, megabytes: int) -> None:
        self.mount("-t", "tmpfs", "-o", f"size={megabytes}m", "none")

    def mount(self, *arguments: str) -> None:
        subprocess.run([self.mount_tool, *arguments, self.path], check=True)

    def unmount(self) -> None:
        subprocess.run([require_tool("umount", "mount"), "-l", self.path], check=False, stderr=subprocess.DEVNULL)

    def fill(self) -> None:
        """Leave not one byte."""
        with (self.path / "filling").open("ab", buffering=0) as stream:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        stream.write(b"x" * size)
                except OSError:
                    continue

    def make_room(self) -> None:
        (self.path / "filling").unlink()


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.unmount()
