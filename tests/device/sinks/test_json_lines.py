"""The JSON lines sink: rotated, mended after a cut, every event once."""

from __future__ import annotations

import json
import os
import resource
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.record import Record
from waste_edge.device.sinks.json_lines import JsonLines, JsonLinesConfig, build
from waste_edge.device.sinks.sink import SinkError
from waste_edge.device.system.condition import Condition, Level
from waste_edge.errors import ConfigError

HEALTH = [Condition("camera", Level.OK, "picamera:0"), Condition("disk", Level.WARN, "9 MB left")]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "events" / "events.jsonl"


@pytest.fixture
def records(tmp_path, clock) -> list[Record]:
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin-3", clock, FakeWall())
    records = [outbox.commit(make_event(number), b"") for number in range(20)]
    outbox.close()
    return records


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def ids(path: Path) -> list[str]:
    return [line["id"] for line in lines(path) if line["kind"] == "event"]


def sink_at(path: Path, **config) -> JsonLines:
    return JsonLines(JsonLinesConfig(path=str(path), **config), FakeWall())


def test_each_event_is_a_line(path, records):
    sink = sink_at(path)
    sink.deliver(records[:2])
    sink.deliver(records[2:3])
    assert ids(path) == [id_of(0), id_of(1), id_of(2)]
    assert path.read_bytes().endswith(b"}\n")


def test_health_is_a_line_too(path):
    sink_at(path).tell_health(HEALTH)
    (line,) = lines(path)
    assert (line["kind"], line["level"], line["time_utc"]) == ("health", "warn", "2026-03-01T14:02:00Z")
    assert line["conditions"][1] == {"part": "disk", "level": "warn", "text": "9 MB left"}


@pytest.mark.parametrize("with_health", [False, True])
def test_events_that_come_again_after_a_crash_are_there_once(path, records, with_health):
    sink = sink_at(path)
    sink.deliver(records[:5])
    if with_health:
        sink.tell_health(HEALTH)
    sink_at(path).deliver(records[3:8])  # the cursor had not moved
    assert ids(path) == [record.id for record in records[:8]]


@pytest.mark.parametrize(
    "torn",
    [b'{"kind":"event","id":"00', b"\0" * 5_000, b'{"kind":"event"\0\0\0\n', b"\0\n\0", b'{"kind":"health"}\n\n'],
)
def test_what_a_power_cut_left_behind_the_last_line_is_cut_off(path, records, torn):
    sink_at(path).deliver(records[:5])
    with path.open("ab") as stream:
        stream.write(torn)
    sink_at(path).deliver(records[3:8])
    assert ids(path) == [record.id for record in records[:8]]


def test_a_cut_at_every_byte_loses_no_event_and_doubles_none(path, records):
    sink_at(path).deliver(records[:3])
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        sink_at(path).deliver(records[:5])
        assert ids(path) == [record.id for record in records[:5]]


def test_a_file_of_somebody_elses_is_left_alone(path, records):
    path.parent.mkdir()
    path.write_text("milk\neggs")
    with pytest.raises(SinkError, match="holds something else than events; choose another path"):
        sink_at(path).deliver(records)
    assert path.read_text() == "milk\neggs"


def test_another_outbox_counts_anew(path, records):
    sink_at(path).deliver(records[:5])
    other = replace(records[0], outbox_id="another", id="f" * 32, event={**records[0].event, "id": "f" * 32})
    sink_at(path).deliver([other])
    assert ids(path)[-1] == "f" * 32


def test_the_file_is_rotated_and_only_so_many_are_kept(path, records):
    size = len(path.name) + 700  # a little above one line
    sink = sink_at(path, max_mb=size / 1e6, keep=3)
    for record in records[:10]:
        sink.deliver([record])
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == ["events.jsonl", *(f"events.jsonl.{number}" for number in (1, 2, 3))]
    kept = [ids(Path(f"{path}.{number}")) for number in (3, 2, 1)] + [ids(path)]
    assert kept == [[record.id] for record in records[6:10]]


def test_a_crash_between_rotation_and_the_first_line_doubles_nothing(path, records):
    sink_at(path).deliver(records[:5])
    os.replace(path, f"{path}.1")
    sink_at(path).deliver(records[3:8])
    assert ids(path) == [record.id for record in records[5:8]]


def test_none_may_be_kept(path, records):
    sink = sink_at(path, max_mb=0.000_1, keep=0)
    for record in records[:3]:
        sink.deliver([record])
    assert [entry.name for entry in path.parent.iterdir()] == ["events.jsonl"]
    assert ids(path) == [id_of(2)]


def test_a_file_that_somebody_removed_is_begun_anew(path, records):
    sink = sink_at(path)
    sink.deliver(records[:2])
    path.unlink()
    sink.deliver(records[2:3])
    assert ids(path) == [id_of(2)]


