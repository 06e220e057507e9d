"""The outbox: one transaction an event, order, bounds, corrupt files, clocks that jump."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from tests.device.telling import START, FakeWall, id_of, make_event
from waste_edge.device.clock import SystemWallClock
from waste_edge.device.outbox.config import OutboxConfig
from waste_edge.device.outbox.database import Database
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.record import event_fields, to_json_line
from waste_edge.device.system.condition import Level
from waste_edge.errors import ConfigError

DAY_NS = 86_400_000_000_000


@pytest.fixture
def wall_clock() -> FakeWall:
    return FakeWall()


@pytest.fixture
def open_outbox(tmp_path, clock, wall_clock):
    """Opens the same outbox again and again; closes the one before."""
    opened: list[Outbox] = []

    def open_(**config) -> Outbox:
        if opened:
            opened.pop().close()
        opened.append(Outbox(tmp_path / "outbox.sqlite", "bin-3", clock, wall_clock, OutboxConfig(**config)))
        return opened[0]

    yield open_
    for outbox in opened:
        outbox.close()


def ids(outbox: Outbox, sink: str = "any") -> list[str]:
    return [record.id for record in outbox.reader(sink).pending(100_000)]


def test_an_event_and_its_scene_are_kept(open_outbox):
    record = open_outbox().commit(make_event(1), b"pile")
    assert (record.id, record.sequence, record.stream_items) == (id_of(1), 1, 1)
    outbox = open_outbox()
    assert outbox.scene() == b"pile"
    assert outbox.reader("any").pending(10) == [record]


def test_another_process_sees_it_before_anyone_is_told(open_outbox, tmp_path):
    outbox = open_outbox()
    seen = []

    def look() -> None:
        with sqlite3.connect(tmp_path / "outbox.sqlite") as other:
            seen.append(other.execute("SELECT id, (SELECT scene FROM scene) FROM events").fetchall())
        other.close()

    outbox.on_commit(look)
    outbox.commit(make_event(1), b"pile")
    assert seen == [[(id_of(1), b"pile")]]


def test_every_commit_is_flushed_to_the_disk(open_outbox, tmp_path):
    open_outbox().commit(make_event(1), b"pile")
    with sqlite3.connect(tmp_path / "outbox.sqlite") as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("PRAGMA auto_vacuum").fetchone() == (2,)  # incremental
    other.close()


def test_the_same_event_again_is_the_same_record(open_outbox):
    outbox = open_outbox()
    record = outbox.commit(make_event(1), b"pile")
    outbox.commit(make_event(2), b"pile")
    assert outbox.commit(make_event(1), b"pile") == record
    assert open_outbox().commit(make_event(1), b"pile") == record
    assert ids(open_outbox()) == [id_of(1), id_of(2)]


def test_sequences_go_on_after_everything_was_pruned(open_outbox, clock):
    outbox = open_outbox(max_age_days=1)
    outbox.commit(make_event(1), b"")
    clock.time_ns += 2 * DAY_NS
    outbox.tend()
    assert ids(outbox) == []
    assert open_outbox().commit(make_event(2), b"").sequence == 2


def test_items_are_counted_by_stream(open_outbox):
    outbox = open_outbox()
    outbox.commit(make_event(1, "paper"), b"")
    outbox.commit(make_event(2, "glass"), b"")
    assert open_outbox().commit(make_event(3, "paper"), b"").stream_items == 2


def test_a_scene_can_be_kept_alone(open_outbox):
    open_outbox().keep_scene(b"pile")
    outbox = open_outbox()
    assert outbox.scene() == b"pile"
    assert ids(outbox) == []


def test_a_new_outbox_has_no_scene(open_outbox):
    assert open_outbox().scene() is None


def test_a_record_says_when_and_whether_to_believe_it(open_outbox, wall_clock):
    wall_clock.in_step = False
    record = open_outbox().commit(make_event(1), b"")
    line = json.loads(to_json_line(record))
    assert line["time_utc"] == "2026-03-01T14:02:00.000Z"
    assert (line["clock_synchronized"], line["boot_id"], line["station"]) == (False, "boot-1", "bin-3")
    assert (line["kind"], line["id"], line["sequence"]) == ("event", id_of(1), 1)
    assert (line["opened_ns"], line["decided_ns"], line["frames"]) == (1_001, 2_001, 5)
    assert line["decision"]["stream"] == "paper"
    assert len(line["outbox_id"]) == 32


def test_numbers_of_numpy_become_plain_ones():
    assert event_fields({"a": np.float32(0.5), "b": np.arange(2), "c": float("nan")}) == {
        "a": 0.5,
        "b": [0, 1],
        "c": None,
    }
    with pytest.raises(TypeError, match="an event cannot hold a object"):
        event_fields({"a": object()})


@pytest.mark.parametrize("days", [1, -1, 20_000, -20_000])
def test_a_wall_clock_that_jumps_changes_neither_order_nor_age(open_outbox, clock, wall_clock, days):
    outbox = open_outbox(max_age_days=30)
    outbox.commit(make_event(1), b"")
    wall_clock.jump(days)
    outbox.commit(make_event(2), b"")
    clock.time_ns += DAY_NS
    outbox.tend()
    outbox = open_outbox(max_age_days=30)
    outbox.tend()
    assert ids(outbox) == [id_of(1), id_of(2)]


def test_age_is_the_time_the_station_ran_across_boots(open_outbox, clock, wall_clock):
    outbox = open_outbox(max_age_days=3)
    outbox.commit(make_event(1), b"")
    clock.time_ns += 2 * DAY_NS
    outbox.commit(make_event(2), b"")
    wall_clock.boot_id, clock.time_ns = "boot-2", 5_000_000_000  # the monotonic clock starts again
    outbox = open_outbox(max_age_days=3)
    clock.time_ns += DAY_NS // 2
    outbox.tend()
    assert ids(outbox) == [id_of(1), id_of(2)]
    clock.time_ns += DAY_NS
    outbox.tend()
    assert ids(outbox) == [id_of(2)]


def test_old_events_that_every_sink_had_go_without_a_word(open_outbox, clock):
    outbox = open_outbox(max_age_days=1)
    for number in range(3):
        outbox.commit(make_event(number), b"")
    outbox.reader("slow").move(3)
    outbox.reader("fast").move(3)
    clock.time_ns += 2 * DAY_NS
    outbox.tend()
    assert ids(outbox, "new") == []
    assert outbox.condition().level is Level.OK


def test_old_events_that_a_sink_had_not_are_counted(open_outbox, clock):
    outbox = open_outbox(max_age_days=1)
    for number in range(5):
        outbox.commit(make_event(number), b"")
    outbox.reader("slow").move(2)
    outbox.reader("fast").move(5)
    clock.time_ns += 2 * DAY_NS
    outbox.tend()
    assert outbox.condition().level is Level.BAD
    assert outbox.condition().text.startswith("3 events were lost")


def test_the_file_stays_within_its_bound_and_the_oldest_go(open_outbox, tmp_path):
    outbox = open_outbox(max_mb=1)
    outbox.reader("dead")
    for number in range(900):
        outbox.commit(replace(make_event(number), picture="x" * 3_000), bytes(200))
    outbox.tend()
    kept = ids(outbox)
    assert kept[-1] == id_of(899)
    assert kept == sorted(kept)
    assert "events were lost" in outbox.condition().text
    open_outbox(max_mb=1)
    assert (tmp_path / "outbox.sqlite").stat().st_size < 2_000_000


def test_the_log_stays_within_its_bound(open_outbox, tmp_path):
    outbox = open_outbox()
    longest = 0
    for number in range(400):
        outbox.commit(make_event(number), bytes([number % 256]) * 40_000)
        longest = max(longest, (tmp_path / "outbox.sqlite-wal").stat().st_size)
    assert 1_000_000 < longest < 8_500_000


def test_a_scene_that_is_replaced_is_not_overwritten_with_zeros(open_outbox, tmp_path):
    outbox, log = open_outbox(), tmp_path / "outbox.sqlite-wal"
    sizes = []
    for number in range(20):
        outbox.commit(make_event(number), bytes([number]) * 40_000)
        sizes.append(log.stat().st_size)
    assert sizes[-1] - sizes[9] < 10 * 2 * 40_000  # 535 kB; with zeros 865 kB
    assert outbox._database._integer("PRAGMA secure_delete") == 2  # also where SQLite's own default is 0


def test_a_corrupt_database_is_set_aside_and_a_new_one_begun(open_outbox, tmp_path):
    outbox = open_outbox()
    old_id = outbox.commit(make_event(1), b"pile").outbox_id
    outbox.close()
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"not a database" * 1_000)
    outbox = open_outbox()
    assert outbox.condition().level is Level.WARN
    assert "set aside as outbox.corrupt-1" in outbox.condition().text
    assert (tmp_path / "outbox.corrupt-1").read_bytes().startswith(b"not a database")
    record = outbox.commit(make_event(2), b"pile")
    assert record.sequence == 1
    assert record.outbox_id != old_id


def rot(path: Path) -> None:
    """Overwrite all but the first page, as a dying card does."""
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xa5" * (path.stat().st_size - 4096))


def test_a_database_that_rotted_behind_its_first_page_is_found_at_the_start(open_outbox, tmp_path):
    outbox = open_outbox()
    for number in range(100):
        outbox.commit(make_event(number), b"pile")
    outbox.close()
    rot(tmp_path / "outbox.sqlite")
    outbox = open_outbox()
    assert "set aside as outbox.corrupt-1" in outbox.condition().text
    assert (outbox.scene(), ids(outbox)) == (None, [])


@pytest.fixture
def rotted(open_outbox, tmp_path) -> Callable[[int], Outbox]:
    """Commits 100 events, of which the sink "any" has had the first so many; then the card rots by itself."""

    def rot_under(had: int) -> Outbox:
        outbox = open_outbox()
        for number in range(100):
            outbox.commit(make_event(number), b"pile")
        if had:
            outbox.reader("any").pending(100)
            outbox.reader("any").move(had)
        outbox = open_outbox()  # so that all lies in the database, none in the log
        outbox.reader("any")
        written = (tmp_path / "outbox.sqlite").stat()
        rot(tmp_path / "outbox.sqlite")
        os.utime(tmp_path / "outbox.sqlite", ns=(written.st_atime_ns, written.st_mtime_ns))
        return outbox

    return rot_under


def assert_begun_anew(outbox: Outbox, lost: int) -> None:
    condition = outbox.condition()
    assert condition.level is Level.BAD
    assert condition.text.startswith(f"{lost} events were lost"), "nobody had been told of them"
    assert "was corrupt: set aside as outbox.corrupt-1" in condition.text


@pytest.mark.parametrize("had", [0, 40])
def test_a_reader_that_finds_rot_has_the_database_set_aside(rotted, had):
    outbox = rotted(had)
    with pytest.raises(sqlite3.DatabaseError):
        outbox.reader("any").pending(1_000)
    outbox.tend()
    assert_begun_anew(outbox, lost=100 - had)
    assert outbox.scene() == b"pile"
    assert outbox.commit(make_event(1), b"").sequence == 1
    assert ids(outbox) == [id_of(1)]
    outbox.tend()
    assert_begun_anew(outbox, lost=100 - had)  # counted once


def test_rot_that_is_found_when_a_failing_disk_is_tried_again_is_counted(rotted, clock, monkeypatch):
    outbox = rotted(40)

    def fail(*_: object) -> None:
        raise OSError("the disk fails")

    with monkeypatch.context() as failing:
        failing.setattr(Database, "write", fail)
        assert outbox.commit(make_event(200), b"pile").sequence == 0
    clock.time_ns += 61_000_000_000
    outbox.tend()
    assert_begun_anew(outbox, lost=60)
    assert ids(outbox) == [id_of(200)]


def test_rot_that_is_found_by_a_later_start_is_said_to_be_uncounted(rotted, open_outbox):
    rotted(40)
    condition = open_outbox().condition()
    assert condition.level is Level.WARN
    assert condition.text.endswith("how many events had not been told is not known")


def test_only_so_many_corrupt_databases_are_kept(open_outbox, tmp_path):
    for _ in range(12):
        (tmp_path / "outbox.sqlite").write_bytes(b"rot" * 1_000)
        open_outbox().close()
    kept = sorted(path.name for path in tmp_path.glob("*.corrupt-*"))
    assert kept == ["outbox.corrupt-10", "outbox.corrupt-11", "outbox.corrupt-12"]


def test_a_damaged_record_is_passed_over_and_said(open_outbox, tmp_path):
    outbox = open_outbox()
    for number in range(3):
        outbox.commit(make_event(number), b"")
    with sqlite3.connect(tmp_path / "outbox.sqlite") as other:
        other.execute("UPDATE events SET record = ? WHERE sequence = 2", (b'{"id": "ab',))
    other.close()
    assert ids(outbox) == [id_of(0), id_of(2)]
    assert "1 records of" in outbox.condition().text


def test_a_database_of_another_version_is_refused(open_outbox, tmp_path):
    open_outbox().close()
    with sqlite3.connect(tmp_path / "outbox.sqlite") as other:
        other.execute("PRAGMA user_version = 7")
    other.close()
    with pytest.raises(ConfigError, match=r"schema 7, this program reads schema 1.*install that version"):
        open_outbox()


@pytest.fixture
def blocked(tmp_path) -> Path:
    """A file where the outbox's folder should be: it cannot be made until the test removes it."""
    path = tmp_path / "folder"
    path.write_text("in the way")
    return path


