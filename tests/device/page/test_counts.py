from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from tests.device.conftest import FakeClock
from tests.device.telling import FakeWall, make_event
from waste_edge.device.decision.answer import Answer
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.page.counts import ItemCounts, KeptDays, days_of

NEPAL = timezone(timedelta(hours=5, minutes=45))


def answered(number: int, stream: str, previous: str) -> Answer:
    return Answer(
        id=make_event(number).id, number=1, label=None, stream=stream, action="sort", source="page", who="",
        answered_ns=0, audit=False, corrects=True, previous_stream=previous, previous_label=None,
    )  # fmt: skip


def test_items_are_counted_by_stream_action_and_day():
    counts = ItemCounts(UTC)
    first = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    counts.count(make_event(1, "paper"), first)
    counts.count(make_event(2, "glass"), first + timedelta(minutes=2))
    counts.count(make_event(3, "paper"), first + timedelta(minutes=3))
    totals = counts.totals
    assert [(one.stream, one.action, one.count) for one in totals.items] == [("paper", "sort", 2), ("glass", "sort", 1)]
    assert sum(totals.decision.buckets) == 3
    days = days_of({}, totals.days, first + timedelta(minutes=5))
    assert [(day.day, day.streams) for day in days] == [
        ("2026-03-02", {"glass": 1, "paper": 1}),
        ("2026-03-01", {"paper": 1}),
    ]


def test_a_day_without_items_is_there_and_old_ones_are_forgotten():
    counts = ItemCounts(UTC)
    first = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for day in range(20):
        counts.count(make_event(day), first + timedelta(days=day))
    assert len(counts.totals.days) == 2 * 8, "a stream and an action a day"
    days = days_of({}, counts.totals.days, first + timedelta(days=20))
    assert [days[0].day, days[0].items] == ["2026-03-21", 0]
    assert len(days) == 8


def test_an_answer_moves_its_item_on_the_day_that_it_came(tmp_path):
    now = datetime.now(UTC)
    counts = ItemCounts(UTC)
    counts.count(make_event(1, "ask"), now)
    wall = FakeWall()
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin 1", FakeClock(), wall)
    outbox.commit(make_event(1, "ask"), b"")
    record = outbox.commit_answers([answered(1, "glass", "ask")])[0]
    counts.count_answer(record, now.isoformat(), now + timedelta(days=1))
    days = days_of({}, counts.totals.days, now + timedelta(days=1))
    assert [day.streams for day in days] == [{}, {"glass": 1}]
    assert [(one.source, one.stream, one.count) for one in counts.totals.answers] == [("page", "glass", 1)]
    outbox.close()


def fill(path, wall: FakeWall) -> None:
    outbox = Outbox(path, "bin 1", FakeClock(), wall)
    for number in range(1, 6):
        outbox.commit(replace(make_event(number, "paper" if number < 4 else "glass")), b"")
    wall.jump(-1)
    outbox.commit(make_event(6, "paper"), b"")
    outbox.commit_answers([answered(2, "glass", "paper")])
    outbox.close()


def test_the_days_before_the_start_come_from_the_outbox(tmp_path):
    path, wall = tmp_path / "outbox.sqlite", FakeWall()
    wall.now = datetime.now(UTC).replace(hour=12)
    today = wall.now
    fill(path, wall)
    kept = KeptDays(path, UTC)
    outbox = Outbox(path, "bin 1", FakeClock(), wall)
    outbox.commit(make_event(7, "late"), b"")  # the loop counts this one itself
    outbox.close()
    days = days_of(kept.read(), (), today)
    assert [(day.items, day.streams) for day in days] == [(5, {"glass": 3, "paper": 2}), (1, {"paper": 1})]
    assert days[0].actions == {"sort": 5}


def test_a_day_begins_at_the_minute_of_its_time_zone(tmp_path):
    path, wall = tmp_path / "outbox.sqlite", FakeWall()
    today = datetime.now(NEPAL).replace(hour=0, minute=1)
    outbox = Outbox(path, "bin 1", FakeClock(), wall)
    for number, minutes in enumerate((-2, 0)):
        wall.now = (today + timedelta(minutes=minutes)).astimezone(UTC)
        outbox.commit(make_event(number), b"")
    outbox.close()
    assert [day.items for day in days_of(KeptDays(path, NEPAL).read(), (), today)] == [1, 1]


def test_an_outbox_that_is_missing_or_damaged_counts_nothing(tmp_path):
    assert KeptDays(None).read() == {}
    assert KeptDays(tmp_path / "none.sqlite").read() == {}
    (tmp_path / "damaged.sqlite").write_bytes(b"no database" * 1000)
    assert KeptDays(tmp_path / "damaged.sqlite").read() == {}
    path = tmp_path / "outbox.sqlite"
    fill(path, FakeWall())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE events SET record = 'no JSON'")
    connection.close()
    assert KeptDays(path).read() == {}
