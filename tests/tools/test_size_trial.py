"""Very many pictures: what is planted is found, a check that was killed goes on, and it stays within its bounds."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import size_trial
from tools.many_pictures import Planted, make_pictures
from tools.size_trial import Record, Row, found_what_was_planted, measured, share_done, table
from waste_edge.cli import common

CHECK = [sys.executable, "-m", "waste_edge", "data", "check"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Planted]:
    folder = tmp_path_factory.mktemp("many") / "pictures"
    planted = make_pictures(folder, 1400, 32)
    time.sleep(2.1)  # what is younger is not remembered
    return folder, planted


def kept(cache: Path) -> int:
    """Pictures of which something is remembered."""
    found = 0
    for path in cache.rglob("*.sqlite"):
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            found += connection.execute("SELECT count(*) FROM pictures").fetchone()[0]
        except sqlite3.OperationalError:  # not made yet
            pass
        finally:
            connection.close()
    return found


def test_the_same_count_and_seed_give_the_same_pictures(made: tuple[Path, Planted], tmp_path: Path) -> None:
    folder, planted = made
    again = make_pictures(tmp_path / "again", 700, 32)
    assert again.files == 700
    assert planted.files == 1400
    for path in sorted((tmp_path / "again").rglob("*.*"))[::20]:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path / "again")).read_bytes()


def test_a_killed_check_goes_on_and_tells_the_same(made: tuple[Path, Planted], tmp_path: Path) -> None:
    folder, planted = made
    killed = subprocess.Popen(
        [*CHECK, str(folder), "--json"],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "killed")},
    )
    until = time.monotonic() + 120
    while not (done := kept(tmp_path / "killed")) and killed.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert 0 < done < planted.pictures
    reports = []
    for name in ("killed", "whole"):
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / name)}
        ended = subprocess.run([*CHECK, str(folder), "--json"], capture_output=True, env=environment, check=False)
        assert ended.returncode == 2, ended.stderr
        reports.append(ended.stdout.decode())
    assert reports[0] == reports[1]
    assert found_what_was_planted(reports[0], planted) == []


def test_a_report_that_misses_something_is_named() -> None:
    report = json.dumps({"pictures": 9, "findings": [{"kind": "unreadable", "suspects": [{"file": "a", "group": 0}]}]})
    assert found_what_was_planted(report, Planted(pictures=9, unreadable=1)) == []
    assert found_what_was_planted(report, Planted(pictures=9, unreadable=2, alike=1)) == [
        "unreadable: found 1, planted 2",
        "alike: found 0, planted 1",
    ]


def test_progress_goes_to_stderr_with_an_estimate(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(common, "LINE_EVERY_S", 0.01)
    with common.progress_bar("looking") as progress:
        for done in (1000, 2000, 4000):
            time.sleep(0.02)
            progress(done, 4000)
    out, lines = capsys.readouterr()
    assert out == ""
    assert [line.rpartition(", about")[0] for line in lines.splitlines()] == [
        "looking: 1,000 of 4,000",
        "looking: 2,000 of 4,000",
    ]
    assert all(line.endswith("s left") for line in lines.splitlines())
    assert share_done(lines.splitlines()[1]) == 0.5
    assert share_done("warning: 3 of the pictures") == 0.0


def test_what_is_soon_done_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with common.progress_bar("looking") as progress:
        progress(1, 2)
        progress(2, 2)
    assert capsys.readouterr() == ("", "")


def test_a_record_is_shown_as_a_table() -> None:
    rows = [Row(pictures=n, stage="check", wall_s=n / 100, cpu_s=n / 50, peak_mb=900.0) for n in (1000, 2000)]
    record = Record(
        created="2026-11-28T00:00:00+00:00", command="x", machine="a board", load=[1.0], resumed_alike=True, rows=rows
    )
    assert "| check | 10 s, CPU 20 s, 900 MB | 20 s, CPU 40 s, 900 MB |" in table(record)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_memory_is_bounded_and_time_near_linear(tmp_path: Path) -> None:
    """Processor time of a fourfold number of pictures is at most 4.8 times as much, and memory below 2 GB."""
    rows: dict[int, Row] = {}
    for count in (5_000, 20_000):
        home = tmp_path / str(count)
        home.mkdir()
        planted = make_pictures(home / "pictures", count)
        rows[count], report = measured(count, "check", [*CHECK, str(home / "pictures"), "--json"], home / "cache")
        assert found_what_was_planted(report, planted) == []
    assert max(row.peak_mb for row in rows.values()) < size_trial.MOST_MB
    assert rows[20_000].cpu_s < 1.2 * 4 * rows[5_000].cpu_s
