"""What a driver can do to a station, done by vivid: errors, lost frames, unplugging, other numbers, still pictures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from common import Look, back, check, control, lost, run_all, said
from v4l2 import LOAD, SINGLE, prepare

from waste_edge.device.capture import Absent, Opened
from waste_edge.imaging.frames import Frame

DRIVER = Path("/sys/bus/platform/drivers/vivid")
PROGRAM = "/opt/waste-edge/current/bin/waste-edge"
NOISE = 21  # of the test patterns


def bind(what: str) -> None:
    (DRIVER / what).write_text("vivid.0")


def error_flags() -> None:
    with Look(SINGLE) as look:
        look.opened()
        for _ in range(5):
            control(SINGLE, "inject_v4l2_buf_flag_error", 1)
            look.frames(0.3)
        frames = look.frames(2)
        gone = any(isinstance(each, Absent) for each in look.news)
        name = "buffers with the error flag cost nothing but themselves"
        check(name, len(frames) > 20 and not gone, f"{len(frames)} frames in 2 s")


def dropped_frames() -> None:
    with Look(SINGLE) as look:
        look.opened()
        before = len(look.frames(3)) / 3
        control(SINGLE, "percentage_of_dropped_buffers", 60)
        after = len(look.frames(4)) / 4
        fewer = 0.2 < after / before < 0.7 and not any(isinstance(each, Absent) for each in look.news)
        check("60 % dropped: fewer frames, no loss", fewer, f"{before:.1f}, then {after:.1f} a second")
        control(SINGLE, "percentage_of_dropped_buffers", 100)
        check("all dropped: the loss is told", *lost(look, 6))
        control(SINGLE, "percentage_of_dropped_buffers", 0)
        check("and frames come back", *back(look, 15))


def fatal_error() -> None:
    with Look(SINGLE) as look:
        look.opened()
        control(SINGLE, "inject_fatal_streaming_error", 1)
        check("a fatal stream error is told", *lost(look, 6))
        check("and the camera is opened again", *back(look, 15))


def unbind_and_bind() -> None:
    with Look(SINGLE) as look:
        look.opened()
        bind("unbind")
        check("a driver that goes is told", *lost(look, 6))
        time.sleep(2)
        bind("bind")
        check("and the camera is used again when it is back", *back(look, 15))


def disconnect() -> None:
    with Look(SINGLE) as look:
        look.opened()
        control(SINGLE, "disconnect", 1)
        check("a camera that is disconnected is told", *lost(look, 6))
        check("and used again when it is plugged in", *back(look, 20))


def renumbering() -> None:
    with Look(SINGLE) as look:
        look.opened()
        bind("unbind")
        look.until(Absent, 20)
        said("rmmod vivid; " + LOAD.replace("vid_cap_nr=4,5", "vid_cap_nr=6,4"))
        message, seconds = look.until(Opened, 60)
        title = message.title if isinstance(message, Opened) else str(message)
        check("it is found again under its new number", title == "/dev/video6", f"{title}, after {seconds:.1f} s")
        same = {each.identity for each in look.news if isinstance(each, Opened)}
        check("as the same camera: nothing is learned anew", len(same) == 1, same)
    said("rmmod vivid; " + LOAD)
    time.sleep(2)


def loaded_late() -> None:
    said("rmmod vivid")
    with Look("auto", sys.executable) as look:  # which has no picamera2
        message, _ = look.until(Absent, 60)
        reason = message.reason if isinstance(message, Absent) else str(message)
        check("without any camera it waits", "there is no /dev/videoN that could be one" in reason, reason)
        said(LOAD)
        message, seconds = look.until(Frame, 60)
        check("and uses the one whose driver comes later", message is not None, f"after {seconds:.1f} s")


def stopped_child() -> None:
    with Look(SINGLE) as look:
        look.opened()
        first = look.child()
        os.kill(first, signal.SIGSTOP)
        check("a capture process that is stopped is told", *lost(look, 6))
        right, told = back(look, 15)
        check("and another one takes its place", right and look.child() != first, told)


def noise_and_repeated_frames() -> None:
    """A whole station looks at noise; then one frame comes again and again."""
    control(SINGLE, "osd_text_mode", 2)
    control(SINGLE, "test_pattern", NOISE)
    command = [PROGRAM, "run", "--camera", SINGLE, "--json", "--bundle", "small", "--duration", "40"]
    told, still = [], threading.Timer(15, control, (SINGLE, "test_pattern", 0))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ran:
        for line in ran.stdout or ():
            print(line, end="", flush=True)
            told.append(line)
            if still.ident is None and '"kind":"frame"' in line:
                still.start()
    control(SINGLE, "osd_text_mode", 0)
    frames = json.loads(told[-1])["frames"]
    decisions = [line for line in told if '"kind":"decision"' in line]
    repeats = [line for line in told if "repeats one picture" in line]
    check("nothing is decided from noise", frames > 50 and not decisions, f"{frames} frames, {len(decisions)} decided")
    check("a frame that comes again and again is told", repeats, repeats or told[-3:])


if __name__ == "__main__":
    prepare()
    run_all((error_flags, dropped_frames, fatal_error, unbind_and_bind, disconnect, stopped_child))
    run_all((renumbering, noise_and_repeated_frames, loaded_late))
