"""Closed streams, readers that have enough, and text from outside: each command is a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from waste_edge.bundle.manifest import MANIFEST_NAME

WASTE_EDGE = [sys.executable, "-m", "waste_edge"]


def ask(*words: str | Path | bytes, cwd: Path, shell: str = "") -> subprocess.CompletedProcess[bytes]:
    command = [*map(os.fsencode, WASTE_EDGE), *map(os.fsencode, words)]
    if shell:
        return subprocess.run(["sh", "-c", f'"$@" {shell}', "sh", *command], cwd=cwd, capture_output=True, check=False)
    return subprocess.run(command, cwd=cwd, capture_output=True, check=False)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(30):
        Image.new("RGB", (40, 40), (90, 120, 60)).save(folder / f"{number}.png")
    return folder


def controls(told: bytes) -> set[int]:
    return {byte for byte in told if (byte < 0x20 and byte != 0x0A) or byte == 0x7F}


@pytest.mark.parametrize(
    "words", [("classify", "in/0.png"), ("run", "--source", "in/0.png", "--json"), ("inspect", "small")]
)
def test_a_closed_stdout_is_no_fault_of_ours(pictures: Path, words: tuple[str, ...]) -> None:
    done = ask(*words, cwd=pictures.parent, shell=">&-")
    assert (done.returncode, done.stderr) == (0, b"")


def test_all_streams_closed(pictures: Path) -> None:
    assert ask("run", "--source", "in", "--state", "st", cwd=pictures.parent, shell="<&- >&- 2>&-").returncode == 0
    database = next((pictures.parent / "st").glob("outbox*.sqlite")).read_bytes()
    assert database.startswith(b"SQLite format 3\0"), "nothing was printed into it"


@pytest.mark.parametrize("words", [("classify", "in", "--json"), ("run", "--source", "in", "--json"), ("--help",)])
def test_a_reader_that_has_enough_is_no_error(pictures: Path, words: tuple[str, ...]) -> None:
    script = '{ "$@"; echo $? >rc; } | head -c 20 >/dev/null'
    command = ["sh", "-c", script, "sh", *WASTE_EDGE, *words]
    done = subprocess.run(command, cwd=pictures.parent, capture_output=True, check=False)
    assert ((pictures.parent / "rc").read_text(), done.stderr) == ("0\n", b"")


def test_what_a_bundle_and_names_say_moves_no_cursor(tmp_path: Path, default_bundle: Path) -> None:
    shutil.copytree(default_bundle, tmp_path / "b")
    path = tmp_path / "b" / MANIFEST_NAME
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    document["name"] = "small\x1b[2J\x1b]0;pwned\x07[/]"
    document["calibration"]["fitted_on"] = "\x1b[31mx\u202e"
    path.write_text(json.dumps(document), encoding="utf-8")
    strange = b"a\x1b[2J\rq.png"
    Image.new("RGB", (40, 40)).save(os.fsencode(tmp_path) + b"/" + strange, "PNG")
    (tmp_path / "x\x1b]0;t\x07.png").write_text("no")
    (tmp_path / "s.toml").write_text('name = "s"\n"\\u001b[31mk" = 1\n', encoding="utf-8")
    for words in (
        ("inspect", "b"),
        ("verify", "b"),
        ("classify", strange, "--bundle", "b"),
        ("classify", "x\x1b]0;t\x07.png"),
        ("run", "--source", strange),
        ("run", "--source", "."),
        ("site", "check", "s.toml"),
        ("classify", "--\x1b[2J"),
    ):
        done = ask(*words, cwd=tmp_path)
        told = done.stdout + done.stderr
        assert b"internal error" not in told, words
        assert not controls(told), (words, told)
        assert "\u202e" not in told.decode(), words


def test_a_name_of_other_bytes_ends_no_station(tmp_path: Path, pictures: Path) -> None:
    (pictures / "5.png").rename(pictures / os.fsdecode(b"caf\xe9.png"))
    for _ in range(2):  # again after a restart
        done = ask("run", "--source", "in", "--state", b"st\xe9", "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        decided = [one for line in done.stdout.splitlines() if (one := json.loads(line))["kind"] == "decision"]
        assert len(decided) == 30
        assert "in/caf\\udce9.png" in [one["path"] for one in decided]


def test_pictures_that_are_not_read_are_named(tmp_path: Path, pictures: Path) -> None:
    (pictures / "0.png").rename(pictures / "0.heic")
    (pictures / "1.png").rename(pictures / "1.jfif")
    for words in (("classify", "in"), ("run", "--source", "in", "--json")):
        done = ask(*words, cwd=tmp_path)
        assert done.returncode == 0
        assert done.stderr.decode().count("\n") == 1
        assert b"passed over 1 .heic: not a kind of picture that is read" in done.stderr
        assert b"read as pictures: 1 .jfif" in done.stderr


def test_a_pipe_among_pictures_is_told(tmp_path: Path, pictures: Path) -> None:
    os.mkfifo(pictures / "a.jpg")
    for words in (("classify", "in"), ("run", "--source", "in", "--json")):
        done = ask(*words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (2, b"waste-edge: in/a.jpg: is a pipe, expected a picture\n")


def test_a_station_file_with_a_byte_order_mark(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "s.toml").write_bytes(b'\xef\xbb\xbfname = "n"\nsource = "in/3.png"\n')
    assert ask("run", "--config", "s.toml", cwd=tmp_path).returncode == 0


def test_an_option_lists_the_words_it_takes(waste_edge: Callable[..., Any]) -> None:
    outcome = waste_edge("classify", "a.jpg", "--engine", "tflite")
    assert outcome.exit_code == 2
    for word in ("auto", "onnx", "litert"):
        assert word in outcome.stderr


def test_a_terminal_that_is_closed_ends_a_run_well(tmp_path: Path) -> None:
    command = [*WASTE_EDGE, "run", "--camera", "synthetic:30", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()  # the start
        time.sleep(0.5)
        process.send_signal(signal.SIGHUP)
        rest = process.stdout.read().splitlines()
        assert process.wait(20) == 0
        assert (json.loads(rest[-1])["kind"], json.loads(rest[-1])["ended"]) == ("summary", "SIGHUP")
        assert process.stderr.read() == ""
