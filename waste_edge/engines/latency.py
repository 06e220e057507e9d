"""Quick latency of each artifact on this machine, shown beside the sizes. `waste-edge bench` measures properly."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.engine import Engine
from waste_edge.imaging.frames import Pixels

Name = TypeVar("Name")


class Taken(NamedTuple):
    """Milliseconds by the clock, and those that the calling thread worked: far fewer where others took the core.

    On a busy machine taking turns is not enough: a call of many milliseconds is interrupted, one of half a
    millisecond hardly ever.
    """

    wall_ms: float
    cpu_ms: float


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
    return {name: taken.wall_ms for name, taken in times_in_turn(calls, rounds, warm_up).items()}


def times_in_turn(calls: Mapping[Name, Callable[[], object]], rounds: int = 60, warm_up: int = 5) -> dict[Name, Taken]:
    """Median times of each call, which runs on one thread, the calls taking turns; arguments as above."""
    taken_ms: dict[Name, list[Taken]] = {name: [] for name in calls}
    for turn in range(warm_up + rounds):
        for name, call in calls.items():
            started, worked = time.perf_counter_ns(), time.thread_time_ns()
            call()
            worked = time.thread_time_ns() - worked
            if turn >= warm_up:
                taken_ms[name].append(Taken((time.perf_counter_ns() - started) / 1e6, worked / 1e6))
    return {
        name: Taken(statistics.median(one.wall_ms for one in all_), statistics.median(one.cpu_ms for one in all_))
        for name, all_ in taken_ms.items()
    }
