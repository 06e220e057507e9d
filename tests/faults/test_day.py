"""The scripted day of tests/device/day.py with real parts: a mosquitto that is killed, a filesystem that fills."""

from __future__ import annotations

import json

import pytest

from tests.device import conftest as device
from tests.device.day import MOMENTS, Replay, make_day
from tests.faults.conftest import wait_until
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.sinks.json_lines import JsonLines, JsonLinesConfig
from waste_edge.device.sinks.mqtt import MqttConfig, build
from waste_edge.device.sinks.sink import SinkContext

pytestmark = pytest.mark.faults

ITEMS = 300
AWAY, FULL = range(60, 120), range(160, 175)
SAFE = range(FULL.start, FULL.stop + 25)  # see tests/device/test_day.py

clock, calibration, manifest, site, classify = (
    device.clock, device.calibration, device.manifest, device.site, device.classify
)  # fmt: skip


def test_the_ledger_of_a_day_at_a_broker_equals_the_script(disk, make_broker, receive, manifest, site, classify):
    disk.make_tmpfs(16)
    broker = make_broker()
    broker.start()
    receivers = [receive(broker)]
    path = disk.path / "events.jsonl"

    def make_sinks():
        lines = JsonLines(JsonLinesConfig(path=str(path), max_mb=100))
        config = MqttConfig(host="127.0.0.1", port=broker.port, timeout_s=5.0)
        return [lines, build(config, SinkContext("bin", disk.path))]

    def told() -> list[dict]:
        messages = [message for receiver in receivers for message in list(receiver.messages)]
        events = [json.loads(payload) for topic, payload, _ in messages if topic.endswith("/event")]
        return list({event["id"]: event for event in events}.values())

    def in_file() -> list[dict]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    def take_broker_away() -> None:
        wait_until(lambda: len(told()) >= len(in_file()))  # what it acknowledged it has also passed on
        receivers[0].close()
        broker.kill()

    def return_broker() -> None:
        broker.start()
        receivers.append(receive(broker))  # back before the station

    replay = Replay(disk.path, DecisionPolicy(manifest, site), classify, make_sinks)
    acts = {
        AWAY.start: take_broker_away,
        AWAY.stop: return_broker,
        **dict.fromkeys(FULL, disk.fill),  # again and again: SQLite gives back what it can
        FULL.stop: disk.make_room,
        220: lambda: replay.wall_clock.jump(1),
        240: lambda: replay.wall_clock.jump(-2),
    }
    day = make_day(ITEMS, AWAY, SAFE, acts)
    played = replay.play(day)

    wait_until(lambda: len(told()) >= ITEMS)
    assert [event["decision"]["label"] for event in told()] == day.labels
    assert played.killed == day.kills
    assert set(day.kills.values()) == set(MOMENTS)
    assert [event["decision"]["label"] for event in in_file()] == day.labels
    assert {event["id"] for event in in_file()} == {event["id"] for event in told()}
    # The outbox may find room in its log, which is as long as it ever was; then it is the file that finds none.
    assert {"outbox: bad", "json-lines: warn"} & replay.conditions
    assert {"outbox: ok", "json-lines: ok", "mqtt: warn", "mqtt: ok"} <= replay.conditions
    print(f"{ITEMS} items, {len(played.killed)} kills, {replay.lives} lives")
