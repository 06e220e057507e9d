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
from waste_edge.device.sinks.mqtt import Mqtt, MqttConfig, build
from waste_edge.device.system.condition import Level

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
    """Speaks as much MQTT as one client needs; `say` is sent after the greeting, and publications are noted."""

    def __init__(self) -> None:
        self.say = b""
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


def sink_to(broker: Broker, clock, identity: str = "me") -> Mqtt:
    config = MqttConfig(host="127.0.0.1", port=broker.port, timeout_s=2.0, home_assistant=False)
    return Mqtt(config, "bin-3", None, None, identity, clock)


def test_a_packet_of_256_mb_ends_the_connection_and_takes_no_memory(broker, outbox, clock):
    broker.say = b"\x30" + length((256 << 20) - 1) + b"x" * 1000
    delivery = Delivery(outbox, sink_to(broker, clock), clock)
    delivery.step()
    assert delivery.condition().level is Level.WARN
    assert "sends a packet of 268435455 bytes; at most 65536 are taken" in delivery.condition().text


def test_messages_that_would_be_kept_until_their_end_are_refused(broker, outbox, clock):
    broker.say = publish("waste-edge/bin-3/owner", b"x" * 100, flags=4)
    delivery = Delivery(outbox, sink_to(broker, clock), clock)
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


def test_another_station_of_the_same_name_is_said_and_answered(broker, outbox, clock):
    delivery = Delivery(outbox, sink_to(broker, clock), clock)
    delivery.step()
    assert delivery.condition().level is Level.OK
    mine = ("waste-edge/bin-3/owner", b"me")
    assert broker.published.count(mine) == 1
    broker.say = publish("waste-edge/bin-3/owner", b"the other")
    outbox.commit(make_event(2), b"")
    heard(delivery, clock, lambda: broker.published.count(mine) == 2)
    assert delivery.condition().level is Level.WARN
    assert "two have the same name" in delivery.condition().text
    assert "2 events delivered" in delivery.condition().text
    clock.time_ns += 200_000_000_000
    delivery.step()
    assert delivery.condition().level is Level.OK


def test_what_was_retained_by_an_earlier_life_is_no_other_station(broker, outbox, clock):
    broker.say = publish("waste-edge/bin-3/owner", b"before", flags=1)
    delivery = Delivery(outbox, sink_to(broker, clock), clock)
    for number in range(2, 5):
        outbox.commit(make_event(number), b"")
        delivery.step()
    assert delivery.condition().level is Level.OK


def test_a_late_goodbye_under_our_name_is_corrected(broker, outbox, clock):
    delivery = Delivery(outbox, sink_to(broker, clock), clock)
    delivery.step()
    online = ("waste-edge/bin-3/status", b"online")
    before = broker.published.count(online)
    broker.say = publish("waste-edge/bin-3/status", b"offline")
    outbox.commit(make_event(2), b"")
    heard(delivery, clock, lambda: broker.published.count(online) > before)
    assert delivery.condition().level is Level.OK


def test_two_stations_of_one_name_have_two_client_ids_and_one_keeps_its_own(broker, clock):
    for identity in ("aa", "bb", "aa"):
        sink = sink_to(broker, clock, identity)
        sink.deliver([])
        sink.close()
    assert broker.client_ids == ["waste-edge-bin-3-aa", "waste-edge-bin-3-bb", "waste-edge-bin-3-aa"]
    config = MqttConfig(host="127.0.0.1", port=broker.port, client_id="bin-of-the-yard")
    sink = build(config, "bin-3")
    sink.deliver([])
    sink.close()
    assert broker.client_ids[-1] == "bin-of-the-yard"


def test_connections_that_never_last_are_said(broker, clock):
    sink = sink_to(broker, clock)
    sink.deliver([])
    for lives in range(4):
        assert bool(sink.doubt) is (lives >= 3)
        assert sink._link is not None
        sink._link.lost = True  # the broker ended it
        clock.time_ns += 5_000_000_000
        sink.deliver([])
    assert "ends each connection soon after it was made" in sink.doubt
    clock.time_ns += 60_000_000_000
    sink.deliver([])
    assert sink.doubt == ""
    sink.close()
