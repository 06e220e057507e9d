"""A bin is filmed: the demo clip played into a camera's driver, and the whole station behind it."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from common import check, run_all, said

import waste_edge

CLIP = Path(waste_edge.__file__).parent / "demo/clip.mp4"
PROGRAM = "/opt/waste-edge/current/bin/waste-edge"
DEVICE, ITEMS, FPS = "/dev/video20", 10, 15
PICTURES, EACH, FRAMES_A_PICTURE = Path("/tmp/film"), 2, 4  # libcamera shows each picture four times
VIRTUAL = Path("/usr/share/libcamera/pipeline/virtual/virtual.yaml")
_SET_FORMAT, _OUTPUT = 0xC0D05605, 2  # VIDIOC_S_FMT: struct v4l2_format, 208 bytes


def clip() -> list[np.ndarray]:
    """All pictures of the clip, BGR, with the noise that a sensor has."""
    capture, found = cv2.VideoCapture(str(CLIP)), []
    noise = np.random.default_rng(3).integers(0, 4, (512, 672, 3), dtype=np.uint8)
    while (got := capture.read())[0]:
        number = len(found)
        found.append(cv2.add(got[1], noise[number * 7 % 32 :, number * 13 % 32 :][:480, :640]))
    return found


def feed(wait_s: float) -> None:
    """Show the empty bin for so long, then the film, then its last picture."""
    pictures = clip()
    with Path(DEVICE).open("wb", buffering=0) as device:
        height, width = pictures[0].shape[:2]
        layout = (int.from_bytes(b"BGR3", "little"), 1, width * 3, width * height * 3)
        wanted = struct.pack("=8I", _OUTPUT, 0, width, height, *layout)
        fcntl.ioctl(device, _SET_FORMAT, bytearray(wanted.ljust(208, b"\0")))
        empty = round(wait_s * FPS)
        last = [len(pictures) - 1 - number % 5 for number in range(20 * FPS)]
        shown = [*(number % 15 for number in range(empty)), *range(len(pictures)), *last]
        started = time.monotonic()
        for count, number in enumerate(shown):
            time.sleep(max(0.0, started + count / FPS - time.monotonic()))
            os.write(device.fileno(), pictures[number].tobytes())


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


def through_v4l2loopback() -> None:
    said("modprobe v4l2loopback video_nr=20 card_label=bin exclusive_caps=1; sleep 2")
    with subprocess.Popen([sys.executable, __file__, "feed", "45"]) as feeder:
        time.sleep(12)  # the device is a camera once somebody writes
        lines = station(DEVICE, 85)
        feeder.kill()
    decided(lines, "v4l2loopback")


def through_libcamera() -> None:
    PICTURES.mkdir(exist_ok=True)
    pictures = clip()
    shown = [pictures[number % 10] for number in range(60)] + pictures[::EACH]
    for number, picture in enumerate(shown):
        cv2.imwrite(str(PICTURES / f"{number}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    before = VIRTUAL.read_text()
    VIRTUAL.write_text(before.replace('test_pattern: "bars"', f'frames:\n    path: "{PICTURES}/"'))
    try:
        seconds = len(shown) * FRAMES_A_PICTURE / 30
        decided(station("picamera:0", seconds + 20), "libcamera's virtual camera")
    finally:
        VIRTUAL.write_text(before)


if __name__ == "__main__":
    if sys.argv[1:2] == ["feed"]:
        feed(float(sys.argv[2]))
    else:
        run_all((through_v4l2loopback, through_libcamera))
