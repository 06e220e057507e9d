"""Cameras found by setup, and a picture in letters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from waste_edge.device.setup.pictures import (
    FoundCamera,
    find_cameras,
    in_letters,
    look_through,
    read_picture,
    remark_on,
)
from waste_edge.device.system.command import Answer


def test_cameras_by_names_that_stay_and_ribbons_first(tmp_path: Path) -> None:
    for number, name in ((0, "HD Webcam"), (1, "bcm2835-codec-decode"), (12, "Other")):
        folder = tmp_path / f"sys/class/video4linux/video{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (tmp_path / "dev").mkdir(exist_ok=True)
        (tmp_path / f"dev/video{number}").touch()
    found = find_cameras(tmp_path, lambda command, timeout_s: Answer(0, "1\n"))
    assert found == [
        FoundCamera("picamera:0", "ribbon camera"),
        FoundCamera(str(tmp_path / "dev/video0"), "HD Webcam"),
        FoundCamera(str(tmp_path / "dev/video12"), "Other"),
    ]
    assert find_cameras(tmp_path / "none", lambda command, timeout_s: None) == []


def test_a_picture_of_a_real_capture_process(tmp_path: Path) -> None:
    look = look_through("synthetic:30", tmp_path)
    assert look.fault == ""
    assert look.path is not None
    pixels = read_picture(look.path)
    assert pixels.shape[2] == 3
    assert remark_on(pixels) == ""
    assert look.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(2, "", "/dev/video0: is busy: another program uses it: cheese (pid 12)\n"), "cheese (pid 12)"),
        (Answer(None), "gave no picture within 15 s"),
        (None, "gave no picture within 15 s"),
        (Answer(1), "exit code 1"),
        (Answer(0, "title"), "exit code 0"),  # and no file
    ],
)
def test_no_picture_is_a_reason(tmp_path: Path, answer: Answer | None, fault: str) -> None:
    asked: list[tuple[list[str], dict[str, str]]] = []

    def run(command, timeout_s, environment):
        asked.append((list(command), environment))
        return answer

    look = look_through("rtsp://admin:hunter2@cam/1", tmp_path, run)
    assert "hunter2" not in " ".join(asked[0][0])
    assert asked[0][1]["WASTE_EDGE_GRAB"] == "rtsp://admin:hunter2@cam/1"
    assert fault in look.fault
    assert look.path is None


def test_two_pixels_a_letter_in_their_own_colours() -> None:
    pixels = np.zeros((4, 2, 3), np.uint8)
    pixels[0, 0], pixels[1, 0], pixels[2, 1] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    text = in_letters(pixels, 2)
    assert text.plain == "▀▀\n▀▀"
    console = Console(force_terminal=True, color_system="truecolor", width=20, legacy_windows=False)
    with console.capture() as captured:
        console.print(text)
    assert "38;2;255;0;0;48;2;0;255;0m▀" in captured.get()
    assert "38;2;0;0;255;48;2;0;0;0m▀" in captured.get()
    wide = in_letters(np.zeros((480, 640, 3), np.uint8), 40)
    assert [len(line) for line in wide.plain.splitlines()] == [40] * 15


def test_a_picture_that_shows_nothing_is_remarked_on() -> None:
    assert "black" in remark_on(np.full((10, 10, 3), 5, np.uint8))
    assert "white" in remark_on(np.full((10, 10, 3), 250, np.uint8))
    half = np.full((10, 10, 3), 5, np.uint8)
    half[5:] = 200
    assert remark_on(half) == ""