def test_a_disk_that_cannot_be_written_stops_nothing(blocked, clock, wall_clock):
    outbox = Outbox(blocked / "outbox.sqlite", "bin-3", clock, wall_clock)
    for number in range(3):
        assert outbox.commit(make_event(number), b"pile").sequence == 0
    assert outbox.scene() == b"pile"
    assert outbox.condition().level is Level.BAD
    assert outbox.condition().text.startswith("since 14:02 UTC 3 events are in memory only")
    blocked.unlink()
    clock.time_ns += 61_000_000_000
    outbox.tend()
    assert outbox.condition().level is Level.OK
    kept = outbox.reader("any").pending(10)
    assert [(record.id, record.sequence) for record in kept] == [(id_of(number), number + 1) for number in range(3)]
    assert outbox.scene() == b"pile"
    outbox.close()


def test_memory_is_bounded_and_what_it_loses_is_counted(blocked, clock, wall_clock):
    outbox = Outbox(blocked / "outbox.sqlite", "bin-3", clock, wall_clock, OutboxConfig(max_events_in_memory=10))
    for number in range(25):
        outbox.commit(make_event(number), b"")
    assert "10 events are in memory only" in outbox.condition().text
    assert "15 events were lost" in outbox.condition().text
    blocked.unlink()
    outbox.close()  # the last chance to write
    again = Outbox(blocked / "outbox.sqlite", "bin-3", clock, wall_clock)
    assert ids(again) == [id_of(number) for number in range(15, 25)]
    again.close()


