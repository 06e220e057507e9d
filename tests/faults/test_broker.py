"""MQTT against a real mosquitto: away for an hour's events, killed in the middle, TLS, a wrong password."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time

import pytest

from tests.device.telling import id_of, make_event
from tests.faults.conftest import require_tool, wait_until
from waste_edge.device.clock import RetryPolicy, SystemClock
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.mqtt import MqttConfig, build
from waste_edge.device.sinks.sink import SinkContext, StationFacts
from waste_edge.device.system.condition import Condition, Level

pytestmark = pytest.mark.faults


class Gated:
    """A sink that waits for the test's word before it goes on, so that the receiver is back before the station."""

    def __init__(self, sink) -> None:
        self.name = sink.name
        self.tell_health = sink.tell_health
        self.close = sink.close
        self._sink = sink
        self.gate = threading.Event()
        self.gate.set()

    def deliver(self, records) -> None:
        self.gate.wait(120)
        self._sink.deliver(records)


@pytest.fixture
def outbox(tmp_path):
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin-3", SystemClock())
    yield outbox
    outbox.close()


@pytest.fixture
def deliver(outbox):
    """Start delivering to a sink; stopped at the end."""
    deliveries = []

    def deliver_(sink) -> Delivery:
        deliveries.append(Delivery(outbox, sink, retry=RetryPolicy(0.1, 1.0)))
        deliveries[-1].start()
        return deliveries[-1]

    yield deliver_
    for delivery in deliveries:
        delivery.stop()


@pytest.fixture
def here(tmp_path):
    """The station of this name, with a folder of its own."""

    def here_(name: str) -> SinkContext:
        state = tmp_path / f"state of {name}"
        state.mkdir(exist_ok=True)
        return SinkContext(name, state, StationFacts(("glass", "paper")))

    return here_


def config(broker, **settings) -> MqttConfig:
    settings = {"topic": "waste-edge/bin-3", **settings}
    return MqttConfig(host="127.0.0.1", port=broker.port, timeout_s=5.0, **settings)


def commit(outbox: Outbox, numbers: range) -> list[str]:
    for number in numbers:
        outbox.commit(make_event(number), b"pile")
    return [id_of(number) for number in numbers]


def test_a_broker_that_returns_gets_all_3600_events_once_and_in_order(make_broker, receive, outbox, deliver, here):
    broker = make_broker()
    broker.start()
    receiver = receive(broker)
    sink = Gated(build(config(broker), here("bin-3")))
    delivery = deliver(sink)
    expected = commit(outbox, range(10))
    wait_until(lambda: receiver.counted == expected)
    receiver.forget_subscription()
    broker.kill()
    expected += commit(outbox, range(10, 3_610))
    wait_until(lambda: "3600 events wait: 127.0.0.1" in delivery.condition().text)
    assert "connection refused" in delivery.condition().text
    assert outbox.condition().level is Level.OK
    assert outbox.commit_times().p99_ms < 1_000
    sink.gate.clear()
    broker.start()
    receiver.wait_for_return()
    sink.gate.set()
    wait_until(lambda: len(receiver.counted) == len(expected))
    assert receiver.counted == expected
    wait_until(lambda: delivery.condition().level is Level.OK)


def test_a_broker_killed_in_the_middle_of_a_batch_loses_nothing(make_broker, receive, outbox, deliver, here):
    expected = commit(outbox, range(1_500))
    broker = make_broker()
    broker.start()
    receiver = receive(broker)
    sink = Gated(build(config(broker), here("bin-3")))
    delivery = deliver(sink)
    for had in (150, 500, 900):
        wait_until(lambda had=had: len(receiver.told) >= had)
        sink.gate.clear()
        receiver.forget_subscription()
        broker.kill()
        broker.start()
        receiver.wait_for_return()
        sink.gate.set()
    wait_until(lambda: len(receiver.counted) == len(expected))
    assert receiver.counted == expected
    wait_until(lambda: delivery.condition().level is Level.OK)


def test_status_health_counts_and_discovery(make_broker, receive, outbox, deliver, here):
    broker = make_broker()
    broker.start()
    receiver = receive(broker)
    sink = build(config(broker, topic="", discovery="entities"), here("bin 3"))
    base = sink._names().topic
    node = base.replace("/", "_")
    delivery = deliver(sink)
    delivery.tell_health([Condition("camera", Level.BAD, "blocked")])
    commit(outbox, range(3))
    outbox.commit(make_event(3, "glass"), b"")
    wait_until(lambda: receiver.newest(f"{base}/streams/glass") == "1" and receiver.newest(f"{base}/health") != "")
    assert receiver.newest(f"{base}/status") == "online"
    wait_until(lambda: receiver.newest(f"{base}/streams/paper") == "3")
    # A new connection is told the counters first, and then what waits.
    wait_until(lambda: json.loads(receiver.newest(f"{base}/last") or "{}").get("sequence") == 4)
    last = json.loads(receiver.newest(f"{base}/last"))
    assert (last["id"], last["sequence"], last["decision"]["stream"]) == (id_of(3), 4, "glass")
    assert json.loads(receiver.newest(f"{base}/health"))["conditions"][0]["text"] == "blocked"
    for entity in ("sensor/{}/last_item", "sensor/{}/items", "binary_sensor/{}/problem", "sensor/{}/stream_glass"):
        entity_config = json.loads(receiver.newest(f"homeassistant/{entity.format(node)}/config"))
        assert entity_config["availability_topic"] == f"{base}/status"
    late = receive_retained(receive, broker)
    assert f"{base}/health" in late
    assert f"{base}/last" in late
    assert f"{base}/event" not in late
    assert delivery.stop()
    wait_until(lambda: receiver.newest(f"{base}/status") == "offline")


