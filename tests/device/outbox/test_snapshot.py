"""What a sink may know of its outbox: counters, how far it got, and since when is counted."""

from __future__ import annotations

import sqlite3

import pytest

from tests.device.telling import id_of, make_event
from waste_edge.device.outbox.outbox import Outbox


@pytest.fixture
def make_outbox(tmp_path, clock):
    outboxes = []

    def make() -> Outbox:
        outboxes.append(Outbox(tmp_path / "outbox.sqlite", "bin 1", clock))
        return outboxes[-1]

    yield make
    for outbox in outboxes:
        outbox.close()


def test_counters_are_of_all_events_and_the_last_one_is_the_sinks_own(make_outbox):
    outbox = make_outbox()
    for number, stream in enumerate(["paper", "paper", "glass"], start=1):
        outbox.commit(make_event(number, stream), b"")
    reader = outbox.reader("mqtt")
    assert reader.snapshot().last is None
    assert reader.snapshot().cursor == 0
    reader.pending(2)
    reader.move(2)
    snapshot = reader.snapshot()
    assert snapshot.stream_items == {"paper": 2, "glass": 1}
    assert (snapshot.cursor, snapshot.waiting) == (2, 1)
    assert snapshot.last is not None
    assert snapshot.last.id == id_of(2)


def test_an_empty_outbox_counts_nothing(make_outbox):
    snapshot = make_outbox().reader("mqtt").snapshot()
    assert (dict(snapshot.stream_items), snapshot.last, snapshot.waiting) == ({}, None, 0)
    assert len(snapshot.outbox_id) == 32


def test_the_beginning_stays_through_restarts_and_changes_with_the_outbox_id(make_outbox, tmp_path):
    outbox = make_outbox()
    outbox.commit(make_event(1), b"")
    first = outbox.reader("mqtt").snapshot()
    outbox.close()
    with sqlite3.connect(tmp_path / "outbox.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '2026-03-01T14:02:00Z' WHERE key = 'begun_utc'")
    connection.close()
    again = make_outbox()
    before = again.reader("mqtt").snapshot()
    assert (before.outbox_id, before.begun_utc) == (first.outbox_id, "2026-03-01T14:02:00Z")
    again.told(before.outbox_id, 9)  # somebody was told more than is kept
    after = again.reader("mqtt").snapshot()
    assert after.outbox_id != before.outbox_id
    assert after.begun_utc != before.begun_utc
    assert dict(after.stream_items) == {}


def test_an_outbox_from_before_begins_when_it_is_opened(make_outbox, tmp_path):
    make_outbox().close()
    with sqlite3.connect(tmp_path / "outbox.sqlite") as connection:
        connection.execute("DELETE FROM meta WHERE key = 'begun_utc'")
    connection.close()
    assert make_outbox().reader("mqtt").snapshot().begun_utc.endswith("Z")
