"""Soak test for growth and slowdown: the loop with outbox and sink over very many drawn frames, at full speed.

In one process: drawing a frame, and everything from the shared memory on that a station does with one, commits
and JSON lines included. The frames' own time is that of a camera at 30 frames a second, so a million of them is nine
hours at a bin with ten thousand items.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from waste_edge.benchmarks.machine.monitor import memory_of
from waste_edge.bundle.bundle import Bundle, find_bundle, open_bundle
from waste_edge.device.cameras.process.memory import create_memory
from waste_edge.device.cameras.process.shared import FrameReader, FrameWriter
from waste_edge.device.cameras.synthetic import SyntheticCamera
from waste_edge.device.capture import Ended, Message
from waste_edge.device.capture.convert import take_frame
from waste_edge.device.clock import SimulatedClock, SystemClock
from waste_edge.device.decision.item_tracker import CameraItemTracker
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Listener, Loop, LoopServices, Seen
from waste_edge.device.outbox.event_store import EventRecorder
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.json_lines import JsonLinesConfig, build
from waste_edge.device.statistics import Summary
from waste_edge.device.vision.inspection import USUAL_LOOKS, inspector_of
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.files.resources import DEFAULT_BUNDLE
from waste_edge.files.strict import Strict, to_json
from waste_edge.site import site_of_labels

FPS = 30.0
BLOCKS = 40  # parts of a soak, each with one look at the memory and one median
WARM_UP_BLOCKS = 4  # of them, before the memory is held against anything


class Soak(Strict, frozen=True):
    """Result of a soak test.

    Attributes:
        frames, items, seconds: how much was done, and in what time.
        grown_mb: anonymous memory at the end, less what it was after the warm-up; millions of bytes.
        first_ms, last_ms: preprocessing and inference of the network's answers, median of the first and of the last
            quarter's blocks.
    """

    frames: int
    items: int
    seconds: float
    grown_mb: float
    first_ms: float
    last_ms: float

    @property
    def drift(self) -> float:
        """Latency of the last part over that of the first; 1 is no drift."""
        return self.last_ms / self.first_ms


@dataclass
class SoakObserver(Listener):
    """A `Listener` that keeps one median and one look at the memory for each block of frames."""

    block: int
    progress: Callable[[int], None] = lambda frames: None
    memory_mb: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    _now: list[float] = field(default_factory=list)
    _latest_ms: float = 0.0

    def seen(self, seen: Seen) -> None:
        if seen.prediction is not None:
            self._now.append(seen.prediction.latency_ms)
        if seen.statistics.looked_at % self.block == 0:
            self.memory_mb.append(memory_of([os.getpid()]).anonymous_mb)
            if self._now:  # else no item came in this block: what was known stands
                self._latest_ms = statistics.median(self._now)
                self._now.clear()
            self.latency_ms.append(self._latest_ms)
            self.progress(seen.statistics.looked_at)


class _Drawn:
    """`Messages`: each frame is drawn when it is asked for, and comes through a shared memory."""

    dropped_frames = 0
    abandoned = 0

    def __init__(self, camera: SyntheticCamera, go_on: Callable[[], bool]) -> None:
        self._camera = camera
        self._go_on = go_on
        memory = create_memory()
        self._writer, self._reader = FrameWriter(memory), FrameReader(memory)

    def take(self, timeout_s: float) -> Message | None:
        if not self._go_on():
            return Ended()
        self._writer.write(self._camera.read())
        return take_frame(self._reader)

    def close(self) -> None:
        self._reader.close()


def soak(bundle: Bundle, folder: Path, frames: int, progress: Callable[[int], None] = lambda frames: None) -> Soak:
    """Run a station over so many frames; at least 40 blocks of 100.

    Args:
        bundle: has a network for an engine that is installed.
        folder: takes the outbox and the events, as a station's state does.
        frames: how many.
        progress: is called after each block with the frames done.
    """
    watch = SoakObserver(max(100, frames // BLOCKS), progress)
    left = iter(range(frames))
    started_s = time.monotonic()
    classifier = load_classifier(bundle, "auto", "int8", threads=1)
    summary = run_station(classifier, folder, lambda: next(left, None) is not None, watch)
    return verdict(watch.memory_mb, watch.latency_ms, summary.frames, summary.items, time.monotonic() - started_s)


def run_station(classifier: Classifier, folder: Path, go_on: Callable[[], bool], listener: Listener) -> Summary:
    """Run a station's loop with outbox and sink over drawn frames, as fast as they go, for as long as `go_on` says."""
    clock, manifest = SystemClock(), classifier.manifest
    site = site_of_labels(manifest.labels)
    items = CameraItemTracker(DecisionPolicy(manifest, site), inspector_of(classifier, looks=USUAL_LOOKS))
    outbox = Outbox(folder / "outbox.sqlite", "soak", clock)
    delivery = Delivery(outbox, build(JsonLinesConfig(path=str(folder / "events.jsonl"))), clock)
    delivery.start()
    try:
        messages = _Drawn(SyntheticCamera(FPS, 0, SimulatedClock()), go_on)
        recorder = EventRecorder(outbox, items, clock)
        return Loop(messages, items, [listener], clock, services=LoopServices(recorder)).run()
    finally:
        delivery.stop()
        outbox.close()


def verdict(memory_mb: list[float], latency_ms: list[float], frames: int, items: int, seconds: float) -> Soak:
    """From one value a block; medians of a few neighbours, so that no single moment decides."""
    quarter = max(1, len(latency_ms) // 4)
    warm, end = memory_mb[WARM_UP_BLOCKS : WARM_UP_BLOCKS + 3], memory_mb[-3:]
    return Soak(
        frames=frames,
        items=items,
        seconds=seconds,
        grown_mb=statistics.median(end) - statistics.median(warm),
        first_ms=statistics.median(latency_ms[:quarter]),
        last_ms=statistics.median(latency_ms[-quarter:]),
    )


def main() -> None:
    """`python -m waste_edge.benchmarks.station.soak FRAMES FOLDER`: prints the `Soak` as JSON."""
    frames, folder = int(sys.argv[1]), Path(sys.argv[2])
    with open_bundle(find_bundle(DEFAULT_BUNDLE)) as bundle:
        done = soak(bundle, folder, frames, lambda done: print(f"{done} frames", file=sys.stderr))
    print(to_json(done))


if __name__ == "__main__":
    main()
