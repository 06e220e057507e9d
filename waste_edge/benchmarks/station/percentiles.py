"""Durations as the report has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from waste_edge.benchmarks.schema import Situation


def situation(what: str, taken_ns: Sequence[int]) -> Situation | None:
    """Median and 95th percentile; None without any."""
    if not taken_ns:
        return None
    taken = np.array(taken_ns, np.float64) / 1e6
    p50, p95 = (float(value) for value in np.percentile(taken, (50, 95)))
    return Situation(what=what, samples=len(taken), p50_ms=p50, p95_ms=p95)
