"""From frame to decision, stage by stage, each as a station does it, on drawn frames of 640x480.

    capture   the camera's bytes into the memory that the capture process shares; exposure and transfer are the camera's
    convert   out of it, as RGB
    gate      camera health and presence: all that an empty frame costs
    crop      where a settled item lies, and the picture of it
    resize    size and layout of the network's input, of one look
    infer     the engine, of one look
    decide    probabilities and rejection of one look, and the decision

The networks take turns frame by frame, each with a scene of its own. Two situations are summed up from them: what an
empty frame costs beyond its conversion, and how long after the half second of stillness an item is decided.
`pipeline.py` measures the station's real loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from waste_edge.benchmarks.schema import Pipeline, Situation, Stage, StageTime
from waste_edge.benchmarks.station.pipeline import drawn
from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.cameras.process.memory import create_memory
from waste_edge.device.cameras.process.shared import FrameReader, FrameWriter
from waste_edge.device.cameras.synthetic import SyntheticCamera
from waste_edge.device.capture.convert import take_frame
from waste_edge.device.clock import SimulatedClock
from waste_edge.device.decision.item_tracker import CameraItemTracker
from waste_edge.device.decision.policy import Decision, DecisionPolicy
from waste_edge.device.vision.camera_health import CameraHealth
from waste_edge.device.vision.inspection import USUAL_LOOKS, Inspector, ItemView, Visibility, inspector_of
from waste_edge.device.vision.presence import Presence, State
from waste_edge.engines.classifier import Classifier, Prediction
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import WHOLE, Region, prepare
from waste_edge.item import ItemRegion
from waste_edge.site import site_of_labels

STAGES: tuple[Stage, ...] = ("capture", "convert", "gate", "crop", "resize", "infer", "decide")
FPS = 10.0
WARM_UP_FRAMES = 49  # the empty tray, and the first item's visit

T = TypeVar("T")


def situation(what: str, taken_ns: Sequence[int]) -> Situation | None:
    """Median and 95th percentile; None without any."""
    if not taken_ns:
        return None
    taken = np.array(taken_ns, np.float64) / 1e6
    p50, p95 = (float(value) for value in np.percentile(taken, (50, 95)))
    return Situation(what=what, samples=len(taken), p50_ms=p50, p95_ms=p95)


@dataclass
class _Stopwatch:
    """Durations in ns by stage, of the frame in hand and of all frames."""

    now: Callable[[], int]
    frame: dict[Stage, int] = field(default_factory=dict)
    all: dict[Stage, list[int]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    def time(self, stage: Stage, work: Callable[[], T]) -> T:
        """Run some work, and add its duration to a stage of the present frame."""
        began_ns = self.now()
        done = work()
        self.frame[stage] = self.frame.get(stage, 0) + self.now() - began_ns
        return done


class _Presence(Presence):
    """Presence with a stopwatch."""

    watch: _Stopwatch

    def find_item(self, watched: Pixels) -> ItemRegion | None:
        return self.watch.time("crop", lambda: super(_Presence, self).find_item(watched))


@dataclass(frozen=True)
class _Inspector(Inspector):
    """Inspector with a stopwatch."""

    watch: _Stopwatch | None = None

    def see(self, watched: Pixels, region: ItemRegion, within: Region = WHOLE, largest: bool = False) -> ItemView:
        assert self.watch is not None
        return self.watch.time("crop", lambda: super(_Inspector, self).see(watched, region, within, largest))


class _Judge(DecisionPolicy):
    """Policy with a stopwatch."""

    watch: _Stopwatch

    def decide_seen(self, predictions: Sequence[Prediction], visibility: Visibility, parts: int) -> Decision:
        return self.watch.time("decide", lambda: super(_Judge, self).decide_seen(predictions, visibility, parts))


class Way:
    """One network's way from the camera to the decision, and how long its stages took."""

    def __init__(self, key: str, classifier: Classifier, now: Callable[[], int]) -> None:
        self.key = key
        self._classifier = classifier
        self._watch = _Stopwatch(now)
        self._number = 0
        self._empty_ns: list[int] = []  # of each empty frame
        self._late_ns: list[int] = []  # of each frame that completed an item
        self._item_ns: list[int] = []  # of each item, all of its frames together
        self._visit_ns = 0
        self._whole_ns: list[int] = []
        site = site_of_labels(classifier.manifest.labels)
        presence, judge = _Presence(), _Judge(classifier.manifest, site)
        presence.watch = judge.watch = self._watch
        usual = inspector_of(classifier, USUAL_LOOKS)
        inspector = _Inspector(self._classify, usual.view, usual.looks, usual.least_px, self._watch)
        self._items = CameraItemTracker(judge, inspector, presence, CameraHealth())
        memory = create_memory()
        self._writer, self._reader = FrameWriter(memory), FrameReader(memory)

    def go(self, raw: RawFrame) -> None:
        """Take one frame all the way."""
        watch, now = self._watch, self._watch.now
        watch.frame = {}
        watch.time("capture", lambda: self._writer.write(raw))
        frame = watch.time("convert", lambda: take_frame(self._reader))
        assert frame is not None  # it was just written
        began_ns = now()
        shown = self._items.see(frame)
        seen_ns = now() - began_ns
        beyond_ns = sum(taken for stage, taken in watch.frame.items() if stage not in ("capture", "convert"))
        watch.frame["gate"] = max(0, seen_ns - beyond_ns)
        self._number += 1
        settled = shown.state is State.SETTLED or shown.event is not None
        self._visit_ns = self._visit_ns + seen_ns if settled else 0
        if self._number <= WARM_UP_FRAMES:
            return
        self._whole_ns.append(sum(watch.frame.values()))
        if shown.state is State.EMPTY:
            self._empty_ns.append(seen_ns)
        if shown.event is not None:
            self._late_ns.append(sum(watch.frame.values()))
            self._item_ns.append(self._visit_ns)
        looks = max(1, len(shown.answers))
        for stage, taken_ns in watch.frame.items():
            watch.all[stage].append(taken_ns // looks if stage in ("resize", "infer") else taken_ns)

    def close(self) -> None:
        self._reader.close()

    def result(self, frame: str) -> Pipeline:
        """Summarize the times, without the warm-up."""
        whole = np.array(self._whole_ns, np.float64) / 1e6
        p50, p95, p99 = (float(value) for value in np.percentile(whole, (50, 95, 99)))
        situations = [
            situation("empty frame", self._empty_ns),
            situation("item, from settled to decision", self._late_ns),
            situation("item, all of its frames", self._item_ns),
        ]
        return Pipeline(
            key=self.key,
            frames=len(whole),
            frame=frame,
            stages=[_stage_time(name, self._watch.all[name]) for name in STAGES if self._watch.all[name]],
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            fps=1000 / float(whole.mean()),
            situations=[one for one in situations if one is not None],
        )

    def _classify(self, pixels: Pixels) -> Prediction:
        watch, classifier = self._watch, self._classifier
        shown = watch.time("resize", lambda: prepare(pixels, classifier.manifest.input))
        output = watch.time("infer", lambda: classifier.engine.infer(shown))
        return watch.time("decide", lambda: classifier.predict(output, 0.0))


def _stage_time(name: Stage, taken_ns: Sequence[int]) -> StageTime:
    taken = np.array(taken_ns, np.float64) / 1e6
    return StageTime(stage=name, p50_ms=float(np.median(taken)), p95_ms=float(np.percentile(taken, 95)))


def measure_stages(
    wanted: Sequence[tuple[str, Classifier]],
    frames: int,
    between: Callable[[int], None],
    now: Callable[[], int] = time.perf_counter_ns,
) -> list[Pipeline]:
    """Every network's way, in turns.

    Args:
        wanted: key and loaded network of each.
        frames: timed ones of each; an item comes and goes in 34.
        between: is called with the frames done, after each frame and off the clock.
        now: nanoseconds.
    """
    ways = [Way(key, classifier, now) for key, classifier in wanted]
    camera = SyntheticCamera(FPS, 0, SimulatedClock())
    try:
        for index in range(frames + WARM_UP_FRAMES):
            raw = drawn(camera, "yuv420")
            for way in ways:
                way.go(raw)
            between(index)
    finally:
        for way in ways:
            way.close()
    return [way.result(f"{raw.width_px}x{raw.height_px} {raw.layout}") for way in ways]
