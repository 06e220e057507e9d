"""From frame to decision, stage by stage, each as a station does it, on drawn frames of 640x480.

    capture   the camera's bytes into the memory that the capture process shares; exposure and transfer are the camera's
    convert   out of it, as RGB
    resize    region, size and layout of the network's input
    infer     the engine
    decide    probabilities, rejection, camera health, presence, and the decision

The networks take turns frame by frame, each all the way. `pipeline.py` measures the station's real loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from waste_edge.benchmarks.schema import Pipeline, Stage, StageTime
from waste_edge.benchmarks.station.pipeline import drawn
from waste_edge.benchmarks.station.simulated_clock import DrawnTime
from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.cameras.memory import create_memory
from waste_edge.device.cameras.shared import Reader, Writer
from waste_edge.device.cameras.synthetic import SyntheticCamera
from waste_edge.device.capture.convert import take_frame
from waste_edge.device.decision.item_tracker import PassingItems
from waste_edge.device.decision.policy import Judge
from waste_edge.device.vision.camera_health import CameraHealth
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.imaging.preprocess import prepare
from waste_edge.site import site_of_labels

STAGES: tuple[Stage, ...] = ("capture", "convert", "resize", "infer", "decide")
FPS = 30.0
WARM_UP_FRAMES = 10


@dataclass
class Way:
    """One network's way from the camera to the decision, and how long its stages took."""

    key: str
    classifier: Classifier
    frames: list[tuple[int, ...]] = field(default_factory=list)  # nanoseconds of each stage

    def __post_init__(self) -> None:
        manifest = self.classifier.manifest
        site = site_of_labels(manifest.labels)
        self._region = site.region
        self._items = PassingItems(Judge(manifest, site), health=CameraHealth())
        memory = create_memory()
        self._writer, self._reader = Writer(memory), Reader(memory)

    def go(self, raw: RawFrame, now: Callable[[], int]) -> None:
        """Take one frame all the way."""
        times = [now()]
        self._writer.write(raw)
        times.append(now())
        frame = take_frame(self._reader)
        assert frame is not None  # it was just written
        times.append(now())
        pixels = prepare(frame.pixels, self.classifier.manifest.input, self._region)
        times.append(now())
        output = self.classifier.engine.infer(pixels)
        times.append(now())
        prediction = self.classifier.predict(output, (times[4] - times[2]) / 1e6)
        self._items.see(frame, prediction)
        times.append(now())
        self.frames.append(tuple(after - before for before, after in pairwise(times)))

    def close(self) -> None:
        self._reader.close()

    def result(self, frame: str) -> Pipeline:
        """Without the warm-up."""
        taken = np.array(self.frames[WARM_UP_FRAMES:], np.float64) / 1e6
        whole = taken.sum(axis=1)
        p50, p95, p99 = (float(value) for value in np.percentile(whole, (50, 95, 99)))
        return Pipeline(
            key=self.key,
            frames=len(taken),
            frame=frame,
            stages=[
                StageTime(stage=name, p50_ms=float(np.median(column)), p95_ms=float(np.percentile(column, 95)))
                for name, column in zip(STAGES, taken.T, strict=True)
            ],
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            fps=1000 / float(whole.mean()),
        )


def measure_stages(
    wanted: Sequence[tuple[str, Bundle, ArtifactName, int]],
    frames: int,
    between: Callable[[int], None],
    now: Callable[[], int] = time.perf_counter_ns,
) -> list[Pipeline]:
    """Every network's way, in turns.

    Args:
        wanted: key, bundle, artifact and threads of each.
        frames: timed ones of each.
        between: is called with the frames done, after each frame and off the clock.
        now: nanoseconds.
    """
    ways = [
        Way(key, load_classifier(bundle, artifact=artifact, threads=threads))
        for key, bundle, artifact, threads in wanted
    ]
    camera = SyntheticCamera(FPS, 0, DrawnTime())
    try:
        for index in range(frames + WARM_UP_FRAMES):
            raw = drawn(camera, "yuv420")
            for way in ways:
                way.go(raw, now)
            between(index)
    finally:
        for way in ways:
            way.close()
    return [way.result(f"{raw.width_px}x{raw.height_px} {raw.layout}") for way in ways]
