"""What a benchmark times, and the pictures it does that with."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.errors import ConfigError
from waste_edge.preprocess import InputSpec
from waste_edge.strict import Strict


class Scenario(Strict, frozen=True):
    """How long and with what to measure.

    Attributes:
        seconds: wall time for the timed rounds of all networks together.
        threads: of each engine.
        warmup_rounds: rounds before timing starts; one round asks every network once.
        least_rounds: timed rounds at least, however slow the machine.
        loads: how often each network is loaded to time that.
        pictures: how many different inputs take turns.
        seed: of the inputs.
        time: `wall`, what a station waits; or `cpu`, what the one thread worked, which hardly changes when other
            programs want the same cores.
    """

    seconds: float = 6.0
    threads: int = 1
    warmup_rounds: int = 10
    least_rounds: int = 20
    loads: int = 3
    pictures: int = 16
    seed: int = 0
    time: Literal["wall", "cpu"] = "wall"

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 86_400:
            raise ConfigError(f"seconds must be above 0 and at most a day, got {self.seconds}")
        counts = (self.threads, self.warmup_rounds, self.least_rounds, self.loads, self.pictures)
        if min(counts) < 1:
            raise ConfigError(f"threads, rounds, loads and pictures must be at least 1, got {counts}")
        if self.time == "cpu" and self.threads > 1:
            raise ConfigError(f"CPU time is that of one thread; measure {self.threads} threads in wall time")


def make_pictures(spec: InputSpec, count: int, seed: int) -> NDArray[np.uint8]:
    """Random inputs as uint8 (count, H, W, 3) that have a photograph's statistics: soft shapes, edges, sensor noise.

    Zeros or a flat colour would let some kernels, and every branch predictor, look better than they are.
    """
    generator = np.random.default_rng(seed)
    size = (spec.width_px, spec.height_px)
    pictures = np.empty((count, spec.height_px, spec.width_px, 3), np.uint8)
    for picture in pictures:
        light = cv2.resize(generator.uniform(40, 215, (4, 4, 3)), size, interpolation=cv2.INTER_CUBIC)
        shapes = cv2.resize(generator.uniform(-60, 60, (9, 9, 3)), size, interpolation=cv2.INTER_NEAREST)
        noise = generator.normal(0, 6, light.shape)
        picture[:] = np.clip(light + shapes + noise, 0, 255).astype(np.uint8)
    return pictures
