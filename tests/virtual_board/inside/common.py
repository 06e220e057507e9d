"""What the trials inside the guest share: looking through a camera as the station does, and telling what was found."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from waste_edge.device.cameras import camera_source
from waste_edge.device.capture import Absent, Failed, Opened, start_capture
from waste_edge.device.clock import RetryPolicy, SystemClock
from waste_edge.imaging.frames import Frame

REPORT = Path("/share/report.jsonl")


def check(name: str, ok: bool, found: object) -> None:
    """One line of the log."""
    with REPORT.open("a") as report:
        report.write(json.dumps({"name": name, "ok": bool(ok), "found": str(found)}) + "\n")
    print("ok " if ok else "BAD", name, found, flush=True)


def said(command: str, timeout_s: float = 60) -> str:
    """What a shell command says, with its errors."""
    shell, pipe = ["bash", "-c", command], subprocess.PIPE
    done = subprocess.run(shell, stdout=pipe, stderr=subprocess.STDOUT, text=True, timeout=timeout_s, check=False)
    print(f"$ {command} → {done.returncode}\n{done.stdout}", end="", flush=True)
    return done.stdout.strip()


def control(device: str, name: str, value: int) -> None:
    """Set one of vivid's controls."""
    said(f"v4l2-ctl -d {device} -c {name}={value}")


class Look:
    """A camera, looked through by way of the real capture process."""

    def __init__(self, camera: str, python: str | None = None) -> None:
        self.clock = SystemClock()
        self.source = camera_source(camera, self.clock, python)
        self.messages = start_capture(self.source, self.clock, RetryPolicy(0.5, 1.0))
        self.news: list[object] = []
        self.ages_ms: list[float] = []

    def __enter__(self) -> Look:
        return self

    def __exit__(self, *_: object) -> None:
        self.messages.close()

    def until(self, kind: type | tuple[type, ...], seconds: float) -> tuple[object | None, float]:
        """The next message of a kind, or None; and after how many seconds."""
        started = time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            message = self.messages.take(0.1)
            if isinstance(message, Frame):
                self.ages_ms.append((self.clock.now_ns() - message.captured_ns) / 1e6)
            elif message is not None:
                self.news.append(message)
                print("   ", message, flush=True)
            if isinstance(message, kind):
                return message, time.monotonic() - started
        return None, passed

    def frames(self, seconds: float) -> list[Frame]:
        """All frames of some seconds."""
        found, until = [], time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            message, _ = self.until(Frame, left)
            if isinstance(message, Frame):
                found.append(message)
        return found

    def opened(self, seconds: float = 60) -> str:
        """Wait for a first frame; returns the camera's title, or why there is none."""
        message, _ = self.until((Opened, Failed), seconds)
        if isinstance(message, Opened) and self.until(Frame, 20)[0] is not None:
            return message.title
        reasons = [each.reason for each in self.news if isinstance(each, Absent)]
        return f"not opened: {message or reasons[-1:]}"

    def child(self) -> int:
        """The capture process."""
        return int(self.messages._link.pid)  # type: ignore[attr-defined]


def lost(look: Look, seconds: float) -> tuple[bool, str]:
    """Whether a loss is told within so long, and what."""
    message, took = look.until(Absent, seconds + 20)
    reason = message.reason if isinstance(message, Absent) else str(message)
    return message is not None and took < seconds, f"after {took:.1f} s: {reason}"


def back(look: Look, seconds: float) -> tuple[bool, str]:
    """Whether frames come again within so long."""
    message, took = look.until(Frame, seconds + 30)
    return message is not None and took < seconds, f"after {took:.1f} s"


def run_all(trials: Iterable[Callable[[], None]], names: Sequence[str] = tuple(sys.argv[1:])) -> None:
    """Each trial, whatever the others did; with names given, only those."""
    for trial in trials:
        if names and trial.__name__ not in names:
            continue
        print(f"== {trial.__name__}", flush=True)
        try:
            trial()
        except Exception as error:  # noqa: BLE001  # the others still have something to tell
            traceback.print_exc()
            check(trial.__name__, False, f"{type(error).__name__}: {error}")
