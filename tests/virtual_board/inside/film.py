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
ROLL = Path("/run/roll")  # the film begins when this is there
PICTURES, PACE = Path("/tmp/film"), Path("/run/virtual-board-fps")
REPEATS, FRAMES_A_SECOND = 4, 3  # libcamera shows each picture four times, and decodes all of them before the first
_SET_FORMAT, _OUTPUT = 0xC0D05605, 2  # VIDIOC_S_FMT: struct v4l2_format, 208 bytes
VIRTUAL = Path("/usr/share/libcamera/pipeline/virtual/virtual.yaml")


def clip() -> list[np.ndarray]:
    """All pictures of the clip, BGR, with the noise that a sensor has."""
    capture, found = cv2.VideoCapture(str(CLIP)), []
    noise = np.random.default_rng(3).integers(0, 4, (512, 672, 3), dtype=np.uint8)
    while (got := capture.read())[0]:
        number = len(found)
        found.append(cv2.add(got[1], noise[number * 7 % 32 :, number * 13 % 32 :][:480, :640]))
    return found


def feed() -> None:
    """Show the empty bin until somebody looks, then the film, then the empty bin again."""
    pictures = clip()
    with Path(DEVICE).open("wb", buffering=0) as device:
        height, width = pictures[0].shape[:2]
        layout = (int.from_bytes(b"BGR3", "little"), 1, width * 3, width * height * 3)
        wanted = struct.pack("=8I", _OUTPUT, 0, width, height, *layout)
        fcntl.ioctl(device, _SET_FORMAT, bytearray(wanted.ljust(208, b"\0")))
        started, shown, number = time.monotonic(), 0, 0
        while True:
            time.sleep(max(0.0, started + shown / FPS - time.monotonic()))
            os.write(device.fileno(), pictures[number].tobytes())
            shown += 1
            number = number + 1 if ROLL.exists() or number < FPS - 1 else 0
            if number == len(pictures):
                number -= FPS // 3


def station(camera: str, seconds: float) -> list[dict]:
    """What the station tells of one run; when it knows the empty bin, the film begins."""
    command = [PROGRAM, "run", "--camera", camera, "--camera-python", "/usr/bin/python3", "--json"]
    command += ["--duration", str(seconds), "--bundle", "small"]  # which learnt drawn items, as the clip's are
    told = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ran:
        for line in ran.stdout:
            print(line, end="", flush=True)
            told.append(json.loads(line))
            if told[-1].get("state") == "empty":
                ROLL.touch()
    return told


def decided(lines: list[dict], what: str) -> None:
    labels = [line["label"] for line in lines if line["kind"] == "decision"]
    wanted = [item["label"] for item in json.loads(CLIP.with_suffix(".json").read_text())["items"]]
    summary = lines[-1]
    right = sum(label == item for label, item in zip(labels, wanted, strict=False))
    told = f"{len(labels)} decided, {right} as in the clip; {summary['fps']:.1f} frames/s, "
    told += f"{summary['frame_age_p50_ms']:.0f} ms from capture to verdict"
    check(f"ten items through {what}: ten decided", len(labels) == ITEMS, f"{told}: {', '.join(labels)}")


def through_v4l2loopback() -> None:
    ROLL.unlink(missing_ok=True)
    said("modprobe v4l2loopback video_nr=20 card_label=bin exclusive_caps=1; sleep 2")
    with subprocess.Popen([sys.executable, "-B", __file__, "feed"]) as feeder:
        until = time.monotonic() + 60
        while "Video Capture" not in said(f"v4l2-ctl -d {DEVICE} --info") and time.monotonic() < until:
            time.sleep(1)  # the device is a camera once somebody writes
        lines = station(DEVICE, 60)
        feeder.kill()
    decided(lines, "v4l2loopback, at its own pace")


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
    if sys.argv[1:] == ["feed"]:
        feed()
    run_all((through_v4l2loopback, through_libcamera))
