"""The MQTT sink without a broker: its table, its secrets, what Home Assistant is told; tests/faults has a real one."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import msgspec
import pytest

from tests.device.telling import make_event
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.mqtt import MqttConfig, build
from waste_edge.device.sinks.mqtt.topics import topic_part
from waste_edge.device.sinks.sink import SinkContext
from waste_edge.errors import ConfigError, MissingPackageError

NOWHERE = SinkContext("bin-3", Path("/nonexistent"))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "missing required field `host`"),
        ({"host": ""}, "expected a host"),
        ({"host": "broker", "port": 70_000}, "port from 1 to 65535"),
        ({"host": "broker", "password": "secret"}, "unknown field `password`"),
        ({"host": "broker", "password_file": "secret"}, "a password needs a username"),
        ({"host": "broker", "username": "a", "password_file": "b", "password_environment": "C"}, "not both"),
        ({"host": "broker", "topic": "bins/#"}, r"no \+ and #"),
        ({"host": "broker", "topic": "/bins"}, "no slash at its ends"),
        ({"host": "broker", "ca_file": "ca.pem"}, "need tls = true"),
        ({"host": "broker", "tls": True, "key_file": "key.pem"}, "belong together"),
        ({"host": "broker", "keepalive_s": 1}, "keepalive_s must be at least 5"),
        ({"host": "broker", "discovery": "none"}, "discovery"),
        ({"host": "broker", "timeout_s": 0.0}, "timeout_s above 0 and up to 60"),
    ],
)
def test_a_wrong_table_is_refused_with_its_reason(table, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(table, MqttConfig)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"username": "a", "password_file": "nowhere"}, "mqtt.password_file nowhere: cannot be read"),
        ({"username": "a", "password_environment": "SECRET"}, "no variable SECRET; set it"),
        ({"tls": True, "ca_file": "nowhere.pem"}, "nowhere.pem: no usable PEM files"),
    ],
)
def test_secrets_and_certificates_are_looked_at_when_it_is_built(settings, said):
    with pytest.raises(ConfigError, match=said):
        build(MqttConfig(host="broker", **settings), NOWHERE, {})


def test_without_paho_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'waste-edge\[mqtt\]'"):
        build(MqttConfig(host="broker"), NOWHERE)


def test_a_station_of_one_machine_that_refuses_is_said_to_refuse(tmp_path, clock):
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin-3", clock)
    outbox.commit(make_event(1), b"")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        config = MqttConfig(host="127.0.0.1", port=taken.getsockname()[1])
        delivery = Delivery(outbox, build(config, SinkContext("bin-3", tmp_path)), clock)
        delivery.step()
    assert "1 events wait: 127.0.0.1:" in delivery.condition().text
    assert "connection refused" in delivery.condition().text
    outbox.close()


def test_something_that_is_no_broker_is_not_waited_for_long(tmp_path, clock):
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin-3", clock)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        config = MqttConfig(host="127.0.0.1", port=mute.getsockname()[1], timeout_s=0.3)
        delivery = Delivery(outbox, build(config, SinkContext("bin-3", tmp_path)), clock)
        delivery.step()
    assert "no answer to the greeting; is that an MQTT broker?" in delivery.condition().text
    outbox.close()


def test_names_become_parts_of_topics_and_stay_apart():
    assert topic_part("bin-3") == "bin-3"
    assert topic_part("Bioabfälle").startswith("Bioabf_lle_")
    assert topic_part("a/b") != topic_part("a+b")
