"""Looks at many pictures: by this process or by others, remembered or not, they are the same."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waste_edge.dataset import looking, picture_hash, remembered
from waste_edge.dataset.looking import Look, Looker
from waste_edge.dataset.near_hashes import unpacked
from waste_edge.dataset.remembered import pictures_folder, sum_of
from waste_edge.imaging.image_files import read_picture


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own; files that were just made count as settled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(remembered, "_SETTLED_NS", 0)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Twelve pictures, a plain one and a broken one among them."""
    folder = tmp_path / "photos" / "a"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for index in range(10):
        pixels = generator.integers(0, 256, (20, 14 + index, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    Image.new("RGB", (20, 20), (9, 9, 9)).save(folder / "plain.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return sorted(folder.iterdir())


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that this process has looked at."""
    found: list[Path] = []
    whole = looking.look_at

    def counted(path: Path, measure: looking.Measure | None) -> Look:
        found.append(path)
        return whole(path, measure)

    monkeypatch.setattr(looking, "look_at", counted)
    return found


def look(photos: list[Path], measure: str = "tests.dataset.measures:size", processes: int = 1) -> list[Look]:
    return list(Looker(measure, processes).look(photos[0].parents[1], photos))


def test_a_look_is_what_the_file_holds(photos: list[Path]) -> None:
    for path, one in zip(photos, look(photos), strict=True):
        if path.name == "broken.jpg":
            assert str(one.error()).startswith(f"{path}: ")
            continue
        pixels = read_picture(path)
        bits = picture_hash(pixels)
        assert one.error() is None
        assert one.sha256 == hashlib.sha256(path.read_bytes()).digest()
        assert one.measures == f"{pixels.shape[1]}x{pixels.shape[0]}".encode()
        assert (one.hash == b"") == (bits is None) == (path.name == "plain.png")
        if bits is not None:
            np.testing.assert_array_equal(unpacked([one.hash])[0], bits)


def test_processes_see_the_same_in_the_same_order(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = look(photos)
    monkeypatch.setenv("XDG_CACHE_HOME", str(photos[0].parents[2] / "another"))
    monkeypatch.setattr(looking, "FEW", 1)
    monkeypatch.setattr(looking, "_CHUNK", 2)
    monkeypatch.setattr(looking, "look_at", None)  # not in this process
    assert look(photos, processes=2) == alone
    assert list(Looker("tests.dataset.measures:size", 2).look(photos[0].parents[1], photos)) == alone


def test_a_decoder_that_crashes_costs_its_picture(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    bad = photos[0].parent / "bad.png"
    Image.new("RGB", (13, 9)).save(bad)
    monkeypatch.setattr(looking, "FEW", 1)
    paths = [*photos, bad]
    looks = dict(zip(paths, look(paths, "tests.dataset.measures:deadly", 2), strict=True))
    assert str(looks[bad].error()) == f"{bad}: its decoder was killed by signal 11; remove it, or make it again"
    assert {path.name for path, one in looks.items() if one.error()} == {"bad.png", "broken.jpg"}
    assert looks[photos[0]].measures == b"alive"


def test_what_has_not_changed_is_not_read_again(photos: list[Path], read: list[Path]) -> None:
    first = look(photos)
    assert read == photos
    read.clear()
    assert look(photos) == first
    assert [path.name for path in read] == ["broken.jpg"], "an error may have gone"
    read.clear()
    Image.new("RGB", (33, 20), (7, 80, 9)).save(photos[0])
    again = look(photos)
    assert {path.name for path in read} == {"broken.jpg", photos[0].name}
    assert again[0].measures == b"33x20"
    assert again[1:] == first[1:]


def test_facts_without_measures_do_not_answer_who_wants_them(photos: list[Path], read: list[Path]) -> None:
    bare = look(photos, "")
    read.clear()
    whole = look(photos)
    assert read == photos
    assert [one.sha256 for one in bare] == [one.sha256 for one in whole]
    read.clear()
    assert [one.hash for one in look(photos, "")] == [one.hash for one in bare]
    assert [path.name for path in read] == ["broken.jpg"], "those with measures answer who wants none"
    assert look(photos[:1], "tests.dataset.measures:deadly")[0].measures == b"alive", "another measure is asked for"


def test_a_file_that_was_just_written_is_read_again(
    photos: list[Path], read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_SETTLED_NS", 3_600_000_000_000)
    look(photos)
    look(photos)
    assert read == [*photos, *photos]


@pytest.mark.parametrize("damage", ["no database", "flipped", "no facts"])
def test_what_is_damaged_is_not_believed(photos: list[Path], read: list[Path], damage: str) -> None:
    first = look(photos)
    (path,) = pictures_folder().glob("*.sqlite")
    if damage == "no database":
        path.write_bytes(b"none" * 2000)
    else:
        connection = sqlite3.connect(path)
        rows = connection.execute("SELECT name, facts FROM pictures").fetchall()
        with connection:
            for name, facts in rows:
                bad = facts[:-1] + bytes([facts[-1] ^ 1]) if damage == "flipped" else b""
                connection.execute("UPDATE pictures SET facts = ? WHERE name = ?", (bad, name))
        connection.close()
    read.clear()
    assert look(photos) == first
    assert read == photos


def test_without_a_place_to_keep_them_all_are_read(
    photos: list[Path], read: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert look(photos) == look(photos)
    assert read == [*photos, *photos]


def test_the_least_recently_used_go_when_there_is_too_much(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(photos)
    (before,) = pictures_folder().glob("*.sqlite")
    monkeypatch.setattr(remembered, "_MOST_BYTES", 1)
    other = tmp_path / "other" / "a" / "1.png"
    other.parent.mkdir(parents=True)
    other.write_bytes(photos[0].read_bytes())
    look([other])
    assert not before.exists()
    assert len(list(pictures_folder().glob("*.sqlite"))) == 1


def test_a_sum_is_taken_anew_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "one"
    for content in (b"first", b"later"):
        path.write_bytes(content)
        assert sum_of(path) == sum_of(path) == hashlib.sha256(content).hexdigest()
