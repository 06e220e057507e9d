from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from waste_edge.device.loop import Seen
from waste_edge.device.statistics import Statistics
from waste_edge.device.vision.presence import State
from waste_edge.imaging.frames import Frame


@pytest.fixture
def make_seen() -> Callable[..., Seen]:
    """A frame that was looked at, at a time in ns."""
    statistics = Statistics(0)

    def make(captured_ns: int, state: State = State.EMPTY, size: tuple[int, int] = (480, 640), **fields) -> Seen:
        statistics.count_frame(captured_ns)
        return Seen(Frame(np.zeros((*size, 3), np.uint8), captured_ns), None, state, statistics, 0, **fields)

    return make
