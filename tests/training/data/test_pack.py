"""What a training reads, in one small folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.sources import write_sources
from waste_edge.dataset import open_dataset, open_domains
from waste_edge.errors import DataError, UserError
from waste_edge.training.data.pack import pack


def test_a_packed_folder_is_the_same_data(colour_photos: Path, tmp_path: Path) -> None:
    domains = write_sources(tmp_path / "sources", ("blue", "green", "red"))
    told: list[tuple[int, int]] = []
    packed = pack(colour_photos, domains, tmp_path / "packed", 32, 60, lambda done, total: told.append((done, total)))
    before, after = open_dataset(colour_photos), open_dataset(tmp_path / "packed" / "data")
    assert after.fingerprint() == before.fingerprint()
    assert {photo.key: photo.group for photo in after.photos} == {photo.key: photo.group for photo in before.photos}
    allowed = open_domains(domains).teaching()
    there = open_domains(tmp_path / "packed" / "domains.csv")
    assert [(row.photo.key, row.photo.group, row.licence) for row in there.rows] == [
        (row.photo.key, row.photo.group, row.licence) for row in allowed.rows
    ]
    assert not list((tmp_path / "packed").rglob("measuring"))
    assert {min(row.photo.pixels().shape[:2]) for row in there.rows} == {32}
    assert packed.pictures == len(before.photos) + len(allowed.rows) == told[-1][0] == told[-1][1]
    assert packed.bytes == sum(path.stat().st_size for path in (tmp_path / "packed").rglob("*") if path.is_file())


def test_it_is_made_the_same_way_again(colour_photos: Path, tmp_path: Path) -> None:
    domains = write_sources(tmp_path / "sources", ("blue", "green", "red"))
    for name in ("a", "b"):
        pack(colour_photos, domains, tmp_path / name, 32, 60)
    files = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    ]
    assert files[0] == files[1]


def test_what_cannot_be_packed_is_told(colour_photos: Path, tmp_path: Path) -> None:
    domains = write_sources(tmp_path / "sources", ("blue", "green", "red"))
    with pytest.raises(DataError, match="pack takes a folder"):
        pack(domains, None, tmp_path / "packed", 32, 60)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    with pytest.raises(UserError, match="there"):
        pack(colour_photos, None, tmp_path / "there", 32, 60)