def receive_retained(receive, broker) -> set[str]:
    """The topics that one who subscribes late is told at once."""
    late = receive(broker)
    wait_until(lambda: len(late.messages) >= 3)
    time.sleep(0.2)
    return {topic for topic, _, retained in late.messages if retained}


def test_the_last_will_is_spoken_when_the_station_vanishes(make_broker, receive, here):
    broker = make_broker()
    broker.start()
    receiver = receive(broker)
    sink = build(config(broker), here("bin-3"))
    sink.deliver([])
    wait_until(lambda: receiver.newest("waste-edge/bin-3/status") == "online")
    sink._link.cut()
    wait_until(lambda: receiver.newest("waste-edge/bin-3/status") == "offline")
    sink.deliver([])  # and it comes back by itself
    wait_until(lambda: receiver.newest("waste-edge/bin-3/status") == "online")
    said = [payload for topic, payload, _ in receiver.messages if topic == "waste-edge/bin-3/status"]
    assert said == [b"online", b"offline", b"online"]
    sink.close()


@pytest.fixture
def guarded(make_broker, tmp_path):
    """A broker that knows one user, `bin`, whose password is `right`."""
    passwords = tmp_path / "passwords"
    tool = require_tool("mosquitto_passwd", "mosquitto")
    subprocess.run([tool, "-b", "-c", passwords, "bin", "right"], check=True, stderr=subprocess.DEVNULL)
    broker = make_broker("allow_anonymous false", f"password_file {passwords}")
    broker.start()
    return broker


def test_a_password_from_a_file_opens(guarded, tmp_path, outbox, here):
    secret = tmp_path / "secret"
    secret.write_text("right\n")
    sink = build(config(guarded, username="bin", password_file=str(secret)), here("bin-3"))
    commit(outbox, range(1))
    delivery = Delivery(outbox, sink)
    delivery.step()
    assert delivery.condition() == Condition("mqtt", Level.OK, "1 events delivered")
    sink.close()


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_wrong_password_is_said_to_be_one(guarded, outbox, password, here):
    settings = {"username": "bin", "password_environment": "SECRET"} if password else {}
    sink = build(config(guarded, **settings), here("bin-3"), {"SECRET": "wrong"})
    commit(outbox, range(2))
    delivery = Delivery(outbox, sink)
    delivery.step()
    text = delivery.condition().text
    assert "2 events wait" in text
    assert "the broker refuses: Not authorized; check username, password" in text


def openssl(*arguments: object) -> None:
    subprocess.run([require_tool("openssl", "openssl"), *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture
def encrypted(make_broker, tmp_path):
    """A broker whose certificate an authority of the test's own has signed: tmp_path/ca.pem."""
    for name in ("ca", "other"):
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2),
            *("-subj", f"/CN={name}", "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
    openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=broker"),
        *("-keyout", tmp_path / "broker.key", "-out", tmp_path / "broker.csr"),
    )
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    openssl(
        *("x509", "-req", "-in", tmp_path / "broker.csr", "-CA", tmp_path / "ca.pem", "-CAkey", tmp_path / "ca.key"),
        *("-CAcreateserial", "-days", 2, "-extfile", tmp_path / "names", "-out", tmp_path / "broker.pem"),
    )
    broker = make_broker(
        "allow_anonymous true", f"certfile {tmp_path / 'broker.pem'}", f"keyfile {tmp_path / 'broker.key'}"
    )
    broker.start()
    return broker


def test_tls_with_an_authority_of_ones_own(encrypted, tmp_path, outbox, here):
    sink = build(config(encrypted, tls=True, ca_file=str(tmp_path / "ca.pem")), here("bin-3"))
    commit(outbox, range(150))
    delivery = Delivery(outbox, sink)
    assert delivery.step() == 0.0
    delivery.step()
    assert delivery.condition() == Condition("mqtt", Level.OK, "150 events delivered")
    started = time.monotonic()
    sink.close()
    assert time.monotonic() - started < 1.0


# paho leaves the socket of a failed handshake to Python's reference counting, which closes it, and says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls": True, "ca_file": "other.pem"}, "its certificate is not trusted .*; check host and ca_file"),
        ({}, "127.0.0.1:.*: hangs up at the greeting.*give `tls = true`"),
    ],
)
def test_tls_that_does_not_come_about_is_explained(encrypted, tmp_path, outbox, settings, said, here):
    if "ca_file" in settings:
        settings = {**settings, "ca_file": str(tmp_path / settings["ca_file"])}
    delivery = Delivery(outbox, build(config(encrypted, **settings), here("bin-3")))
    delivery.step()
    assert delivery.condition().level is Level.WARN
    assert re.search(said, delivery.condition().text)
