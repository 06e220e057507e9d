"""Store of crops: files and index agree whatever happened, and what is deleted is gone from both."""

from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tests.device.collect.crops import id_of
from waste_edge.device.collect.index import RECOVERED, Crop
from waste_edge.device.collect.store import CropStore
from waste_edge.errors import ConfigError

DAY_S = 86_400.0
CROP = Crop(
    id=id_of(1), file=f"{id_of(1)}.jpg", bytes=3, reasons="asked", label="unknown", stream="ask", confidence=0.4,
    answer_label=None, answer_stream=None, time_s=1e9, in_step=True, boot_id="boot-1", kept_ns=5, lived_s=0.0,
)  # fmt: skip


def crop(number: int, **changes) -> Crop:
    return replace(CROP, **{"id": id_of(number), "file": f"{id_of(number)}.jpg", **changes})


@pytest.fixture
def store(tmp_path: Path):
    opened = CropStore(tmp_path)
    yield opened
    opened.close()


def agree(store: CropStore) -> list[str]:
    """The crops, which files and rows both have."""
    rows, files = [one.file for one in store.index.crops()], list(store.files())
    assert sorted(rows) == sorted(files)
    return sorted(files)


def test_a_crop_is_a_file_that_others_cannot_read_and_a_row(store: CropStore) -> None:
    store.add(CROP, b"abc")
    path = store.folder / CROP.file
    assert path.read_bytes() == b"abc"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o750
    assert store.index.crops() == [CROP]
    store.add(replace(CROP, label="again"), b"abc")
    assert store.index.crops() == [CROP], "one row an item"


def test_what_a_kill_leaves_is_mended(store: CropStore) -> None:
    for number in (1, 2, 3):
        store.add(crop(number), b"abc")
    (store.folder / crop(1).file).unlink()  # killed between deleting a file and its row
    (store.folder / crop(4).file).write_bytes(b"abcd")  # killed between writing a file and its row
    (store.folder / crop(5).file).write_bytes(b"")
    (store.folder / f"{id_of(2)}.png").write_bytes(b"a second file of an item")
    (store.folder / f".{crop(6).file}.x7").write_bytes(b"ab")  # killed while it was written
    (store.folder / "notes.txt").write_bytes(b"somebody's")
    store.reconcile(lived_s=50.0)
    assert agree(store) == [crop(number).file for number in (2, 3, 4)]
    taken_up = store.index.crops()[-1]
    assert (taken_up.id, taken_up.reasons, taken_up.bytes, taken_up.lived_s) == (id_of(4), RECOVERED, 4, 50.0)
    assert {path.name for path in store.folder.iterdir()} == {*agree(store), "index.sqlite", "notes.txt"}


def test_age_is_run_time_and_where_clocks_were_right_the_calendar(store: CropStore) -> None:
    store.add(crop(1, lived_s=0.0, time_s=1000 * DAY_S), b"abc")
    store.add(crop(2, lived_s=5 * DAY_S, time_s=990 * DAY_S), b"abc")
    store.add(crop(3, lived_s=5 * DAY_S, time_s=0.0, in_step=False), b"abc")
    assert store.prune(6 * DAY_S, None, 7 * DAY_S, 1000) == 0, "no clock is right: run time alone"
    assert store.prune(6 * DAY_S, 1002 * DAY_S, 7 * DAY_S, 1000) == 1, "by the calendar"
    assert agree(store) == [crop(1).file, crop(3).file]
    assert store.prune(8 * DAY_S, None, 7 * DAY_S, 1000) == 1, "by run time"
    assert agree(store) == [crop(3).file]
    store.index.put_right("boot-1", 2000 * DAY_S, 5 + int(3 * DAY_S * 1e9))
    (mended,) = store.index.crops()
    assert (mended.in_step, mended.time_s) == (True, pytest.approx(1997 * DAY_S))


def test_beyond_its_size_the_oldest_go(store: CropStore) -> None:
    for number in range(10):
        store.add(crop(number, lived_s=float(number), bytes=100), b"x" * 100)
    assert store.prune(9.0, None, DAY_S, 450) == 6
    assert agree(store) == [crop(number).file for number in range(6, 10)]
    assert store.index.total() == (4, 400)


def test_an_answer_labels_a_crop_and_may_add_a_reason(store: CropStore) -> None:
    store.add(CROP, b"abc")
    assert store.index.answer(CROP.id, "metal", "yellow", "corrected")
    assert store.index.answer(CROP.id, None, "blue", "corrected")
    assert not store.index.answer(id_of(9), "metal", "yellow")
    (found,) = store.index.crops()
    assert (found.answer_label, found.answer_stream, found.reasons) == (None, "blue", "asked,corrected")


def test_purging_leaves_nothing_of_ours(store: CropStore) -> None:
    store.add(CROP, b"abc")
    (store.folder / crop(2).file).write_bytes(b"without a row")
    (store.folder / "notes.txt").write_bytes(b"somebody's")
    assert store.purge() == 1
    assert agree(store) == []
    assert (store.folder / "notes.txt").exists()
    assert CROP.id.encode() not in (store.folder / "index.sqlite").read_bytes(), "rows are overwritten"


def test_a_damaged_index_is_made_anew_by_the_station_and_refused_by_others(tmp_path: Path) -> None:
    store = CropStore(tmp_path)
    store.add(CROP, b"abc")
    store.close()
    (store.folder / "index.sqlite").write_bytes(b"this is no database at all" * 400)
    with pytest.raises(sqlite3.DatabaseError):
        CropStore(tmp_path)
    mended = CropStore(tmp_path, mends=True)
    mended.reconcile(0.0)
    assert "damaged" in mended.remark
    assert [one.reasons for one in mended.index.crops()] == [RECOVERED]
    mended.purge()
    assert {path.name for path in mended.folder.iterdir()} == {"index.sqlite"}
    mended.close()


def test_another_version_s_index_is_left_alone(tmp_path: Path) -> None:
    CropStore(tmp_path).close()
    with sqlite3.connect(tmp_path / "collect" / "index.sqlite") as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(ConfigError, match="schema 9, this program reads schema 1"):
        CropStore(tmp_path, mends=True)


def test_run_time_is_kept(tmp_path: Path) -> None:
    store = CropStore(tmp_path)
    assert store.index.lived_s() == 0.0
    store.add(crop(1, lived_s=12.5), b"abc")
    store.close()
    again = CropStore(tmp_path)
    assert again.index.lived_s() == 12.5
    again.index.keep_lived(99.0)
    assert again.index.lived_s() == 99.0
    again.close()
