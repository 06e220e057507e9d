"""Listener that keeps the loop's latest figures, and the last item's crop, where others can see them."""

from __future__ import annotations

from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.loop import Listener, Seen
from waste_edge.device.system.latest import Latest

_EVERY_NS = 5 * NS_PER_S


class LatestFigures(Listener):
    """Sets frame rate and latency every few seconds; they cost more than a frame can spare.

    Args:
        latest: where to.
        clock: paces it.
    """

    def __init__(self, latest: Latest, clock: Clock) -> None:
        self._latest = latest
        self._clock = clock
        self._set_ns: int | None = None

    def seen(self, seen: Seen) -> None:
        """See `Listener`."""
        now_ns = self._clock.now_ns()
        if self._set_ns is None or now_ns - self._set_ns >= _EVERY_NS:
            self._set_ns = now_ns
            statistics = seen.statistics
            latency_ms = statistics.latency_ms(50) if statistics.answers else None
            self._latest.set(frames_per_s=statistics.fps_now, latency_p50_ms=latency_ms)

    def decided(self, event: Event) -> None:
        """See `Listener`."""
        if event.crop is not None:
            self._latest.show(event.crop)
