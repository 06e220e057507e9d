"""Films that a person made: the table is read strictly, and the film is played through the loop."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.rehearsal.conftest import COLOURS, SMALL, coloured, grey_ground
from waste_edge.errors import CameraError, DataError
from waste_edge.rehearsal.film import FPS, ComposedVideo
from waste_edge.rehearsal.items import choose
from waste_edge.rehearsal.play import VideoClock
from waste_edge.rehearsal.recorded import read_videos
from waste_edge.rehearsal.rehearse import RehearsedStation, rehearse_recorded

LABELS = ("blue", "green", "red")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A video file of two items, with its table."""
    rng = np.random.default_rng(0)
    things, _ = choose([*coloured("red", COLOURS["red"], 1), *coloured("blue", COLOURS["blue"], 1)], 2, rng)
    composed = ComposedVideo("film", grey_ground(), things, [0], SMALL)
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (320, 240))
    for frame in composed.frames():
        writer.write(cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR))
    writer.release()
    rows = [f"film.avi,{visit.arrives_s},{visit.gone_s},{visit.label}" for visit in composed.visits]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["file,start_s,end_s,label", *rows]) + "\n", encoding="utf-8")
    return table


def test_a_film_is_played_at_once_and_scored(station: RehearsedStation, film: Path) -> None:
    films = read_videos(film, LABELS, VideoClock())
    report = rehearse_recorded(station, films, "table").report
    assert (report.missed, report.doubled, report.extra) == (0, 0, 0)
    assert report.known is not None
    assert report.known.label_right.value == 1.0
    assert report.material.seed is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file,start_s,label\n", "column end_s is missing"),
        ("file,start_s,end_s,label,colour\n", "unknown column 'colour'"),
        ("file,start_s,end_s,label\n", "no rows"),
        ("file,start_s,end_s,label\nfilm.avi,1,2\n", "line 2: expected 4 cells"),
        ("file,start_s,end_s,label\nfilm.avi,one,2,red\n", "start_s 'one'"),
        ("file,start_s,end_s,label\nfilm.avi,nan,2,red\n", "start_s 'nan'"),
        ("file,start_s,end_s,label\nfilm.avi,3,2,red\n", "must be before"),
        ("file,start_s,end_s,label\nfilm.avi,1,2,purple\n", "label 'purple'"),
        ("file,start_s,end_s,label\nfilm.avi,1,4,red\nfilm.avi,3,6,blue\n", "two items are in view at 3 s"),
        ("file,start_s,end_s,label\nnowhere.avi,1,4,red\n", "no such film"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_line(film: Path, text: str, complaint: str) -> None:
    film.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=complaint):
        read_videos(film, LABELS, VideoClock())


def test_a_file_that_is_no_film_is_refused(station: RehearsedStation, film: Path) -> None:
    (film.parent / "film.avi").write_bytes(b"no film")
    with pytest.raises(CameraError):
        rehearse_recorded(station, read_videos(film, LABELS, VideoClock()), "table")


def test_a_pipe_in_the_table_s_place_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waste_edge.files.bounded.MAX_WAIT_FOR_TEXT_S", 0.1)
    os.mkfifo(tmp_path / "table.csv")
    with pytest.raises(DataError, match="a pipe"):
        read_videos(tmp_path / "table.csv", LABELS, VideoClock())
