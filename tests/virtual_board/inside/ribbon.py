"""libcamera and picamera2 as they are, with libcamera's own virtual camera: NV12, its times, requests that get lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import Look, back, check, lost, run_all

from waste_edge.device.capture import Absent, Opened
from waste_edge.imaging.frames import Frame

PYTHON = "/usr/bin/python3"
WORD = Path("/run/virtual-board")
# libcamera's bars: white, yellow, cyan, green, magenta, red, blue, black.
BARS = ("111", "110", "011", "010", "101", "100", "001", "000")


def bars(frame: Frame) -> list[str]:
    """Which of red, green and blue each of the eight bars has."""
    height, width = frame.pixels.shape[:2]
    row = frame.pixels[height // 4 : height // 4 + 10].mean(axis=0)
    return ["".join(str(int(value > 96)) for value in row[width * (2 * bar + 1) // 16]) for bar in range(8)]


def opens_and_gives_frames() -> None:
    with Look("picamera:0", PYTHON) as look:
        title = look.opened(90)
        frames = look.frames(5)
        told = f"{title}, {len(frames) / 5:.1f} frames a second"
        check("picamera2 with libcamera's virtual camera", "Virtual" in title and len(frames) > 20, told)
        if not frames:
            return
        size = f"{frames[0].width_px}x{frames[0].height_px}"
        seen = bars(frames[-1])
        first = seen.index(BARS[0]) if BARS[0] in seen else 0  # they wander to the left
        right = seen[first:] + seen[:first] == list(BARS)
        check("NV12, in colours the right way round", right, f"{size}: {' '.join(seen)}")
        age_ms = float(np.median(look.ages_ms))
        check("frames as old as SensorTimestamp says", 0 < age_ms < 300, f"{age_ms:.1f} ms, median")


def auto_takes_it() -> None:
    with Look("auto", PYTHON) as look:
        title = look.opened(90)
        check("auto takes the ribbon camera", title.startswith("picamera:0"), title)


def lost_requests() -> None:
    with Look("picamera:0", PYTHON) as look:
        look.opened(90)
        WORD.write_text("lost")
        check("lost requests: the loss is told", *lost(look, 6))
        look.news.clear()
        look.frames(30)
        opened = sum(isinstance(each, Opened) for each in look.news)
        tries = sum(isinstance(each, Absent) for each in look.news)
        check("no false ok while none comes", opened == 0 and tries > 0, f"{opened} times ok, {tries} attempts in 30 s")
        WORD.write_text("")
        check("and frames come back", *back(look, 30))


def late_requests() -> None:
    with Look("picamera:0", PYTHON) as look:
        look.opened(90)
        WORD.write_text("late")
        look.frames(3)
        look.ages_ms.clear()
        frames = look.frames(12)
        gone = any(isinstance(each, Absent) for each in look.news)
        WORD.write_text("")
        age_ms = float(np.median(look.ages_ms)) if look.ages_ms else 0.0
        right = len(frames) > 2 and not gone and age_ms > 1000
        check(
            "late requests: frames go on, and are as old as they are", right, f"{len(frames)} in 12 s, {age_ms:.0f} ms"
        )
        look.frames(4)
        look.ages_ms.clear()
        look.frames(3)
        check("and young again afterwards", float(np.median(look.ages_ms)) < 300, f"{np.median(look.ages_ms):.1f} ms")


if __name__ == "__main__":
    run_all((opens_and_gives_frames, auto_takes_it, lost_requests, late_requests))