def test_a_failing_disk_is_tried_seldom(blocked, clock, wall_clock):
    outbox = Outbox(blocked / "outbox.sqlite", "bin-3", clock, wall_clock)
    blocked.unlink()
    assert outbox.commit(make_event(1), b"").sequence == 0  # too early to try again
    clock.time_ns += 1_100_000_000
    assert outbox.commit(make_event(2), b"").sequence == 2
    outbox.close()


def test_a_scene_from_before_survives_a_start_without_the_disk(tmp_path, clock, wall_clock):
    path = tmp_path / "folder" / "outbox.sqlite"
    outbox = Outbox(path, "bin-3", clock, wall_clock)
    outbox.commit(make_event(1), b"pile")
    outbox.close()
    path.parent.rename(tmp_path / "away")
    path.parent.write_text("in the way")
    outbox = Outbox(path, "bin-3", clock, wall_clock)
    path.parent.unlink()
    (tmp_path / "away").rename(path.parent)
    clock.time_ns += 61_000_000_000
    outbox.tend()
    assert outbox.scene() == b"pile"
    outbox.close()


def test_commits_are_timed(open_outbox):
    outbox = open_outbox()
    assert outbox.commit_times().count == 0
    outbox.commit(make_event(1), b"")
    assert outbox.commit_times().count == 1
    assert "1 commits" in outbox.condition().text


