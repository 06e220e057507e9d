"""Cost of the page to the loop: a station with and without one, in turns.

    python -m tests.device.page.cost [SECONDS] [ROUNDS]

The page is looked at (live view and state, as a browser asks for them) and scraped once a second. Told are the loop's
thread in processor time a frame, which other programs hardly change, and the ages of frames when they were judged.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.device.page.pages import free_port

FIRST_S = 25.0  # that are not counted: libraries and networks warm up


@dataclass(frozen=True)
class Cost:
    """One run: CPU time of the loop's thread a frame, frame ages, frames, and the page's peak of memory."""

    cpu_ms: float
    age_p50_ms: float
    age_p95_ms: float
    frames: int


def measure(seconds: float, page: bool) -> Cost:
    """Run a station for so long."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "waste_edge", "run", "--camera", "synthetic:15", "--bundle", "small", "--json"]
        command += ["--state", folder, *(["--page", str(port)] if page else [])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lines: list[str] = []
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
        reader.start()
        stop = threading.Event()
        viewers = [threading.Thread(target=view, args=(port, path, stop)) for path in ("/live.jpg", "/api/state")]
        if page:
            viewers.append(threading.Thread(target=view, args=(port, "/metrics", stop)))
            for viewer in viewers:
                viewer.start()
        time.sleep(FIRST_S)
        before_ns, before_s = cpu_ns(process.pid), time.monotonic()
        time.sleep(seconds)
        spent_ns, spent_s = cpu_ns(process.pid) - before_ns, time.monotonic() - before_s
        stop.set()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        reader.join(10)
        summary = next(json.loads(line) for line in reversed(lines) if '"kind":"summary"' in line)
        frames = round(summary["fps"] * spent_s)
        return Cost(
            spent_ns / 1e6 / frames, summary["frame_age_p50_ms"], summary["frame_age_p95_ms"], summary["frames"]
        )


def view(port: int, path: str, stop: threading.Event) -> None:
    """Ask as a browser does: the state and metrics once a second, the next live picture at once."""
    number = "0"
    while not stop.is_set():
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as client,
        ):
            client.request("GET", f"{path}?after={number}")
            with client.getresponse() as answer:
                answer.read()
                number = answer.headers.get("X-Number", number)
        stop.wait(0.06 if path == "/live.jpg" else 1.0)


def cpu_ns(pid: int) -> int:
    """Processor time of a process's first thread, which runs the loop."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0])


def main(words: list[str]) -> None:
    """Measure in turns, and print each run and the medians."""
    seconds, rounds = float(words[0]) if words else 60.0, int(words[1]) if len(words) > 1 else 3
    runs: dict[bool, list[Cost]] = {False: [], True: []}
    for _ in range(rounds):
        for page in (False, True):
            cost = measure(seconds, page)
            runs[page].append(cost)
            print(f"{'page and viewer' if page else 'no page':16} {cost}", flush=True)
    without, with_page = (statistics.median(run.cpu_ms for run in runs[page]) for page in (False, True))
    print(f"loop's thread, CPU a frame, median of {rounds}: {without:.3f} ms without, {with_page:.3f} ms with a page")
    print(f"that is {with_page / without - 1:+.1%}; least of each: ", end="")
    least, least_with = (min(run.cpu_ms for run in runs[page]) for page in (False, True))
    print(f"{least:.3f} and {least_with:.3f} ms, {least_with / least - 1:+.1%}")


if __name__ == "__main__":
    main(sys.argv[1:])
