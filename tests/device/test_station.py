"""What a station has beside its loop, put together and taken apart."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import pytest

from tests.device.telling import FakeSink, make_event
from waste_edge.device import station
from waste_edge.device.clock import SystemClock
from waste_edge.device.config import StationConfig
from waste_edge.device.sinks.json_lines import JsonLines, JsonLinesConfig
from waste_edge.device.sinks.mqtt import MqttConfig
from waste_edge.device.sinks.mqtt.sink import Mqtt
from waste_edge.device.station import build_sinks, station_services
from waste_edge.device.system.condition import Level
from waste_edge.device.system.health import Health
from waste_edge.errors import ConfigError, UserError

pytestmark = pytest.mark.alone  # real processes and threads that must be done within a second or so

CLOCK = SystemClock()
BOTH = StationConfig(json_lines=JsonLinesConfig(), mqtt=MqttConfig(host="broker.invalid"))


def lines_of(path: Path) -> list[dict]:
    return [msgspec.json.decode(line) for line in path.read_text(encoding="utf-8").splitlines()]


def wait_until(true) -> None:
    deadline = time.monotonic() + 20.0
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def own_threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name == "housekeeping" or t.name.startswith("sink ")}


def test_a_sink_is_built_for_each_table_and_for_no_other(tmp_path):
    assert build_sinks(StationConfig(), tmp_path) == []
    assert [type(sink) for sink in build_sinks(BOTH, tmp_path)] == [JsonLines, Mqtt]


@pytest.mark.parametrize("table", ["json_lines", "mqtt"])
def test_sinks_without_a_state_are_refused_with_the_remedy(table):
    config = msgspec.structs.replace(StationConfig(), **{table: getattr(BOTH, table)})
    with (
        pytest.raises(ConfigError, match=r"need a folder .*: give --state DIR, or the key `state`"),
        station_services(config, None, Health(), CLOCK),
    ):
        pass
    assert own_threads() == set()


def test_a_sink_that_cannot_be_built_leaves_nothing_open(tmp_path):
    config = StationConfig(mqtt=MqttConfig(host="b", username="u", password_file=str(tmp_path / "nothing")))
    with pytest.raises(ConfigError, match=r"mqtt\.password_file"), station_services(config, tmp_path, Health(), CLOCK):
        pass
    assert own_threads() == set()
    assert list(tmp_path.iterdir()) == []


def test_without_a_state_there_is_no_outbox_but_an_eye_on_the_board():
    health = Health()
    with station_services(StationConfig(), None, health, CLOCK) as outbox:
        assert outbox is None
        wait_until(health.now)
        assert {"load", "temperature", "power"} <= {condition.part for condition in health.now()}
    assert own_threads() == set()


def test_an_event_reaches_the_file_before_everything_is_closed(tmp_path):
    config = StationConfig(name="bin 1", json_lines=JsonLinesConfig())
    with station_services(config, tmp_path / "state", Health(), CLOCK) as outbox:
        assert outbox is not None
        for number in range(5):
            outbox.commit(make_event(number), b"scene")
    events = [line for line in lines_of(tmp_path / "state" / "events.jsonl") if line["kind"] == "event"]
    assert [event["id"] for event in events] == [make_event(number).id for number in range(5)]
    assert {event["station"] for event in events} == {"bin 1"}
    assert own_threads() == set()
    names = {path.name for path in (tmp_path / "state").iterdir()}
    assert names == {"events.jsonl", "outbox.sqlite"}, "a closed database leaves no log behind"


def test_health_knows_of_every_part(tmp_path):
    health = Health()
    config = msgspec.structs.replace(BOTH, mqtt=None)
    with station_services(config, tmp_path, health, CLOCK):
        wait_until(lambda: len(health.now()) >= 6)
        parts = {condition.part: condition.level for condition in health.now()}
    assert {"disk", "json-lines", "load", "outbox", "power", "temperature"} <= set(parts)
    assert parts["outbox"] is Level.OK


class Lingering(FakeSink):
    """A sink whose delivery returns only when the test lets it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.busy, self.released = threading.Event(), threading.Event()

    def deliver(self, records) -> None:
        self.busy.set()
        self.released.wait(20.0)


def test_it_ends_within_a_second_even_if_two_sinks_linger(tmp_path, monkeypatch):
    sinks = [Lingering("one"), Lingering("two")]
    monkeypatch.setattr(station, "build_sinks", lambda config, state, facts: sinks)
    try:
        with station_services(StationConfig(), tmp_path, Health(), CLOCK) as outbox:
            assert outbox is not None
            assert all(sink.busy.wait(20.0) for sink in sinks)
            outbox.commit(make_event(1), b"")
            began = time.monotonic()
        took_s = time.monotonic() - began
    finally:
        for sink in sinks:
            sink.released.set()
    assert took_s < 1.5, "0.9 s is what each is given, at the same time; the rest is for a busy machine"
    wait_until(lambda: own_threads() == set())
    assert all(sink.closed for sink in sinks)
    monkeypatch.undo()
    with station_services(StationConfig(json_lines=JsonLinesConfig()), tmp_path, Health(), CLOCK):
        wait_until((tmp_path / "events.jsonl").exists)
    assert [line["id"] for line in lines_of(tmp_path / "events.jsonl") if line["kind"] == "event"] == [make_event(1).id]


def test_a_state_folder_is_one_stations_alone(tmp_path):
    with station_services(StationConfig(), tmp_path / "state", Health(), CLOCK):
        second = station_services(StationConfig(), tmp_path / "state", Health(), CLOCK)
        with pytest.raises(ConfigError, match="another station keeps its events there"):
            second.__enter__()
    with station_services(StationConfig(), tmp_path / "state", Health(), CLOCK) as outbox:
        assert outbox is not None, "free again"


def test_a_state_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "state").write_text("a file")
    with (
        pytest.raises(ConfigError, match="is no folder"),
        station_services(StationConfig(), tmp_path / "state", Health(), CLOCK),
    ):
        pass


def test_events_that_never_reached_the_disk_are_said_at_the_end():
    def lose_one() -> None:
        with station_services(StationConfig(), Path("/proc/nowhere"), Health(), CLOCK) as outbox:
            assert outbox is not None
            outbox.commit(make_event(1), b"")

    with pytest.raises(UserError, match="could not be written and are lost: 1; "):
        lose_one()
