"""What stands in for a camera: films, streams, pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from waste_edge.device.cameras import media_source
from waste_edge.device.capture.convert import frame_of
from waste_edge.errors import CameraError, PictureError

RED, BLUE = (220, 30, 30), (30, 30, 220)  # RGB


@pytest.fixture
def film(tmp_path) -> Path:
    """Six frames at 5 a second: red, then blue."""
    path = tmp_path / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (64, 48))
    for colour in [RED] * 3 + [BLUE] * 3:
        writer.write(np.full((48, 64, 3), colour[::-1], np.uint8))
    writer.release()
    return path


def test_a_film_plays_at_its_own_pace_and_ends(clock, film):
    camera = media_source(str(film), clock).open()
    started_ns = clock.time_ns
    frames = [frame_of(camera.read()) for _ in range(6)]
    assert camera.read() is None
    times_s = [(frame.captured_ns - started_ns) / 1e9 for frame in frames]
    assert times_s == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert clock.slept == pytest.approx([0.2] * 5)
    assert np.abs(frames[0].pixels.mean(axis=(0, 1)) - RED).max() < 12
    assert np.abs(frames[-1].pixels.mean(axis=(0, 1)) - BLUE).max() < 12


def test_a_film_that_was_read_late_keeps_its_own_time_and_catches_up(clock, film):
    camera = media_source(str(film), clock).open()
    first = camera.read()
    clock.time_ns += 500_000_000  # someone was slow
    late = [camera.read() for _ in range(3)]
    assert [(frame.captured_ns - first.captured_ns) / 1e9 for frame in late] == pytest.approx([0.2, 0.4, 0.6])
    assert clock.slept == pytest.approx([0.1])


def test_a_truncated_film_is_refused_or_ends_early(clock, film, tmp_path):
    cut_off = tmp_path / "cut.mp4"
    cut_off.write_bytes(film.read_bytes()[:200])
    with pytest.raises(CameraError, match="neither a picture nor a video that can be read"):
        media_source(str(cut_off), clock).open()


def test_a_folder_is_walked_in_order_and_one_bad_picture_is_passed_over(clock, tmp_path):
    (tmp_path / "b").mkdir()
    Image.new("RGB", (3, 2), RED).save(tmp_path / "b" / "1.png")
    Image.new("RGB", (1, 1), BLUE).save(tmp_path / "c.jpg")
    (tmp_path / "a.jpg").write_text("no picture")
    (tmp_path / ".DS_Store").touch()
    source = media_source(str(tmp_path), clock)
    assert (source.live, source.still_images) == (False, True)
    camera = source.open()
    with pytest.raises(PictureError, match=r"a\.jpg: not a picture"):
        camera.read()
    names = []
    while (raw := camera.read()) is not None:
        names.append((Path(raw.name).name, frame_of(raw).pixels.shape))
    assert names == [("1.png", (2, 3, 3)), ("c.jpg", (1, 1, 3))]


def test_one_picture_is_a_source(clock, tmp_path):
    Image.new("RGB", (3, 2), RED).save(tmp_path / "one.png")
    camera = media_source(str(tmp_path / "one.png"), clock).open()
    assert camera.read().name.endswith("one.png")
    assert camera.read() is None


def test_what_is_not_there_is_said_at_once(clock, tmp_path):
    with pytest.raises(CameraError, match="no such file; expected a video, a folder of pictures, a picture or a URL"):
        media_source(str(tmp_path / "nothing.mp4"), clock)
    with pytest.raises(CameraError, match="holds no pictures"):
        media_source(str(tmp_path), clock)


def test_passwords_stay_out_of_titles_and_messages(clock):
    source = media_source("rtsp://admin:secret@127.0.0.1:9/live", clock)
    assert source.title == "rtsp://127.0.0.1:9/live"
    assert source.live
    with pytest.raises(CameraError) as caught:
        source.open()
    assert "secret" not in str(caught.value)


def test_a_film_of_enormous_frames_is_refused_before_one_is_decoded(clock, tmp_path):
    path = tmp_path / "big.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (4400, 2800))
    writer.write(np.zeros((2800, 4400, 3), np.uint8))
    writer.release()
    with pytest.raises(
        CameraError, match=r"big\.avi: its frames have 4400x2800 pixels, at most 11 million are possible"
    ):
        media_source(str(path), clock).open()
