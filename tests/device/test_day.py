"""One scripted day at a bin; with a real broker it is played in tests/faults/test_day.py."""

from __future__ import annotations

import json
import resource

import pytest

from tests.device.day import MOMENTS, Replay, make_day
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.sinks.json_lines import JsonLines, JsonLinesConfig
from waste_edge.device.sinks.sink import SinkError

ITEMS = 200
AWAY, FULL = range(40, 80), range(110, 125)  # items while the receiver is away, while the disk is full
SAFE = range(FULL.start, FULL.stop + 25)  # a minute more: so rarely is a disk tried that failed for long


class Receiver:
    """A receiver that can be away, in front of the JSON lines."""

    def __init__(self, sink: JsonLines) -> None:
        self.name, self.tell_health, self.close = sink.name, sink.tell_health, sink.close
        self._sink = sink

    away = False

    def deliver(self, records) -> None:
        if Receiver.away:
            raise SinkError("nobody there")
        self._sink.deliver(records)


@pytest.fixture
def full_disk():
    """Makes every write to any file of this process fail, as on a full disk; without root."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(full: bool) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0 if full else soft, hard))

    yield fill
    fill(False)


def test_the_ledger_of_a_day_equals_the_script(tmp_path, manifest, site, classify, full_disk, monkeypatch):
    path = tmp_path / "events.jsonl"
    config = JsonLinesConfig(path=str(path), max_mb=100)
    replay = Replay(tmp_path, DecisionPolicy(manifest, site), classify, lambda: [Receiver(JsonLines(config))])
    monkeypatch.setattr(Receiver, "away", False)
    acts = {
        AWAY.start: lambda: setattr(Receiver, "away", True),
        AWAY.stop: lambda: setattr(Receiver, "away", False),
        FULL.start: lambda: full_disk(True),
        FULL.stop: lambda: full_disk(False),
        165: lambda: replay.wall_clock.jump(1),
        180: lambda: replay.wall_clock.jump(-2),
    }
    day = make_day(ITEMS, AWAY, SAFE, acts)
    played = replay.play(day)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["decision"]["label"] for event in events] == day.labels
    assert len({event["id"] for event in events}) == ITEMS
    assert [event["sequence"] for event in events] == list(range(1, ITEMS + 1))
    assert played.killed == day.kills
    assert len(day.kills) > 20
    assert set(day.kills.values()) == set(MOMENTS)
    assert replay.lives > len(played.killed)
    assert {"outbox: bad", "outbox: ok", "json-lines: warn", "json-lines: ok"} <= replay.conditions
