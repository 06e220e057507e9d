from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from waste_edge.errors import UserError
from waste_edge.files.atomic import folder_in_one_piece, sha256_of, telling_a_full_disk, write_atomically


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("content", [b"\x00\xff", "späti\n"])
def test_writing_makes_folders_and_leaves_nothing_else(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "deep" / "er" / "a.json"
    write_atomically(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    monkeypatch.setattr(os, failing, full_disk)
    with pytest.raises(UserError, match=r"a\.json: cannot be written \(No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "a.json", "x")
    with pytest.raises(UserError, match="cannot be written"):
        write_atomically(tmp_path, "x")
    with (
        pytest.raises(UserError, match="cannot be written"),
        folder_in_one_piece(tmp_path / "file" / "a"),
    ):
        pytest.fail("must not get here")


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_appears_whole(tmp_path: Path, exists: bool) -> None:
    target = tmp_path / "bundle"
    if exists:
        target.mkdir()
    with folder_in_one_piece(target) as folder:
        (folder / "a").write_text("a")
        assert not (target / "a").exists()
    assert (target / "a").read_text() == "a"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_fails_vanishes(tmp_path: Path) -> None:
    def half_a_folder() -> None:
        with folder_in_one_piece(tmp_path / "bundle") as folder:
            (folder / "a").write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_a_folder()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "precious").touch()
    with pytest.raises(UserError, match="exists already"), folder_in_one_piece(tmp_path / "bundle"):
        pytest.fail("must not get here")
    assert (tmp_path / "bundle" / "precious").exists()


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_in_one_line(number: int) -> None:
    with (
        pytest.raises(UserError, match=r"^/there/a: cannot be written \(.+\); tidy up$"),
        telling_a_full_disk("tidy up"),
    ):
        raise OSError(number, os.strerror(number), "/there/a")


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(PermissionError), telling_a_full_disk("tidy up"):
        raise PermissionError(errno.EACCES, "no")
