"""Disks that are full, read-only, or fail while they are written: real small filesystems, so root is needed."""

from __future__ import annotations

import sqlite3

import pytest

from tests.device.conftest import FakeClock
from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.json_lines import JsonLines, JsonLinesConfig
from waste_edge.device.system.condition import Level

pytestmark = pytest.mark.faults
SCENE = bytes(range(256)) * 80  # 20 kB


def kept_ids(path) -> list[str]:
    """Read by SQLite alone, after its own check."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = connection.execute("SELECT id FROM events ORDER BY sequence").fetchall()
    connection.close()
    return [row[0] for row in rows]


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_a_disk_that_fills_loses_no_event_and_corrupts_nothing(disk, kind):
    disk.make_ext4(8) if kind == "ext4" else disk.make_tmpfs(4)
    clock = FakeClock()
    outbox = Outbox(disk.path / "outbox.sqlite", "bin-3", clock, FakeWall())
    sink = JsonLines(JsonLinesConfig(path=str(disk.path / "events.jsonl")), FakeWall())
    delivery = Delivery(outbox, sink, clock, FakeWall())
    for number in range(20):
        outbox.commit(make_event(number), SCENE)
    delivery.step()
    disk.fill()
    for number in range(20, 120):
        clock.time_ns += 1_000_000_000
        outbox.commit(make_event(number), SCENE)
        delivery.step()
    assert outbox.condition().level is Level.BAD
    assert "is full; free some space" in outbox.condition().text
    disk.make_room()
    for _ in range(5):
        clock.time_ns += 61_000_000_000
        outbox.tend()
        delivery.step()
    expected = [id_of(number) for number in range(120)]
    assert (outbox.condition().level, delivery.condition().level) == (Level.OK, Level.OK)
    outbox.close()
    assert kept_ids(disk.path / "outbox.sqlite") == expected
    lines = (disk.path / "events.jsonl").read_text().splitlines()
    assert [line.split('"id":"')[1][:32] for line in lines] == expected


def test_a_disk_that_is_read_only_at_the_start_and_writable_later(disk):
    disk.make_ext4(8)
    clock = FakeClock()
    before = Outbox(disk.path / "outbox.sqlite", "bin-3", clock, FakeWall())
    before.commit(make_event(0), b"pile")
    before.close()
    disk.mount("-o", "remount,ro")
    outbox = Outbox(disk.path / "outbox.sqlite", "bin-3", clock, FakeWall())
    for number in range(1, 5):
        outbox.commit(make_event(number), SCENE)
    assert outbox.condition().level is Level.BAD
    assert "4 events are in memory only" in outbox.condition().text
    assert "read-only" in outbox.condition().text
    disk.mount("-o", "remount,rw")
    clock.time_ns += 61_000_000_000
    outbox.tend()
    assert outbox.condition().level is Level.OK
    outbox.close()
    assert kept_ids(disk.path / "outbox.sqlite") == [id_of(number) for number in range(5)]


def test_a_disk_that_fails_under_way_and_comes_back(disk):
    disk.make_ext4(8)
    clock = FakeClock()
    outbox = Outbox(disk.path / "outbox.sqlite", "bin-3", clock, FakeWall())
    for number in range(30):
        outbox.commit(make_event(number), SCENE)
    disk.mount("-o", "remount,abort")  # what ext4 does to itself when the card fails
    for number in range(30, 40):
        clock.time_ns += 1_000_000_000
        outbox.commit(make_event(number), SCENE)
    assert outbox.condition().level is Level.BAD
    assert "10 events are in memory only" in outbox.condition().text
    disk.unmount()
    disk.mount("-o", "loop", str(disk.image))
    clock.time_ns += 61_000_000_000
    outbox.tend()
    assert outbox.condition().level is Level.OK
    assert outbox.scene() == SCENE
    outbox.close()
    assert kept_ids(disk.path / "outbox.sqlite") == [id_of(number) for number in range(40)]
