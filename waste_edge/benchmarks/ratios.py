"""Ratios of two rows' latencies with intervals: rows that took turns are compared round by round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waste_edge.benchmarks.candidates import Candidate
from waste_edge.benchmarks.schema import Ratio

RESAMPLES = 1000
_BLOCKS = 64  # what is drawn are stretches of rounds, since neighbours in time resemble each other
_MOST = 4096  # rounds; of more, evenly many are left out

Floats = NDArray[np.float64]


def ratio_interval(above: Sequence[int], below: Sequence[int], seed: int) -> tuple[float, float, float]:
    """Median over median, and its 95 % interval from a block bootstrap of the rounds.

    Args:
        above, below: samples of two rows, one a round of both.
        seed: of the draw.
    """
    top, bottom = _thinned(above), _thinned(below)
    count = min(_BLOCKS, len(top))
    size = len(top) // count
    stretches = [values[: count * size].reshape(count, size) for values in (top, bottom)]
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    medians = [np.median(values[drawn].reshape(RESAMPLES, -1), axis=1) for values in stretches]
    low, high = np.percentile(medians[0] / np.maximum(medians[1], 1.0), (2.5, 97.5))
    return float(np.median(above)) / max(1.0, float(np.median(below))), float(low), float(high)


def _thinned(samples: Sequence[int]) -> Floats:
    values = np.asarray(samples, np.float64)
    return values if len(values) <= _MOST else values[np.linspace(0, len(values) - 1, _MOST).round().astype(int)]


def ratios_of(candidates: Sequence[Candidate], seed: int) -> list[Ratio]:
    """FP32 over INT8, ours over bare, and the first bundle over each other one."""
    by_key = {candidate.key: candidate for candidate in candidates}
    first = next((one.row.subject for one in candidates if one.ours), "")
    made: list[Ratio] = []
    for one in candidates:
        if one.ours is None:
            continue
        tail = one.key.removeprefix(f"{one.row.subject}/")
        if one.row.precision == "int8" and (fp32 := by_key.get(one.key.replace("-int8/", "-fp32/"))):
            made.append(_ratio("fp32 over int8", fp32, one, seed))
        if bare := by_key.get(one.key.removesuffix("ours") + "bare"):
            made.append(_ratio("ours over bare", one, bare, seed))
        if one.row.subject != first and (other := by_key.get(f"{first}/{tail}")):
            made.append(_ratio("first over this", other, one, seed))
    return sorted(made, key=lambda ratio: ratio.what)


def _ratio(
    what: Literal["fp32 over int8", "ours over bare", "first over this"], above: Candidate, below: Candidate, seed: int
) -> Ratio:
    value, low, high = ratio_interval(above.samples_ns, below.samples_ns, seed)
    return Ratio(what=what, numerator=above.key, denominator=below.key, value=value, low=low, high=high)
