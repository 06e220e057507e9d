"""Discovery messages: what Home Assistant is told, and what is taken back. tests/home_assistant tries a real one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from waste_edge import __version__
from waste_edge.device.sinks.mqtt.home_assistant.discovery import DeviceFacts, Discovery
from waste_edge.device.sinks.mqtt.home_assistant.entities import Features, entities_of, event_type
from waste_edge.device.sinks.mqtt.topics import Naming, naming_by_name

NAMING = Naming("waste-edge/0123456789ab", "waste-edge_0123456789ab")
FACTS = DeviceFacts("bin 1", "0123456789ab", "Raspberry Pi 5 Model B Rev 1.0", "http://bin1.local:8080/")
DEVICE = Discovery("homeassistant", "device", NAMING, FACTS)
SINGLE = replace(DEVICE, style="entities")
TOPIC = f"homeassistant/device/{NAMING.node}/config"
STREAMS = ("glass", "metal", "rest")
BARE = Features(NAMING.topic, STREAMS, (*STREAMS, "ask"))
FULL = replace(BARE, asks=True, image=True, update=True)


def told(discovery: Discovery, features: Features | None, before=None):
    """The messages in their order, and what is announced then."""
    announcement = discovery.announce([] if features is None else entities_of(features), before or {})
    return [*announcement.first, *announcement.then], announcement.announced


def payloads(messages) -> dict[str, dict]:
    assert all(message.retain for message in messages)
    return {message.topic: json.loads(message.payload) for message in messages if message.payload}


def test_one_message_tells_the_whole_device():
    messages, announced = told(DEVICE, FULL)
    (device,) = payloads(messages).values()
    assert list(payloads(messages)) == [TOPIC] == list(announced)
    assert device["device"] == {
        "identifiers": [NAMING.node],
        "name": "bin 1",
        "manufacturer": "waste-edge",
        "model": "Sorting station",
        "sw_version": __version__,
        "serial_number": "0123456789ab",
        "hw_version": "Raspberry Pi 5 Model B Rev 1.0",
        "configuration_url": "http://bin1.local:8080/",
    }
    assert device["origin"] == {"name": "waste-edge", "sw_version": __version__}
    parts = device["components"]
    assert announced[TOPIC] == {key: part["platform"] for key, part in parts.items()}
    assert {part["platform"] for part in parts.values()} == {
        *("sensor", "binary_sensor", "event", "select", "image", "update")
    }
    assert len({part["unique_id"] for part in parts.values()}) == len(parts)
    for key, part in parts.items():
        if key != "answer":
            assert part["availability_topic"] == f"{NAMING.topic}/status"


def test_what_is_not_switched_on_is_not_announced():
    keys = {key for _, key, _ in entities_of(BARE)}
    assert not keys & {"crop", "answer", "answers", "open_questions", "version"}
    assert {"stream_glass", "stream_ask", "item", "problem"} <= keys


def test_every_stream_and_action_is_a_type_of_event():
    (item,) = [config for _, key, config in entities_of(BARE) if key == "item"]
    assert {"sort_metal", "residual_rest", "residual_glass", "ask"} <= set(item["event_types"])
    assert event_type("ask", "ask") == "ask"
    assert event_type("sort", "metal") == "sort_metal"


def test_counters_are_totals_that_say_when_they_began():
    for _, key, config in entities_of(BARE):
        if key == "items" or key.startswith("stream_"):
            assert (config["state_class"], config["state_topic"]) == ("total", f"{NAMING.topic}/counters")
            assert config["last_reset_value_template"] == "{{ value_json.last_reset }}"


def test_single_messages_are_the_same_entities():
    messages, announced = told(SINGLE, BARE)
    assert f"homeassistant/sensor/{NAMING.node}/last_item/config" in payloads(messages)
    (device,) = payloads(told(DEVICE, BARE)[0]).values()
    for topic, config in payloads(messages).items():
        ((key, platform),) = announced[topic].items()
        assert device["components"][key] == {
            "platform": platform,
            **{name: value for name, value in config.items() if name not in ("device", "origin")},
        }


@pytest.mark.parametrize(("before", "after"), [(SINGLE, DEVICE), (DEVICE, SINGLE)])
def test_the_other_style_takes_the_entities_over_with_their_history(before, after):
    _, announced = told(before, BARE)
    messages, now = told(after, BARE, announced)
    count = len(announced)
    moved, emptied, new = messages[:count], messages[count : 2 * count], messages[2 * count :]
    assert {message.topic for message in moved} == {message.topic for message in emptied} == set(announced)
    assert {message.payload for message in moved} == {'{"migrate_discovery":true}'}
    assert {message.payload for message in emptied} == {""}
    assert set(payloads(new)) == set(now)


def test_a_stream_that_is_gone_is_taken_back():
    _, announced = told(DEVICE, BARE)
    fewer = replace(BARE, streams=("glass", "rest"), counted=("glass", "rest", "ask"))
    messages, now = told(DEVICE, fewer, announced)
    (device,) = payloads(messages).values()
    assert device["components"]["stream_metal"] == {"platform": "sensor"}  # so it is removed
    assert "stream_metal" not in now[TOPIC]
    again, _ = told(DEVICE, fewer, now)
    assert "stream_metal" not in payloads(again)[TOPIC]["components"]


def test_a_single_message_of_a_stream_that_is_gone_is_emptied():
    _, announced = told(SINGLE, BARE)
    fewer = replace(BARE, streams=("glass", "rest"), counted=("glass", "rest", "ask"))
    messages, _ = told(SINGLE, fewer, announced)
    topic = f"homeassistant/sensor/{NAMING.node}/stream_metal/config"
    assert [message.payload for message in messages if message.topic == topic] == [""]


def test_without_home_assistant_all_is_taken_back():
    _, announced = told(DEVICE, BARE)
    messages, now = told(DEVICE, None, announced)
    assert [(message.topic, message.payload) for message in messages] == [(TOPIC, "")]
    assert now == {}


def test_what_was_announced_under_a_name_is_taken_over():
    named = replace(DEVICE, naming=naming_by_name("bin-1"))
    before = named.from_names(["metal"])
    assert "homeassistant/binary_sensor/waste-edge_bin-1/problem/config" in before
    messages, _ = told(named, BARE, before)
    emptied = [message.topic for message in messages if message.payload == ""]
    assert sorted(emptied) == sorted(before)
    (device,) = [config for topic, config in payloads(messages).items() if topic.startswith("homeassistant/device/")]
    assert device["components"]["last_item"]["unique_id"] == "waste-edge_bin-1_last_item"


def test_a_stream_with_any_name_has_a_template_that_reads():
    features = replace(BARE, counted=("Papier's \\ Bestes",))
    (config,) = [config for _, key, config in entities_of(features) if key.startswith("stream_")]
    assert config["value_template"] == r"{{ value_json.streams.get('Papier\'s \\ Bestes', 0) }}"
