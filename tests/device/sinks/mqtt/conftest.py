"""A real mosquitto, a client that notes what it says, and stations of an outbox and an MQTT sink."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Broker, Receiver
from waste_edge.device.clock import RetryPolicy, SystemClock
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.mqtt import MqttConfig, build
from waste_edge.device.sinks.sink import SinkContext, StationFacts

FACTS = StationFacts(("glass", "paper", "rest"), "small 2")


@pytest.fixture
def make_broker(tmp_path) -> Iterator[Callable[..., Broker]]:
    """Start a mosquitto with these settings; nothing that it retains outlives it."""
    if shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None:
        pytest.skip("mosquitto is not installed")
    brokers: list[Broker] = []

    def make(*settings: str) -> Broker:
        folder = tmp_path / f"broker-{len(brokers)}"
        folder.mkdir()
        brokers.append(Broker(folder, *(settings or ("allow_anonymous true",))))
        brokers[-1].start()
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.kill()


@pytest.fixture
def broker(make_broker) -> Broker:
    return make_broker()


@pytest.fixture
def receive() -> Iterator[Callable[[Broker], Receiver]]:
    receivers: list[Receiver] = []

    def receive_(broker: Broker) -> Receiver:
        receivers.append(Receiver(broker))
        return receivers[-1]

    yield receive_
    for receiver in receivers:
        receiver.close()


class Station:
    """An outbox and its delivery to a broker, stepped by the test or in a thread of its own."""

    def __init__(self, state: Path, config: MqttConfig, name: str = "bin 1", facts: StationFacts = FACTS) -> None:
        self.clock = SystemClock()
        self.outbox = Outbox(state / "outbox.sqlite", name, self.clock)
        self.sink = build(config, SinkContext(name, state, facts))
        self.delivery = Delivery(self.outbox, self.sink, self.clock, retry=RetryPolicy(0.1, 0.3))

    @property
    def topic(self) -> str:
        """Read before its thread starts, or once it is connected."""
        return self.sink._names().topic

    def stop(self) -> None:
        if not self.delivery._started:
            self.sink.close()
        self.delivery.stop()
        self.outbox.close()


@pytest.fixture
def make_station(tmp_path) -> Iterator[Callable[..., Station]]:
    stations: list[Station] = []

    def make(broker: Broker, state: str = "state", name: str = "bin 1", facts=FACTS, **settings) -> Station:
        folder = tmp_path / state
        folder.mkdir(exist_ok=True)
        settings.setdefault("timeout_s", 5.0)
        stations.append(Station(folder, MqttConfig(host="127.0.0.1", port=broker.port, **settings), name, facts))
        return stations[-1]

    yield make
    for station in stations:
        station.stop()