@pytest.mark.parametrize("values", [{"max_age_days": 0}, {"max_mb": 0.5}, {"max_events_in_memory": 0}])
def test_bounds_that_keep_nothing_are_refused(values):
    with pytest.raises(ValueError, match="must be above 0"):
        OutboxConfig(**values)


def test_the_systems_clock_knows_its_boot(tmp_path):
    assert len(SystemWallClock().boot_id) == 36
    assert (
        SystemWallClock(boot_id_path=tmp_path / "none").boot_id
        != SystemWallClock(boot_id_path=tmp_path / "none").boot_id
    )


def test_timesyncd_vouches_for_the_clock(tmp_path):
    (tmp_path / "synchronized").touch()
    assert SystemWallClock(synchronized_path=tmp_path / "synchronized").synchronized()
    assert isinstance(SystemWallClock(synchronized_path=tmp_path / "none").synchronized(), bool)
    assert isinstance(SystemWallClock().now_utc(), datetime)
    assert SystemWallClock().now_utc() > START.replace(year=2020)


@pytest.mark.parametrize(
    "values",
    [{"max_age_days": float("inf")}, {"max_mb": float("inf")}, {"max_mb": 1e300}, {"max_events_in_memory": 10**12}],
)
def test_bounds_that_would_end_the_station_later_are_refused_at_once(values):
    with pytest.raises(ValueError, match="expected max_age_days up to 36500"):
        OutboxConfig(**values)
    with pytest.raises(ValueError, match="must be above 0"):
        OutboxConfig(**dict.fromkeys(("max_age_days",), float("nan")))
