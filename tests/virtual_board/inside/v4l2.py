"""V4L2 through the kernel's own test driver, vivid: what is seen, and what is said of what cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
from common import Look, check, control, run_all, said

from waste_edge.device.capture import Absent, Opened
from waste_edge.imaging.frames import Frame

SINGLE, PLANES, OUTPUT, META = "/dev/video4", "/dev/video5", "/dev/video0", "/dev/video1"
# vid_cap_nr and so on give numbers: what is no camera comes first. An output by itself would crash the kernel.
LOAD = (
    "modprobe vivid n_devs=2 node_types=0x20101,0x1 multiplanar=1,2 vid_cap_nr=4,5 vid_out_nr=0,-1 meta_cap_nr=1,-1"
    " num_inputs=2,1 input_types=0x4,0x0"
)
BARS = ((191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0))
GRAB = "/opt/waste-edge/current/bin/python -m waste_edge.device.doctor.grab_frame"


def bars_off(frame: Frame) -> int:
    """How far the eight bars of the test pattern are from their colours, at most, in the lower half."""
    height, width = frame.pixels.shape[:2]
    row = frame.pixels[height * 3 // 4 - 5 : height * 3 // 4 + 5].mean(axis=0)
    seen = [row[width * (2 * bar + 1) // 16] for bar in range(8)]
    return int(np.abs(np.array(seen) - BARS).max())


def text_is_above(frame: Frame) -> bool:
    """vivid writes its text into the upper half."""
    upright = np.abs(np.diff(frame.pixels[:, ::4, 1].astype(np.int16), axis=0)).sum(axis=1)
    half = len(upright) // 2
    return bool(upright[:half].sum() > 5 * upright[half:].sum())


def colours_and_orientation() -> None:
    for device, planes in ((SINGLE, "one plane"), (PLANES, "several planes")):
        with Look(device) as look:
            title = look.opened()
            frames = look.frames(3)
            off = max((bars_off(frame) for frame in frames[-5:]), default=255)
            above = all(text_is_above(frame) for frame in frames[-2:])
            size = f"{frames[0].width_px}x{frames[0].height_px}" if frames else "nothing"
            told = f"{title}: off by {off} of 255, upright: {above}"
            check(f"colours and orientation, {planes}", off < 30 and above, told)
            check(f"size chosen, {planes}", size == "640x480", size)
            check(f"frames a second, {planes}", len(frames) >= 30, f"{len(frames) / 3:.1f}")


def newest_frame() -> None:
    with Look(SINGLE) as look:
        look.opened()
        look.frames(3)
        usual_ms = float(np.median(look.ages_ms))
        check("age of a frame when it is taken", 0 < usual_ms < 100, f"{usual_ms:.1f} ms, median")
        time.sleep(2)
        look.ages_ms.clear()
        look.until(Frame, 5)
        check("after the program was busy for 2 s", look.ages_ms[0] < 100 + usual_ms, f"{look.ages_ms[0]:.1f} ms old")
        os.kill(look.child(), signal.SIGSTOP)
        time.sleep(2)
        os.kill(look.child(), signal.SIGCONT)
        look.until(Frame, 1)  # may be the one that was written before
        look.ages_ms.clear()
        look.frames(1)
        worst = max(look.ages_ms[:5])
        check("after the capture process was stopped for 2 s", worst < 150 + usual_ms, f"at most {worst:.1f} ms old")


def busy() -> None:
    nothing = subprocess.DEVNULL
    stream = ["v4l2-ctl", "-d", SINGLE, "--stream-mmap", "--stream-count=100000"]
    with subprocess.Popen(stream, stdout=nothing, stderr=nothing) as other:
        time.sleep(2)
        with Look(SINGLE) as look:
            message, _ = look.until(Absent, 40)
            reason = message.reason if isinstance(message, Absent) else str(message)
            named = f"is busy: another program uses it: v4l2-ctl (pid {other.pid})" in reason
            check("a busy camera is told so, with who has it", named, reason)
            other.terminate()
            other.wait()
            _, seconds = look.until(Opened, 20)
            check("and used when it is free", seconds < 20, f"after {seconds:.1f} s")


def no_permission() -> None:
    said(f"chmod 600 {SINGLE}")
    told = said(f"runuser -u nobody -- {GRAB} {SINGLE}", 120)
    check("a camera that may not be opened has a remedy", "may not be opened; add your user to the group" in told, told)
    said(f"chmod 660 {SINGLE}")


def not_cameras() -> None:
    for device in (OUTPUT, META):
        told = said(f"{GRAB} {device}", 120)
        check(f"{device} is no camera", "is no camera" in told, told)
    with Look("auto", sys.executable) as look:  # which has no picamera2
        title = look.opened()
        check("auto passes over output and metadata", title == SINGLE, title)


def two_processes() -> None:
    with Look(SINGLE) as first:
        first.opened()
        with Look(SINGLE) as second:
            message, _ = second.until(Absent, 40)
            reason = message.reason if isinstance(message, Absent) else str(message)
            named = "another program uses it: python" in reason
            check("a second process on one camera is told who has it", named, reason)
        frames = first.frames(2)
        check("and the first does not notice", len(frames) > 20, f"{len(frames) / 2:.1f} frames a second")


def change_of_input() -> None:
    with Look(SINGLE) as look:
        look.opened()
        told = said(f"v4l2-ctl -d {SINGLE} -i 1")
        frames = look.frames(2)
        check("the input cannot be changed under way", "busy" in told.lower(), told)
        check("and frames go on", len(frames) > 20, f"{len(frames) / 2:.1f} a second")


def turned_between_two_openings() -> None:
    with Look(SINGLE) as look:
        look.opened()
        before = next(each.identity for each in look.news if isinstance(each, Opened))
    control(SINGLE, "vertical_flip", 1)
    with Look(SINGLE) as look:
        look.opened()
        after = next(each.identity for each in look.news if isinstance(each, Opened))
        upright = text_is_above(look.frames(1)[-1])
    control(SINGLE, "vertical_flip", 0)
    check("a camera that was turned is not the same view", before != after and not upright, f"{before} → {after}")


def prepare() -> None:
    """Have the driver loaded."""
    said("lsmod | grep -q vivid || " + LOAD)
    time.sleep(2)


if __name__ == "__main__":
    prepare()
    run_all((colours_and_orientation, newest_frame, busy, no_permission, not_cameras))
    run_all((two_processes, change_of_input, turned_between_two_openings))
