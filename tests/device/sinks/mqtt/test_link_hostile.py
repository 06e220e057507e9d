"""Brokers that are hostile or shared: packets without bound, two stations of one name, connections that never last."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import pytest

from tests.device.telling import make_event
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.mqtt import MqttConfig
from waste_edge.device.sinks.mqtt.broker import Broker as Way
from waste_edge.device.sinks.mqtt.sink import Mqtt
from waste_edge.device.sinks.sink import SinkContext
from waste_edge.device.system.condition import Level

ME, OTHER = "aa" * 6, "bb" * 6
TOPIC = "waste-edge/bin-3"
CONNACK = b"\x20\x02\x00\x00"


def text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def publish(topic: str, payload: bytes, flags: int = 0) -> bytes:
    body = text(topic.encode()) + (b"\x00\x01" if flags & 6 else b"") + payload
    return bytes([0x30 | flags]) + length(len(body)) + body


def length(value: int) -> bytes:
    digits = bytearray()
    while True:
        value, digit = divmod(value, 128)
        digits.append(digit | (128 if value else 0))
        if not value:
            return bytes(digits)


class Broker:
    """Speaks as much MQTT 3.1.1 as one client needs; `say` is sent after a publication, and those are noted.

    A client that greets it in MQTT 5 is refused, or hung up on if `refuses` is off.
    """

    def __init__(self) -> None:
        self.say = b""
        self.refuses = True
        self.newer = 0  # greetings in MQTT 5
        self.client_ids: list[str] = []
        self.published: list[tuple[str, bytes]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=[client], daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream, contextlib.suppress(OSError, struct.error, IndexError):
            while True:
                kind, body = self._packet(stream)
                if kind >> 4 == 1 and body[6] == 5:
                    self.newer += 1
                    if self.refuses:
                        client.sendall(b"\x20\x02\x00\x01")
                    return
                if kind >> 4 == 1:
                    self.client_ids.append(body[12 : 12 + struct.unpack(">H", body[10:12])[0]].decode())
                    client.sendall(CONNACK)
                elif kind >> 4 == 8:
                    client.sendall(b"\x90\x04" + body[:2] + b"\x00\x00")
                elif kind >> 4 == 3:
                    size = struct.unpack(">H", body[:2])[0]
                    self.published.append((body[2 : 2 + size].decode(), body[4 + size :]))
                    client.sendall(b"\x40\x02" + body[2 + size : 4 + size])
                    said, self.say = self.say, b""
                    client.sendall(said)

    def _packet(self, stream) -> tuple[int, bytes]:
        kind, size, shift = stream.read(1)[0], 0, 0
        while True:
            digit = stream.read(1)[0]
            size, shift = size | (digit & 127) << shift, shift + 7
            if digit < 128:
                return kind, stream.read(size)


@pytest.fixture
def broker():
    broker = Broker()
    yield broker
    broker.close()


@pytest.fixture
def outbox(tmp_path, clock):
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin-3", clock)
    outbox.commit(make_event(1), b"")
    yield outbox
    outbox.close()


@pytest.fixture
def sink_to(tmp_path, clock):
    """A sink of the station whose installation has this id."""

    def sink_to_(broker: Broker, installation: str = ME, **settings) -> Mqtt:
        state = tmp_path / installation
        state.mkdir(exist_ok=True)
        (state / "installation-id").write_text(installation)
        settings = {"topic": TOPIC, "home_assistant": False, "timeout_s": 2.0, **settings}
        config = MqttConfig(host="127.0.0.1", port=broker.port, **settings)
        return Mqtt(config, SinkContext("bin-3", state), Way(config, None, None), clock)

    return sink_to_


def test_a_packet_of_256_mb_ends_the_connection_and_takes_no_memory(broker, outbox, sink_to, clock):
    broker.say = b"\x30" + length((256 << 20) - 1) + b"x" * 1000
    delivery = Delivery(outbox, sink_to(broker), clock)
    delivery.step()
    assert delivery.condition().level is Level.WARN
    assert "sends a packet of 268435455 bytes; at most 65536 are taken" in delivery.condition().text


def test_messages_that_would_be_kept_until_their_end_are_refused(broker, outbox, sink_to, clock):
    broker.say = publish("waste-edge/bin-3/owner", b"x" * 100, flags=4)
    delivery = Delivery(outbox, sink_to(broker), clock)
    delivery.step()
    assert "at QoS 2, which were not asked for" in delivery.condition().text


def heard(delivery: Delivery, clock, true) -> None:
    for _ in range(100):
        clock.time_ns += 5_000_000_000
        delivery.step()
        if true():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it did not come about")


def claims(broker: Broker) -> int:
    return sum(topic == f"{TOPIC}/owner" and said.startswith(f"{ME}-".encode()) for topic, said in broker.published)


def test_another_station_of_the_same_name_is_said_and_answered(broker, outbox, sink_to, clock):
    delivery = Delivery(outbox, sink_to(broker), clock)
    delivery.step()
    assert delivery.condition().level is Level.OK
    assert claims(broker) == 1
    broker.say = publish("waste-edge/bin-3/owner", OTHER.encode())
    outbox.commit(make_event(2), b"")
    heard(delivery, clock, lambda: claims(broker) == 2)
    assert delivery.condition().level is Level.WARN
    assert "both are called so" in delivery.condition().text
    assert "2 events delivered" in delivery.condition().text
    clock.time_ns += 200_000_000_000
    delivery.step()
    assert delivery.condition().level is Level.OK


def test_what_was_retained_by_an_earlier_life_is_no_other_station(broker, outbox, sink_to, clock):
    broker.say = publish("waste-edge/bin-3/owner", b"before", flags=1)
    delivery = Delivery(outbox, sink_to(broker), clock)
    for number in range(2, 5):
        outbox.commit(make_event(number), b"")
        delivery.step()
    assert delivery.condition().level is Level.OK


def test_a_late_goodbye_under_our_name_is_corrected(broker, outbox, sink_to, clock):
    delivery = Delivery(outbox, sink_to(broker), clock)
    delivery.step()
    online = ("waste-edge/bin-3/status", b"online")
    before = broker.published.count(online)
    broker.say = publish("waste-edge/bin-3/status", b"offline")
    outbox.commit(make_event(2), b"")
    heard(delivery, clock, lambda: broker.published.count(online) > before)
    assert delivery.condition().level is Level.OK


def test_two_stations_of_one_name_have_two_client_ids_and_one_keeps_its_own(broker, sink_to):
    for installation in (ME, OTHER, ME):
        sink = sink_to(broker, installation)
        sink.deliver([])
        sink.close()
    assert broker.client_ids == [f"waste-edge-{ME}", f"waste-edge-{OTHER}", f"waste-edge-{ME}"]
    sink = sink_to(broker, client_id="bin-of-the-yard")
    sink.deliver([])
    sink.close()
    assert broker.client_ids[-1] == "bin-of-the-yard"


@pytest.mark.parametrize("refuses", [True, False])
def test_a_broker_of_the_older_mqtt_is_spoken_to_in_it_and_asked_once(broker, sink_to, refuses):
    broker.refuses = refuses
    sink = sink_to(broker)
    sink.deliver([])
    assert (TOPIC + "/status", b"online") in broker.published
    sink._link.cut()
    sink._link.lost = True
    sink.deliver([])
    assert broker.newer == 1
    assert len(broker.client_ids) == 2
    sink.close()


def test_an_older_broker_that_drops_what_is_published_is_doubted(broker, sink_to, clock):
    sink = sink_to(broker)
    sink.deliver([])
    clock.time_ns += 40_000_000_000
    sink.deliver([])
    assert "MQTT 3.1.1 does not say what it refuses" in sink.doubt
    broker.say = publish(TOPIC + "/owner", sink._rivals.claim.payload.encode())
    sink.tell_health([])
    doubt_ends(sink)
    sink.close()


def doubt_ends(sink) -> None:
    for _ in range(200):
        sink.deliver([])
        if not sink.doubt:
            return
        threading.Event().wait(0.02)
    raise AssertionError(sink.doubt)


def test_connections_that_never_last_are_said(broker, sink_to, clock):
    sink = sink_to(broker)
    sink.deliver([])
    for lives in range(4):
        assert bool(sink.doubt) is (lives >= 3)
        assert sink._link is not None
        sink._link.lost = True  # the broker ended it
        clock.time_ns += 5_000_000_000
        sink.deliver([])
    assert "ends each connection soon after it was made" in sink.doubt
    broker.say = publish(TOPIC + "/owner", sink._rivals.claim.payload.encode())
    sink.tell_health([])
    clock.time_ns += 60_000_000_000
    doubt_ends(sink)
    sink.close()
