"""An outbox whose files were cut, edited, removed or replaced: no event goes in silence, and the station goes on."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.outbox.database import Database
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.place import spare_of
from waste_edge.device.system.condition import Level


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state" / "outbox.sqlite"


@pytest.fixture
def open_outbox(path, clock):
    opened: list[Outbox] = []

    def open_() -> Outbox:
        if opened:
            opened.pop().close()
        opened.append(Outbox(path, "bin-3", clock, FakeWall()))
        return opened[0]

    yield open_
    for outbox in opened:
        outbox.close()


def ids(outbox: Outbox, sink: str = "any") -> list[str]:
    return [record.id for record in outbox.reader(sink).pending(1_000)]


def edit(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(statement)


def remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cursors SET sequence = 7000",
        "UPDATE cursors SET sequence = 'seven'",
        "UPDATE cursors SET sequence = -1",
        "CREATE TRIGGER empties AFTER INSERT ON events BEGIN DELETE FROM events; END",
        "CREATE VIEW more AS SELECT 1",
        "UPDATE scene SET scene = 5",
        "UPDATE scene SET scene = zeroblob(20000000)",
        "UPDATE scene SET lived_ns = 'long'",
        "UPDATE scene SET lived_ns = 9223372036854775807",
        "UPDATE scene SET monotonic_ns = -5",
        "UPDATE scene SET stream_items = '[]'",
        "UPDATE scene SET stream_items = '{\"paper\": -4}'",
        "UPDATE scene SET stream_items = '{\"paper\": 99999999999999999999}'",
        "UPDATE events SET lived_ns = 'old' WHERE sequence = 2",
        "UPDATE events SET sequence = 9223372036854775807 WHERE sequence = 3",
        "UPDATE events SET id = x'00' WHERE sequence = 1",
        "UPDATE events SET record = 5 WHERE sequence = 1",
        "UPDATE sqlite_sequence SET seq = 'many'",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        "UPDATE meta SET value = 'me' WHERE key = 'outbox_id'",
        "DELETE FROM meta",
        "DROP TABLE cursors",
        "DROP TABLE scene",
        "ALTER TABLE events RENAME COLUMN record TO other",
        "PRAGMA user_version = -3",
        "PRAGMA user_version = 0",
        "UPDATE events SET record = zeroblob(5000000) WHERE sequence = 2",
    ],
)
def test_a_value_that_no_check_of_pages_sees_is_corruption(open_outbox, path, statement):
    outbox = open_outbox()
    for number in range(3):
        outbox.commit(make_event(number), b"pile")
    outbox.reader("any").pending(1)
    outbox.reader("any").move(1)
    outbox.close()
    edit(path, statement)
    outbox = open_outbox()
    assert outbox.condition().level is Level.WARN
    assert "set aside as outbox.corrupt-1" in outbox.condition().text
    assert outbox.commit(make_event(9), b"pile").sequence == 1
    outbox.tend()
    assert ids(outbox) == [id_of(9)]


def test_a_record_without_a_stream_stops_no_sink(open_outbox, path):
    outbox = open_outbox()
    for number in range(2):
        outbox.commit(make_event(number), b"")
    edit(path, "UPDATE events SET record = CAST(replace(record, 'decision', 'division') AS BLOB) WHERE sequence = 1")
    assert ids(outbox) == [id_of(1)]
    assert "1 records of" in outbox.condition().text


def test_a_cursor_of_the_database_before_says_nothing_in_the_new_one(open_outbox, path):
    outbox = open_outbox()
    for number in range(5):
        outbox.commit(make_event(number), b"")
    reader = outbox.reader("slow")
    given = reader.pending(10)
    path.with_name("outbox.sqlite-wal").unlink()
    path.write_bytes(b"rot" * 2_000)
    with pytest.raises(sqlite3.DatabaseError):
        outbox.reader("other").pending(1)
    outbox.tend()
    outbox.commit(make_event(7), b"")
    reader.move(given[-1].sequence)  # its delivery was under way meanwhile
    assert ids(outbox, "slow")[-1:] == [id_of(7)]


def test_a_scene_that_cannot_be_taken_up_is_said(open_outbox):
    outbox = open_outbox()
    outbox.commit(make_event(1), b"half a pile")
    assert outbox.condition().level is Level.OK
    outbox.say_scene_is_unreadable()
    assert outbox.condition().level is Level.WARN
    assert "learned anew" in outbox.condition().text


@pytest.mark.parametrize("how", ["emptied", "removed"])
def test_a_log_that_the_card_lost_begins_another_outbox_id(open_outbox, path, tmp_path, how):
    outbox = open_outbox()
    first = outbox.commit(make_event(1), b"")
    outbox = open_outbox()
    lost = outbox.commit(make_event(2), b"")
    assert lost.outbox_id == first.outbox_id
    crashed = tmp_path / "crashed"
    shutil.copytree(path.parent, crashed)  # as it lies there when the power goes
    outbox.close()
    log = crashed / "outbox.sqlite-wal"
    assert log.stat().st_size > 0
    if how == "emptied":
        log.write_bytes(b"")
    else:
        log.unlink()
    (crashed / "outbox.sqlite-shm").unlink()
    again = Outbox(crashed / "outbox.sqlite", "bin-3", outbox._clock, FakeWall())
    assert "the disk lost what was written last" in again.condition().text
    assert again.condition().level is Level.WARN
    record = again.commit(make_event(3), b"")
    assert (record.outbox_id != first.outbox_id, record.stream_items) == (True, 1)
    assert [kept.id for kept in again.reader("any").pending(10)] == [id_of(1), id_of(3)]
    again.close()


def test_an_orderly_end_or_a_kill_keeps_the_outbox_id(open_outbox, path, tmp_path, clock):
    outbox = open_outbox()
    first = outbox.commit(make_event(1), b"")
    outbox._database.shorten_log()  # type: ignore[union-attr]
    shutil.copytree(path.parent, tmp_path / "killed")
    again = Outbox(tmp_path / "killed" / "outbox.sqlite", "bin-3", clock, FakeWall())
    assert again.commit(make_event(2), b"").outbox_id == first.outbox_id
    again.close()
    assert open_outbox().commit(make_event(2), b"").outbox_id == first.outbox_id


def test_whoever_was_told_more_than_is_kept_begins_another_outbox_id(open_outbox):
    outbox = open_outbox()
    first = outbox.commit(make_event(1), b"")
    outbox.told(first.outbox_id, 1)
    outbox.told("another", 500)
    assert outbox.commit(make_event(2), b"").outbox_id == first.outbox_id
    outbox.told(first.outbox_id, 12)
    assert "events up to 12 were told, up to 2 are kept" in outbox.condition().text
    record = outbox.commit(make_event(3), b"")
    assert record.outbox_id != first.outbox_id
    assert record.sequence == 3


def test_files_removed_under_way_are_put_back_with_all_that_was_in_them(open_outbox, path):
    outbox = open_outbox()
    kept = [outbox.commit(make_event(number), b"pile") for number in range(3)]
    outbox.reader("told").pending(1)
    outbox.reader("told").move(1)
    remove(path)
    outbox.tend()
    assert path.exists()
    assert "was removed or replaced while the station runs: it was put back" in outbox.condition().text
    kept.append(outbox.commit(make_event(3), b"pile"))
    assert outbox.reader("dead").pending(10) == kept
    assert ids(outbox, "told") == [id_of(1), id_of(2), id_of(3)]
    assert {record.outbox_id for record in kept} == {kept[0].outbox_id}
    assert open_outbox().reader("dead").pending(10) == kept
    assert open_outbox().condition().level is Level.OK
    assert open_outbox().scene() == b"pile"


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_one_of_its_files_removed_is_found_too(open_outbox, path, suffix):
    outbox = open_outbox()
    outbox.commit(make_event(1), b"pile")
    Path(f"{path}{suffix}").unlink()
    outbox.commit(make_event(2), b"pile")
    assert ids(outbox) == [id_of(1), id_of(2)]
    assert ids(open_outbox()) == [id_of(1), id_of(2)]
    assert open_outbox().scene() == b"pile"


@pytest.mark.parametrize("content", [b"not a database" * 1_000, b"", None])
def test_a_file_put_there_under_way_is_set_aside(open_outbox, path, tmp_path, content, clock):
    if content is None:  # an old backup of another station
        other = Outbox(tmp_path / "other.sqlite", "bin-4", clock, FakeWall())
        other.commit(make_event(50), b"")
        other.close()
    else:
        (tmp_path / "other.sqlite").write_bytes(content)
    outbox = open_outbox()
    outbox.commit(make_event(1), b"")
    remove(path)
    (tmp_path / "other.sqlite").rename(path)
    outbox.commit(make_event(2), b"")
    assert "what lay there is now outbox.replaced-1" in outbox.condition().text
    assert path.with_name("outbox.replaced-1").exists()
    assert ids(outbox) == [id_of(1), id_of(2)]
    assert ids(open_outbox()) == [id_of(1), id_of(2)]


def test_a_folder_that_cannot_take_it_back_is_said_and_nothing_is_lost(open_outbox, path, clock, monkeypatch):
    outbox = open_outbox()
    outbox.commit(make_event(1), b"pile")
    shutil.rmtree(path.parent)
    path.parent.write_text("in the way")
    outbox.commit(make_event(2), b"pile")
    assert outbox.condition().level is Level.BAD
    assert "was removed while the station runs" in outbox.condition().text
    path.parent.unlink()
    clock.time_ns += 61_000_000_000
    outbox.tend()
    assert "it was put back" in outbox.condition().text
    assert ids(outbox) == [id_of(1), id_of(2)]


def test_what_was_removed_last_is_put_back_at_the_end(open_outbox, path):
    outbox = open_outbox()
    outbox.commit(make_event(1), b"")
    remove(path)
    assert ids(open_outbox()) == [id_of(1)]


def test_a_copy_whose_last_step_the_power_cut_off_takes_its_place(open_outbox, path):
    open_outbox().commit(make_event(1), b"")
    open_outbox().close()
    path.rename(spare_of(path))
    assert ids(open_outbox()) == [id_of(1)]


def test_a_database_of_another_version_put_there_under_way_ends_nothing(open_outbox, path):
    outbox = open_outbox()
    outbox.commit(make_event(1), b"")
    outbox._drop()  # as after a failure of the disk
    edit(path, "PRAGMA user_version = 7")
    outbox.commit(make_event(2), b"")
    assert "schema 7, this program reads schema 1" in outbox.condition().text
    assert outbox.unwritten == 1
    edit(path, "PRAGMA user_version = 1")


@pytest.mark.parametrize("content", [b"", b"rot" * 9_000])
def test_a_file_overwritten_in_place_is_corruption_and_the_station_goes_on(open_outbox, path, content):
    """As `cp` does, or a shell's `>`: the same file, with something else in it."""
    outbox = open_outbox()
    for number in range(3):
        outbox.commit(make_event(number), b"pile")
    with path.open("r+b") as stream:
        stream.truncate(0)
        stream.write(content)
    for number in range(3, 6):
        outbox.commit(make_event(number), b"pile")
        outbox.tend()
        with contextlib.suppress(sqlite3.Error):
            outbox.reader("any").pending(10)
    outbox.tend()
    kept = set(ids(outbox))
    assert kept >= {id_of(5)}
    assert kept == {id_of(number) for number in range(6)} or outbox.condition().level is not Level.OK
    kept |= set(ids(open_outbox()))
    assert kept >= {id_of(5)}


