"""How long each artifact takes here: a first impression beside the sizes. `waste-edge bench` measures properly."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from waste_edge.engines.engine import Engine
from waste_edge.frames import Pixels
from waste_edge.manifest import ArtifactName

Name = TypeVar("Name")


def median_latencies_ms(
    engines: Mapping[ArtifactName, Engine], pixels: Pixels, rounds: int = 60, warm_up: int = 5
) -> dict[ArtifactName, float]:
    """Median milliseconds of one inference by artifact, in turn so that other work on the machine meets all alike.

    Args:
        engines: opened with the threads to measure.
        pixels: one prepared picture, uint8 (H, W, 3).
        rounds: timed ones.
        warm_up: rounds before them, not timed.
    """
    calls = {name: partial(engine.infer, pixels) for name, engine in engines.items()}
    return medians_in_turn_ms(calls, rounds, warm_up)


def medians_in_turn_ms(
    calls: Mapping[Name, Callable[[], object]], rounds: int = 60, warm_up: int = 5
) -> dict[Name, float]:
    """Median milliseconds of each call, the calls taking turns; arguments as above."""
    taken_ms: dict[Name, list[float]] = {name: [] for name in calls}
    for turn in range(warm_up + rounds):
        for name, call in calls.items():
            started = time.perf_counter_ns()
            call()
            if turn >= warm_up:
                taken_ms[name].append((time.perf_counter_ns() - started) / 1e6)
    return {name: statistics.median(values) for name, values in taken_ms.items()}
