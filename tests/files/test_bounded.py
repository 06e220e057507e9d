from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from waste_edge.errors import ConfigError
from waste_edge.files import bounded
from waste_edge.files.bounded import NotAFileError, TooLargeError, open_file, read_bounded
from waste_edge.files.strict import read_text


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(NotAFileError, match="is a pipe"):
        open_file(tmp_path / "a.jpg", 10)
    with pytest.raises(NotAFileError, match="gives nothing"):
        read_bounded(tmp_path / "a.jpg", 10)


def test_a_device_and_a_folder_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(NotAFileError, match="is a device"):
        read_bounded(Path("/dev/zero"), 10)
    with pytest.raises(IsADirectoryError):
        read_bounded(tmp_path, 10)


def test_a_shells_pipe_is_read(tmp_path: Path) -> None:
    """As in `--config <(envsubst < station.toml)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb") as stream:
            stream.write(b"one ")
            stream.flush()
            time.sleep(0.2)
            stream.write(b"two")

    writer = threading.Thread(target=write)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # so that the writer is there when we come
    writer.start()
    time.sleep(0.1)
    try:
        assert read_bounded(pipe, 100) == b"one two"
    finally:
        writer.join()
        os.close(reader)


def test_a_pipe_that_is_held_open_in_silence_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_WAIT_FOR_TEXT_S", 0.1)
    os.mkfifo(tmp_path / "pipe")
    held = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(NotAFileError, match="gives nothing"):
            read_bounded(tmp_path / "pipe", 100)
    finally:
        os.close(held)


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(2049))
    with pytest.raises(TooLargeError, match="larger than 2 KiB"):
        read_bounded(tmp_path / "large", 2048)
    with pytest.raises(ConfigError, match="larger than 2 KiB, the most that is read"):
        read_text(tmp_path / "large", 2048)


def test_a_byte_order_mark_is_left_out_and_utf_16_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfname = 1\n")
    assert read_text(tmp_path / "a.toml") == "name = 1\n"
    (tmp_path / "b.toml").write_text("name = 1", encoding="utf-16")
    with pytest.raises(ConfigError, match=r"not UTF-8.*save it as UTF-8"):
        read_text(tmp_path / "b.toml")


def test_a_path_with_nul_is_one_line() -> None:
    with pytest.raises(ConfigError, match="cannot be read as text"):
        read_text(Path("a\0b"))