def fill(outbox: Outbox, numbers: range, scene: bytes = b"scene") -> None:
    for number in numbers:
        outbox.commit(make_event(number), scene)


@pytest.mark.parametrize("had", [0, 25])
def test_a_backup_written_over_it_in_place_is_noticed_and_what_is_gone_is_counted(open_outbox, path, clock, had):
    """What `cp backup outbox.sqlite` does: the file is the same one, its content an old one."""
    outbox = open_outbox()
    fill(outbox, range(10))
    backup = path.with_name("backup")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as copy:
        source.backup(copy)
    reader = outbox.reader("any")
    fill(outbox, range(10, 40), bytes(200_000))  # the log is written back into the file under way
    assert len(reader.pending(100)) == 40
    reader.move(had)
    outbox_id = reader.pending(1)[0].outbox_id
    path.write_bytes(backup.read_bytes())
    outbox.tend()
    condition = outbox.condition()
    assert condition.level is Level.BAD
    assert f"{40 - had} events were lost" in condition.text
    assert path.with_name("outbox.corrupt-1").exists()
    fill(outbox, range(40, 42))
    (first, second) = reader.pending(100)
    assert [first.id, second.id] == [id_of(40), id_of(41)]
    assert first.outbox_id != outbox_id, "no receiver takes them for events that it had"


