"""From what activations are on the calibration pictures to the range that eight bits should cover.

One definition for both formats: ONNX and TFLite files are run on the same pictures, and the same functions turn
what their tensors hold into ranges. (ai-edge-quantizer's own calibration is a moving average of each picture's
extremes, weight 0.05 for the newest: it depends on the pictures' order and cuts off what it calls MinMax.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from waste_edge.errors import DataError
from waste_edge.export.recipe import ExportRecipe, RangeMethod

Activations = Mapping[str, NDArray[np.float32]]  # one picture's: by tensor name
Range = tuple[float, float]  # always holds zero, which INT8 must represent exactly

_BINS = 2048
_LEVELS = 255
_LEAST = 1e-4  # of one value: relative entropy knows no zeros; the same trace as in ONNX Runtime and MXNet
_SCALES = np.linspace(1.0, 0.3, 71)  # shares of the whole range that the searches try


def find_ranges(run: Callable[[], Iterable[Activations]], recipe: ExportRecipe) -> dict[str, Range]:
    """The range of every tensor over all calibration pictures.

    Args:
        run: starts over and gives each calibration picture's activations; called twice unless ranges are MinMax.
        recipe: its `ranges` and `percentile`.

    Raises:
        DataError: a tensor holds NaN or infinity.
    """
    extremes = _extremes(run())
    if recipe.ranges == "minmax":
        return extremes
    counts = {name: np.zeros(_BINS, np.int64) for name in extremes}
    for activations in run():
        for name, values in activations.items():
            counts[name] += _histogram(values, extremes[name])
    return {name: choose_range(counts[name], extremes[name], recipe.ranges, recipe.percentile) for name in extremes}


def choose_range(counts: NDArray[np.int64], extremes: Range, method: RangeMethod, percentile: float) -> Range:
    """The part of `extremes` that eight bits should cover.

    MinMax keeps all. Percentile cuts what lies beyond the percentile at either end. MSE takes the range whose
    rounding and clipping together have the least mean squared error (e.g. Nagel et al. 2021, section 3.1). Entropy
    takes the range from whose levels the values' distribution differs least: least relative entropy (Migacz 2017).

    Args:
        counts: (B,) how many values fell into each of B equal bins over `extremes`.
        extremes: smallest and largest value, zero between them.
        method: see above.
        percentile: in percent, 90 to 100.
    """
    low, high = extremes
    if method == "minmax" or high == low:
        return extremes
    if method == "percentile":
        edges = np.linspace(low, high, len(counts) + 1)
        share = np.cumsum(counts) / counts.sum()
        beyond = 1 - percentile / 100
        first, last = int(np.searchsorted(share, beyond, "right")), int(np.searchsorted(share, 1 - beyond))
        return min(0.0, float(edges[first])), max(0.0, float(edges[last + 1]))
    lows, highs = (_SCALES if low else [1.0]), (_SCALES if high else [1.0])
    centres = low + (np.arange(len(counts)) + 0.5) * (high - low) / len(counts)
    if method == "mse":
        candidates = [(low * down, high * up) for down in lows for up in highs]
        return min(candidates, key=lambda candidate: _squared_error(centres, counts, candidate))
    # Three times as dear a candidate: one end after the other, not every pair of ends.
    candidates = [(low, high * up) for up in highs]
    _, high = min(candidates, key=lambda candidate: _relative_entropy(centres, counts, candidate))
    candidates = [(low * down, high) for down in lows]
    return min(candidates, key=lambda candidate: _relative_entropy(centres, counts, candidate))


def _squared_error(centres: NDArray[np.float64], counts: NDArray[np.int64], candidate: Range) -> float:
    """Squared error of all values together, if eight bits cover `candidate`."""
    levels, zero_point, step = _levels(centres, candidate)
    return float((counts * ((levels - zero_point) * step - centres) ** 2).sum())


def _relative_entropy(centres: NDArray[np.float64], counts: NDArray[np.int64], candidate: Range) -> float:
    """Relative entropy D(P || Q) from the values to what eight bits make of them if they cover `candidate`.

    P: the histogram within the candidate, what lies beyond it added to its outermost bins. Q: the same without what
    lies beyond, each level's count spread evenly over its bins that P fills, a trace where only P has any. The bin of
    zero is left out: every candidate represents zero exactly, and after a ReLU most values are that one.
    """
    inside = (centres >= candidate[0]) & (centres <= candidate[1])
    kept = np.where(np.abs(centres) == np.abs(centres).min(), 0, counts)
    first, last = int(inside.argmax()), len(inside) - int(inside[::-1].argmax())
    within = kept[first:last].astype(np.float64)
    clipped = within.copy()
    clipped[0] += kept[:first].sum()
    clipped[-1] += kept[last:].sum()
    levels, filled = _levels(centres[first:last], candidate)[0].astype(np.int64), clipped > 0
    share = np.bincount(levels, within) / np.maximum(np.bincount(levels, filled), 1)
    spread = np.maximum(share[levels][filled], _LEAST)
    p, q = clipped[filled] / clipped.sum(), spread / spread.sum()
    return float((p * np.log(p / q)).sum())


def _levels(centres: NDArray[np.float64], candidate: Range) -> tuple[NDArray[np.float64], int, float]:
    """The level of each centre, 0 to 255, with zero's level and the distance between levels."""
    step = (candidate[1] - candidate[0]) / _LEVELS
    zero_point = round(-candidate[0] / step)
    return np.clip(np.round(centres / step) + zero_point, 0, _LEVELS), zero_point, step


def _extremes(pictures: Iterable[Activations]) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for activations in pictures:
        for name, values in activations.items():
            low, high = float(values.min()), float(values.max())
            if not (math.isfinite(low) and math.isfinite(high)):
                raise DataError(f"calibration: {name} becomes NaN or infinite; check the run's weights, train again")
            before = found.get(name, (0.0, 0.0))
            found[name] = min(before[0], low), max(before[1], high)
    return found


def _histogram(values: NDArray[np.float32], extremes: Range) -> NDArray[np.int64]:
    low, high = extremes
    if high == low:
        return np.zeros(_BINS, np.int64)
    bins = ((values.ravel() - low) * (_BINS / (high - low))).astype(np.int64)
    return np.bincount(np.minimum(bins, _BINS - 1), minlength=_BINS)
