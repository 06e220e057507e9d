"""A bin is filmed: the demo clip played into libcamera's virtual camera, and the whole station behind it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
from common import check, run_all

import waste_edge

CLIP = Path(waste_edge.__file__).parent / "demo/clip.mp4"
PROGRAM = "/opt/waste-edge/current/bin/waste-edge"
ITEMS, FPS = 10, 15
PICTURES, PACE = Path("/tmp/film"), Path("/run/virtual-board-fps")
REPEATS, FRAMES_A_SECOND = 4, 3  # libcamera shows each picture four times, and decodes all of them before the first
VIRTUAL = Path("/usr/share/libcamera/pipeline/virtual/virtual.yaml")


def clip() -> list[np.ndarray]:
    """All pictures of the clip, BGR, with the noise that a sensor has."""
    capture, found = cv2.VideoCapture(str(CLIP)), []
    noise = np.random.default_rng(3).integers(0, 4, (512, 672, 3), dtype=np.uint8)
    while (got := capture.read())[0]:
        number = len(found)
        found.append(cv2.add(got[1], noise[number * 7 % 32 :, number * 13 % 32 :][:480, :640]))
    return found


def station(camera: str, seconds: float) -> list[dict]:
    """What the station tells of one run."""
    command = [PROGRAM, "run", "--camera", camera, "--camera-python", "/usr/bin/python3", "--json"]
    command += ["--duration", str(seconds)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds + 180, check=False)
    print(ran.stdout[-3000:], flush=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def decided(lines: list[dict], what: str) -> None:
    labels = [line["label"] for line in lines if line["kind"] == "decision"]
    wanted = [item["label"] for item in json.loads(CLIP.with_suffix(".json").read_text())["items"]]
    summary = lines[-1]
    right = sum(label == item for label, item in zip(labels, wanted, strict=False))
    told = f"{len(labels)} decided, {right} as in the clip; {summary['fps']:.1f} frames/s, "
    told += f"{summary['frame_age_p50_ms']:.0f} ms from capture to verdict"
    check(f"ten items through {what}: ten decided", len(labels) == ITEMS, f"{told}: {', '.join(labels)}")


def through_libcamera() -> None:
    """A few pictures an item: the empty bin, and the item at rest."""
    PICTURES.mkdir(exist_ok=True)
    pictures, shown = clip(), list(range(6))
    for item in json.loads(CLIP.with_suffix(".json").read_text())["items"]:
        shown += [
            round(FPS * at_s) for at_s in (item["arrives_s"] - 0.2, item["settles_s"] + 0.4, item["settles_s"] + 1)
        ]
    shown += [len(pictures) - 1 - number for number in range(12)]  # empty, so that nothing comes twice
    for number, picture in enumerate(shown):
        small = cv2.resize(pictures[picture], (320, 240), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(PICTURES / f"{number}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 95])
    before = VIRTUAL.read_text()
    VIRTUAL.write_text(before.replace('test_pattern: "bars"', f'frames:\n    path: "{PICTURES}/"'))
    PACE.write_text(str(FRAMES_A_SECOND))
    try:
        lines = station("picamera:0", len(shown) * REPEATS / FRAMES_A_SECOND)
        decided(lines, "libcamera's virtual camera, three pictures an item")
    finally:
        VIRTUAL.write_text(before)
        PACE.unlink()


if __name__ == "__main__":
    run_all((through_libcamera,))