@pytest.mark.parametrize("length", [0, 100, 5000])
def test_a_file_cut_in_place_is_noticed_and_the_scene_lives_on(open_outbox, path, length):
    outbox = open_outbox()
    fill(outbox, range(10), b"the last scene")
    with path.open("r+b") as stream:
        stream.truncate(length)
    outbox.tend()
    assert outbox.condition().level is Level.WARN, "no sink waited for them"
    assert "was overwritten while the station runs: set aside as outbox.corrupt-1" in outbox.condition().text
    outbox = open_outbox()
    assert outbox.scene() == b"the last scene"


def test_a_file_that_was_only_touched_keeps_all(open_outbox, path):
    outbox = open_outbox()
    reader = outbox.reader("any")
    fill(outbox, range(10))
    path.touch()
    outbox.tend()
    assert outbox.condition().level is Level.OK
    assert len(reader.pending(100)) == 10
    fill(outbox, range(10, 12))
    assert len(reader.pending(100)) == 12


def test_our_own_writing_is_never_taken_for_somebody_elses(open_outbox, path, clock, monkeypatch):
    monkeypatch.setattr(Database, "holds_all", lambda self: pytest.fail("looked again"))
    outbox = open_outbox()
    reader = outbox.reader("any")
    for number in range(60):
        outbox.commit(make_event(number), bytes([number]) * 200_000)  # the log is written back now and then
        reader.move(reader.pending(1)[-1].sequence)
        clock.time_ns += 30_000_000_000
        outbox.tend()
    assert path.stat().st_size > 150_000
