"""Benchmark scenario: durations, thread counts, and the pictures to time with."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.engines.names import EngineName
from waste_edge.errors import ConfigError
from waste_edge.files.strict import Strict
from waste_edge.imaging.preprocess import InputSpec, prepare
from waste_edge.rendering.items.sprites import ITEM_LABELS
from waste_edge.rendering.scene import render_view

RIGOROUS_SAMPLES = 1024  # and 60 s: MLPerf Mobile's rule for its single-stream scenario
RIGOROUS_SECONDS = 60.0
_LEAST_SIDE_PX = 32  # that the renderer draws


class Scenario(Strict, frozen=True):
    """Durations and repetitions of a benchmark.

    Attributes:
        mode: `quick`, a first look of seconds; `rigorous`, evidence.
        seconds: wall time for the timed rounds of all rows together.
        threads: of each engine; every number makes rows of its own.
        time: `wall`, what a station waits; or `cpu`, what the one thread worked, which hardly changes when other
            programs want the same cores.
        least_samples: timed calls of each row at least, however slow the machine.
        warm_up_seconds: of warm-up at the most; it ends when every row is steady, see `warm_up.py`.
        loads: how often each network is loaded to time that.
        starts: how many processes are started to time the first decision of each network; 0 for none.
        frames: that go from camera to decision with each network; 0 for none.
        live_seconds: that the loop runs over a camera with the first network; 0 for none.
        camera: which, as in `run --camera`.
        energy_seconds: that each network runs alone for its energy, where the board tells; 0 for none.
        pictures: how many different inputs take turns.
        look_seconds: between two looks at the board.
        seed: of the inputs and the bootstrap.
        engines: that are measured beside the package's own: plug-ins.
    """

    mode: Literal["quick", "rigorous"] = "quick"
    seconds: float = 6.0
    threads: list[int] = msgspec.field(default_factory=lambda: [1])
    time: Literal["wall", "cpu"] = "wall"
    least_samples: int = 20
    warm_up_seconds: float = 3.0
    loads: int = 3
    starts: int = 2
    frames: int = 60
    live_seconds: float = 0.0
    camera: str = "synthetic:30"
    energy_seconds: float = 1.0
    pictures: int = 16
    look_seconds: float = 1.0
    seed: int = 0
    engines: list[EngineName] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("seconds", "warm_up_seconds", "look_seconds"):
            if not 0 < getattr(self, name) <= 86_400:
                raise ConfigError(f"{name} must be above 0 and at most a day, got {getattr(self, name)}")
        counts = (*self.threads, self.least_samples, self.loads, self.pictures)
        if not self.threads or min(counts) < 1:
            raise ConfigError(f"threads, samples, loads and pictures must be at least 1, got {counts}")
        if min(self.starts, self.frames, self.energy_seconds, self.live_seconds) < 0:
            raise ConfigError("starts, frames, energy_seconds and live_seconds must be 0 or more")
        if self.time == "cpu" and self.threads != [1]:
            raise ConfigError(f"CPU time is that of one thread; measure {max(self.threads)} threads in wall time")
        if self.mode == "rigorous" and (self.seconds < RIGOROUS_SECONDS or self.least_samples < RIGOROUS_SAMPLES):
            raise ConfigError(
                f"a rigorous run takes at least {RIGOROUS_SECONDS:.0f} s and {RIGOROUS_SAMPLES:,} samples a row, got "
                f"seconds={self.seconds} and least_samples={self.least_samples}"
            )


def quick(seconds: float = 6.0, **changes: Any) -> Scenario:
    """A first look; its warm-up takes no longer than what is timed."""
    chosen: dict[str, Any] = {"live_seconds": min(6.0, seconds)}
    return Scenario(mode="quick", seconds=seconds, warm_up_seconds=min(3.0, seconds), **{**chosen, **changes})


def rigorous(seconds: float = RIGOROUS_SECONDS, **changes: Any) -> Scenario:
    """Evidence: minutes on an idle machine."""
    chosen: dict[str, Any] = {
        "mode": "rigorous",
        "seconds": seconds,
        "least_samples": RIGOROUS_SAMPLES,
        "warm_up_seconds": 20.0,
        "loads": 9,
        "starts": 7,
        "frames": 1024,
        "live_seconds": 60.0,
        "energy_seconds": 5.0,
        "pictures": 64,
    }
    return Scenario(**{**chosen, **changes})


def make_pictures(spec: InputSpec, count: int, seed: int) -> NDArray[np.uint8]:
    """Inputs as uint8 (count, H, W, 3): random items before random backgrounds, as the project renders them.

    Zeros or a flat colour would let some kernels, and every branch predictor, look better than they are.
    """
    generator = np.random.default_rng(seed)
    labels = [ITEM_LABELS[index % len(ITEM_LABELS)] for index in range(count)]
    scale = -(-_LEAST_SIDE_PX // min(spec.width_px, spec.height_px))  # 1 but for a toy network
    size = (scale * spec.width_px, scale * spec.height_px)
    return np.stack([prepare(render_view(label, generator, *size), spec) for label in labels])