def test_a_place_that_cannot_be_written_is_named(tmp_path, records):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=r"file/events.jsonl: cannot be written .*choose another path"):
        sink_at(tmp_path / "file" / "events.jsonl").deliver(records)


def test_the_table_is_checked():
    assert build(msgspec.convert({"path": "a.jsonl"}, JsonLinesConfig)).name == "json-lines"
    with pytest.raises(msgspec.ValidationError, match="unknown field `file`"):
        msgspec.convert({"file": "a.jsonl"}, JsonLinesConfig)
    for wrong in ({"path": ""}, {"max_mb": 0.0}, {"keep": -1}):
        with pytest.raises(msgspec.ValidationError, match="expected a path, max_mb above 0 and keep from 0"):
            msgspec.convert(wrong, JsonLinesConfig)


def test_a_sequence_used_twice_hides_no_new_event(path, records):
    """A card that lost its last writes: the same outbox counts the same numbers again, for other events."""
    sink_at(path).deliver(records[:5])
    new = replace(records[3], id="f" * 32, event={**records[3].event, "id": "f" * 32})
    sink_at(path).deliver([new])
    assert ids(path)[-1] == "f" * 32


def test_it_says_what_was_written_last(path, records):
    assert sink_at(path).newest() is None
    sink_at(path).deliver(records[:5])
    assert sink_at(path).newest() == (records[4].outbox_id, 5)
    path.write_text("milk\n")
    assert sink_at(path).newest() is None


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_long_line_and_those_behind_it_survive_a_start(path, records, place):
    event = {**records[place].event, "picture": "x" * 200_000}
    long = [*records[:place], replace(records[place], event=event), *records[place + 1 : 5]]
    sink_at(path).deliver(long)
    with path.open("ab") as stream:
        stream.write(b'{"kind":"event","id":"00')
    sink_at(path).deliver([*long[3:], *records[5:8]])
    assert ids(path) == [record.id for record in records[:8]]


def test_keeping_a_great_many_files_costs_nothing(path, records):
    sink = sink_at(path, max_mb=0.000_1, keep=10_000)
    for record in records[:4]:
        sink.deliver([record])
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        path.name,
        *(f"{path.name}.{n}" for n in (1, 2, 3)),
    ]
    sink_at(path, max_mb=0.000_1, keep=10_000).deliver(records[:5])
    assert ids(path) == [id_of(4)]


@pytest.mark.parametrize("table", [{"max_mb": float("inf")}, {"max_mb": 1e18}, {"keep": 999_999_999}])
def test_what_could_never_work_is_refused_at_once(table):
    with pytest.raises(msgspec.ValidationError, match="expected max_mb up to 100000 and keep up to 10000"):
        msgspec.convert(table, JsonLinesConfig)


def test_a_path_that_no_file_can_have_is_refused(tmp_path):
    for path, words in [
        (tmp_path, "is a folder"),
        (tmp_path / ("x" * 255), "no file can be there"),
        (tmp_path / "outbox.sqlite", "the outbox's own name"),
        (tmp_path / "a\0b", "no file can be there"),
    ]:
        with pytest.raises(ConfigError, match=words):
            build(JsonLinesConfig(path=str(path)))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "a pipe"])
def test_a_pipe_or_a_device_in_the_file_s_place_is_neither_read_nor_written(path, records, device):
    sink = sink_at(path)
    sink.deliver(records[:1])
    for place in (path, path.with_name("events.jsonl.1")):
        place.unlink(missing_ok=True)
        os.mkfifo(place) if device == "a pipe" else place.symlink_to(device)
        with pytest.raises(SinkError, match="is no plain file"):
            JsonLines(JsonLinesConfig(path=str(path))).deliver(records)
        if place == path:
            with pytest.raises(ConfigError, match="is no plain file"):
                build(JsonLinesConfig(path=str(path)))
            with pytest.raises(SinkError, match=r"is no plain file|cannot be written"):
                sink.deliver(records)
        place.unlink()
        sink = sink_at(path)
        sink.deliver(records[:1])


@pytest.mark.parametrize("room", [1, 700, 1500])
def test_a_disk_that_takes_a_part_of_it_holds_no_half_line(path, records, room):
    """As on a full disk: the kernel takes some bytes of the batch, and then no more."""
    sink = sink_at(path)
    sink.deliver(records[:2])
    whole = path.stat().st_size
    bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole + room, bounds[1]))
    try:
        with pytest.raises(SinkError):
            sink.deliver(records[2:9])
        with pytest.raises(SinkError):
            sink.tell_health([Condition("disk", Level.BAD, "full" * 500)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bounds)
    assert path.read_bytes().endswith(b"}\n")
    assert ids(path) == [record.id for record in records[: len(ids(path))]]
    sink.deliver(records[2:9])
    assert ids(path) == [record.id for record in records[:9]]
