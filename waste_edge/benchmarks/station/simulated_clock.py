"""A clock for drawn scenes: time passes when somebody sleeps, so a day takes as long as its frames take to work on."""

from __future__ import annotations

import threading

from waste_edge.device.clock import NS_PER_S


class SimulatedClock:
    """A `Clock` that only moves when it is slept by."""

    def __init__(self) -> None:
        self._now_ns = NS_PER_S  # not 0: that would look like no time at all

    def now_ns(self) -> int:
        return self._now_ns

    def sleep(self, seconds: float, interrupt: threading.Event | None = None) -> None:
        self._now_ns += round(max(0.0, seconds) * NS_PER_S)
