"""What shells, scripts and full disks do to a command: one clear line, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from waste_edge.bundle.bundle import pack


def started(*arguments: object, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "waste_edge", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace", **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("verb", [("run", "--source"), ("verify",), ("evaluate", "small", "--data")])
def test_a_name_that_is_not_utf8_is_one_line(verb: tuple[str, ...], tmp_path: Path) -> None:
    strange = os.fsencode(tmp_path) + b"/clip\xff.mp4"
    command = [*map(os.fsencode, (sys.executable, "-m", "waste_edge", *verb)), strange]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"not a UTF-8 name" in done.stderr


def test_a_picture_of_such_a_name_in_a_data_folder_is_named(tmp_path: Path, colour_photos: Path) -> None:
    for label in ("cardboard", "glass"):
        (tmp_path / label).mkdir()
    picture = next((colour_photos / "images" / "red").glob("*.png")).read_bytes()
    (tmp_path / "glass" / "a.png").write_bytes(picture)
    with open(os.fsencode(tmp_path) + b"/cardboard/b\xff.png", "wb") as stream:  # noqa: PTH123  # not a Path's name
        stream.write(picture)
    process = started("evaluate", "small", "--data", tmp_path)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "rename the file" in complaint
    assert "Traceback" not in complaint


def test_an_empty_source_is_no_demo(waste_edge) -> None:  # type: ignore[no-untyped-def]
    outcome = waste_edge("run", "--source", "")
    assert outcome.exit_code == 2
    assert "decision" not in outcome.stdout


def test_an_empty_site_is_no_site(waste_edge) -> None:  # type: ignore[no-untyped-def]
    outcome = waste_edge("run", "--demo", "--site", "")
    assert outcome.exit_code == 2
    assert "four_bins" in outcome.stderr


def test_an_address_of_an_unknown_kind_is_refused_at_once(waste_edge) -> None:  # type: ignore[no-untyped-def]
    outcome = waste_edge("run", "--source", "ftp://user:secret@host/a.mp4")
    assert outcome.exit_code == 2
    assert "rtsp://" in outcome.stderr
    assert "secret" not in outcome.stderr


def test_a_report_goes_where_a_folder_exists(waste_edge, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    outcome = waste_edge("bench", "--seconds", "60", "--out", tmp_path / "typo" / "report.json")
    assert outcome.exit_code == 2
    assert not (tmp_path / "typo").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_not_called_our_bug(colour_photos: Path, unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        process = started("classify", colour_photos / "images" / "red", stdout=full, env=environment)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "no space left" in complaint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_zipped_bundle_leaves_nothing_when_a_signal_ends_the_command(
    number: signal.Signals, default_bundle: Path, tmp_path: Path
) -> None:
    pack(default_bundle, tmp_path / "small.zip")
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    process = started("bench", "--seconds", "60", "--bundle", tmp_path / "small.zip", env=environment)
    time.sleep(3)  # bundles are read where they lie: there is no folder to wait for
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert not list((tmp_path / "tmp").glob("waste-edge-*"))


@pytest.mark.parametrize(
    "words",
    [
        ("classify", "{}"),
        ("run", "--source", "{}"),
        ("run", "--camera", "synthetic", "--state", "{}"),
        ("run", "--config", "{}"),
        ("verify", "{}"),
        ("bench", "{}"),
        ("site", "check", "{}"),
        ("data", "check", "{}"),
        ("verify", "small", "--require-key", "{}"),
    ],
    ids=" ".join,
)
def test_a_name_longer_than_any_file_has_is_one_line(waste_edge, words: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    outcome = waste_edge(*(word.format("a" * 300) for word in words))
    assert outcome.exit_code == 2
    assert outcome.stderr.count("\n") == 1
    assert "File name too long" in outcome.stderr
