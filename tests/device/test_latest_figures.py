"""What a running station last knew of itself is there for others to see."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from tests.device.telling import make_event
from waste_edge.device.latest_figures import LatestFigures
from waste_edge.device.loop import Seen
from waste_edge.device.statistics import Statistics
from waste_edge.device.system.latest import Latest


def seen(statistics: Statistics) -> Seen:
    return Seen(SimpleNamespace(), None, SimpleNamespace(), statistics, 0)


def test_frame_rate_and_latency_are_set_every_five_seconds(clock):
    latest, statistics = Latest(), Statistics(0)
    listener = LatestFigures(latest, clock)
    for _ in range(20):
        statistics.count_frame(clock.time_ns)
        listener.seen(seen(statistics))
        clock.time_ns += 100_000_000
    assert latest.numbers() == {"frames_per_s": 0.0, "latency_p50_ms": None}  # of the first frame
    clock.time_ns += 3_000_000_000
    statistics.count_answer(21.5)
    listener.seen(seen(statistics))
    assert latest.numbers()["latency_p50_ms"] == 21.5
    assert 9.9 < latest.numbers()["frames_per_s"] < 10.1


def test_the_crop_of_the_newest_item_is_shown(clock):
    latest = Latest()
    listener = LatestFigures(latest, clock)
    assert latest.picture() == (0, None)
    crop = np.zeros((8, 8, 3), np.uint8)
    listener.decided(replace(make_event(1), crop=crop))
    listener.decided(make_event(2))  # a picture of a folder has none
    count, picture = latest.picture()
    assert count == 1
    assert picture is crop
