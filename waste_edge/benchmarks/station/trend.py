"""Trend test of a series: Mann and Kendall's test, and the slope of Theil and Sen; both are robust to outliers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from waste_edge.benchmarks.schema import Trend

ALPHA = 0.01


def trend(seconds: Sequence[float], values: Sequence[float], limit: float) -> Trend:
    """Test a series, three values at least, for a way upwards that matters.

    The test's S is the number of pairs that rise less those that fall; with ties its variance is
    (n (n-1) (2n+5) - Σ t (t-1) (2t+5)) / 18 over groups of t equal values, and (S ∓ 1) / σ is all but normal.
    Neighbouring windows of a soak resemble each other, which makes the test find a trend too soon: hence `limit`.

    Args:
        seconds: when each value was taken, growing.
        values: one a window.
        limit: a change over the whole time that must be passed to matter, in the values' unit.
    """
    times, series = np.asarray(seconds, np.float64), np.asarray(values, np.float64)
    first, second = np.triu_indices(len(series), k=1)
    steps = series[second] - series[first]
    score = int(np.sign(steps).sum())
    slope = float(np.median(steps / (times[second] - times[first])))
    change = slope * float(times[-1] - times[0])
    p = _two_sided(score, series)
    return Trend(p=p, change=change, limit=limit, drifts=p < ALPHA and change > limit)


def _two_sided(score: int, series: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    count = len(series)
    ties = np.unique(series, return_counts=True)[1]
    variance = (count * (count - 1) * (2 * count + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if variance <= 0 or score == 0:
        return 1.0
    z = (abs(score) - 1) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))
