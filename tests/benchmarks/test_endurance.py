from __future__ import annotations

import numpy as np
import pytest

from waste_edge.benchmarks.endurance import WARM_UP_WINDOWS, WINDOWS, assess, in_words, trend
from waste_edge.benchmarks.schema import Window

TIMES = [float(second) for second in range(36)]


def test_a_series_counted_by_hand() -> None:
    """Of 45 pairs 40 rise and 5 fall: S = 35; without ties its variance is 10 * 9 * 25 / 18 = 125."""
    values = [1.0, 2.0, 3.0, 5.0, 4.0, 7.0, 6.0, 10.0, 9.0, 8.0]
    pairs = [(i, j) for i in range(10) for j in range(i + 1, 10)]
    assert sum(np.sign(values[j] - values[i]) for i, j in pairs) == 35
    found = trend(TIMES[:10], values, limit=1.0)
    assert found.p == pytest.approx(0.002357, rel=1e-3)  # z = 34 / sqrt(125)
    assert found.change == pytest.approx(9.0, abs=1.0)
    assert found.drifts


def test_noise_and_single_moments_are_no_trend() -> None:
    noise = np.random.default_rng(0).normal(10, 1, 36)
    assert not trend(TIMES, noise.tolist(), 0.5).drifts
    flat = [1.0] * 36
    assert trend(TIMES, flat, 0.0).p == 1.0
    flat[-1] = 90.0
    assert not trend(TIMES, flat, 0.1).drifts


def test_a_drift_below_the_limit_or_downwards_does_not_matter() -> None:
    creeping = [1 + 0.001 * time for time in TIMES]
    assert trend(TIMES, creeping, 0.05).p < 0.001
    assert not trend(TIMES, creeping, 0.05).drifts
    assert trend(TIMES, creeping, 0.03).drifts
    assert not trend(TIMES, creeping[::-1], 0.03).drifts


def test_a_soaks_warm_up_is_not_held_against_it() -> None:
    def windows(slope_ms: float, slope_mb: float) -> list[Window]:
        return [
            Window(
                at_s=float(index),
                frames=100,
                p50_ms=(5.0 if index < WARM_UP_WINDOWS else 1.0) + slope_ms * index,
                anonymous_mb=(10.0 if index < WARM_UP_WINDOWS else 50.0) + slope_mb * index,
            )
            for index in range(WINDOWS)
        ]

    assert [one.drifts for one in assess(windows(0.0, 0.0))] == [False, False]
    assert [one.drifts for one in assess(windows(0.01, 0.0))] == [True, False]
    assert [one.drifts for one in assess(windows(0.0, 0.1))] == [False, True]
    assert "memory drifts: +3.500 MB over the soak (limit 2.000)" in in_words(*assess(windows(0.0, 0.1)))
