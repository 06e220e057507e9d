"""Outbox and JSON lines, read beside a station that runs or was killed; nothing of it is changed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.device.reporting.stories import Story
from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.clock import SystemClock
from waste_edge.device.decision.answer import Choices
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.reporting.reading import Ledger, older_files, read_json_lines, read_outbox
from waste_edge.device.reporting.sources import read_files, read_state
from waste_edge.device.sinks.json_lines import JsonLines, JsonLinesConfig
from waste_edge.device.system.condition import Condition, Level
from waste_edge.errors import ConfigError, DataError
from waste_edge.files import limits


def fingerprint(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def open_outbox(path: Path) -> Outbox:
    return Outbox(path, "bin 1", SystemClock(), FakeWall())


def test_an_outbox_at_rest_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path / "outbox.sqlite")
    for number in range(3):
        outbox.commit(make_event(number), b"scene")
    outbox.close()
    before = fingerprint(tmp_path)
    ledger = Ledger()
    read_outbox(tmp_path / "outbox.sqlite", ledger)
    assert list(ledger.records) == [(id_of(number), 0) for number in range(3)]
    told = ledger.records[id_of(0), 0]
    assert (told.station, told.sequence, told.stream, told.label, told.action) == ("bin 1", 1, "paper", "paper", "sort")
    assert told.in_step
    assert fingerprint(tmp_path) == before, "no log is left behind"


def test_an_outbox_in_use_is_read_with_its_log(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path / "outbox.sqlite")
    try:
        for number in range(5):
            outbox.commit(make_event(number), b"scene")
            ledger = Ledger()
            read_outbox(tmp_path / "outbox.sqlite", ledger)
            assert len(ledger.records) == number + 1
    finally:
        outbox.close()


def test_the_outbox_of_a_killed_station_is_read_and_its_log_kept(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.device.telling import make_event\n"
        "from tests.device.reporting.test_reading import open_outbox\n"
        "outbox = open_outbox(Path(sys.argv[1]))\n"
        "[outbox.commit(make_event(number), b'scene') for number in range(7)]\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "outbox.sqlite"
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=root, check=False, timeout=60)
    log = (tmp_path / "outbox.sqlite-wal").read_bytes()
    assert log
    ledger = Ledger()
    read_outbox(path, ledger)
    assert len(ledger.records) == 7
    assert (tmp_path / "outbox.sqlite-wal").read_bytes() == log
    outbox = open_outbox(path)  # the station's next start
    try:
        assert "lost" not in outbox.condition().text
        assert len(outbox.reader("anyone").pending(100)) == 7
    finally:
        outbox.close()


def test_what_is_no_outbox_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no outbox there; give the station's --state DIR, or files of its JSON lines"):
        read_outbox(tmp_path / "nothing", Ledger())
    (tmp_path / "text").write_text("hello", encoding="utf-8")
    with pytest.raises(DataError, match="is no outbox"):
        read_outbox(tmp_path / "text", Ledger())
    with sqlite3.connect(tmp_path / "other") as connection:
        connection.execute("CREATE TABLE events (sequence, record)")
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(ConfigError, match="schema 7, this program reads schema 1"):
        read_outbox(tmp_path / "other", Ledger())
    with sqlite3.connect(tmp_path / "empty") as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(DataError, match="no such table"):
        read_outbox(tmp_path / "empty", Ledger())


def test_a_damaged_record_is_counted_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = open_outbox(path)
    for number in range(3):
        outbox.commit(make_event(number), b"scene")
    outbox.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE events SET record = x'00ff' WHERE sequence = 2")
    connection.close()
    ledger = Ledger()
    read_outbox(path, ledger)
    assert (len(ledger.records), ledger.damaged) == (2, 1)


def test_what_the_json_lines_sink_wrote_is_read_with_its_older_files(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path / "outbox.sqlite")
    sink = JsonLines(JsonLinesConfig(path=str(tmp_path / "events.jsonl"), max_mb=0.002, keep=9), FakeWall())
    reader = outbox.reader("test")
    for number in range(12):
        outbox.commit(make_event(number), b"scene")
        sink.deliver(reader.pending(1))
        reader.move(number + 1)
    sink.tell_health([Condition("camera", Level.BAD, "no camera")])
    outbox.close()
    assert (tmp_path / "events.jsonl.3").exists()
    ledger = Ledger()
    read_json_lines(tmp_path / "events.jsonl", ledger)
    assert sorted(ledger.records) == [(id_of(number), 0) for number in range(12)]
    assert [one.sequence for one in ledger.records.values()] == list(range(1, 13)), "oldest first"
    (health,) = ledger.health
    assert (health.sequence, health.parts[0].level) == (12, "bad")
    both = Ledger()
    read_state(tmp_path, tmp_path / "events.jsonl", both)
    assert both.records == ledger.records, "each id once, from the outbox or from a file"


def test_answers_of_the_real_queue_are_read_from_outbox_and_lines_alike(tmp_path: Path) -> None:
    clock, wall = SystemClock(), FakeWall()
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin 1", clock, wall)
    reviews = ReviewQueue(Choices({"paper": "blue", "metal": "yellow"}, "black"), AnswersConfig(), clock)
    reviews.open(outbox)
    sure = replace(make_event(1, "blue"), audit=True, expires_s=60.0)
    reviews.note(outbox.commit(sure, b""))
    for said in ("blue", "metal"):
        taken = reviews.submit(id_of(1), said, "page", "Ada")
        reviews.step()
        taken.result(0)
    sink, reader = JsonLines(JsonLinesConfig(path=str(tmp_path / "events.jsonl")), wall), outbox.reader("test")
    sink.deliver(reader.pending(10))
    outbox.close()
    kept, written = Ledger(), Ledger()
    read_outbox(tmp_path / "outbox.sqlite", kept)
    read_json_lines(tmp_path / "events.jsonl", written)
    assert kept.records == written.records
    event, first, second = kept.records.values()
    assert (event.audit, event.expires_s, event.answer) == (True, 60.0, 0)
    assert (first.stream, first.by_person, first.corrects) == ("blue", True, False)
    assert (second.answer, second.label, second.stream, second.corrects) == (2, "metal", "yellow", True)


def test_older_files_alone_are_enough(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.write(tmp_path / "events.jsonl.2")
    (tmp_path / "events.jsonl.bak").write_text("hello", encoding="utf-8")
    ledger = Ledger()
    read_json_lines(tmp_path / "events.jsonl", ledger)
    assert len(ledger.records) == 1
    assert older_files(tmp_path / "events.jsonl") == [tmp_path / "events.jsonl.2"]


def test_a_half_line_and_odd_lines_are_left_out(tmp_path: Path) -> None:
    story = Story()
    item = story.item()
    story.answer(item, "metal")
    path = story.write(tmp_path / "events.jsonl")
    with path.open("a", encoding="utf-8") as stream:
        stream.write('\n\0\0\n[1]\n{"kind": "event", "id": ""}\n{"kind": "later", "x": 1}\n{"kind": "event", "id": "12')
    ledger = Ledger()
    read_json_lines(path, ledger)
    assert list(ledger.records) == [(item, 0), (item, 1)]
    assert ledger.damaged == 3, "a list, an event without an id, half a line; what a later version tells is passed over"


@pytest.mark.parametrize(
    "change",
    [
        {"committed_ns": -5},
        {"committed_ns": 10**30},
        {"decision": {"stream": "", "label": "x"}},
        {"decision": {"stream": "paper", "stream_probability": 7.0}},
        {"decision": None},
        {"answer": 3},
        {"sequence": "one"},
        {"sequence": 10**30},
    ],
    ids=str,
)
def test_impossible_values_are_damage(tmp_path: Path, change: dict) -> None:
    story = Story()
    story.item()
    story.item()
    story.lines[1] |= change
    ledger = Ledger()
    read_json_lines(story.write(tmp_path / "events.jsonl"), ledger)
    assert (len(ledger.records), ledger.damaged) == (1, 1)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text('{"a": 1}\n{"b": 2}\n', encoding="utf-8")
    with pytest.raises(DataError, match="holds no events"):
        read_json_lines(tmp_path / "notes.jsonl", Ledger())
    with pytest.raises(DataError, match="no such file"):
        read_json_lines(tmp_path / "missing.jsonl", Ledger())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is a pipe"):
        read_json_lines(tmp_path / "pipe", Ledger())


def test_too_many_records_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from waste_edge.device.reporting import reading

    monkeypatch.setattr(reading, "MAX_REPORT_RECORDS", 2)
    story = Story()
    for _ in range(3):
        story.item()
    with pytest.raises(DataError, match="more than 2 items"):
        read_json_lines(story.write(tmp_path / "events.jsonl"), Ledger())
    assert limits.MAX_REPORT_RECORDS > 100_000


def test_folders_copies_of_an_outbox_and_files_are_told_apart(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path / "station" / "outbox.sqlite")
    outbox.commit(make_event(1), b"scene")
    outbox.close()
    (tmp_path / "station" / "outbox.sqlite").rename(tmp_path / "copy.db")
    story = Story()
    story.item(number=9)
    (tmp_path / "other").mkdir()
    story.write(tmp_path / "other" / "events.jsonl")
    ledger = Ledger()
    read_files([tmp_path / "copy.db", tmp_path / "other"], ledger)
    assert sorted(ledger.records) == [(id_of(1), 0), (f"{9:032x}", 0)]
    with pytest.raises(DataError, match=r"neither outbox\.sqlite nor events\.jsonl there"):
        read_files([tmp_path / "station"], Ledger())
