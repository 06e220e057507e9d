"""Changes of a scene by light alone: exposure, white balance, soft shadows. What remains is the item."""

from __future__ import annotations

import functools
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.imaging.frames import Pixels

_DARK = 6.0  # levels added before dividing: black pixels say little about the light
_SAME = 0.008  # a smaller change of gain is none: two levels in 255
_LIMIT = 2.5  # an exposure step beyond this factor is another scene
_BINS = 96  # of the histogram of log gain
_STEADY = 0.55  # the light is taken as unchanged if so many fit, for each one that fits the best gain
_LOGS = np.log(np.arange(256, dtype=np.float32) + np.float32(_DARK))  # of a level's light
_BORDER = 4.0  # weight of a pixel at the picture's border: items lie inside

Gain = NDArray[np.float32]  # (3,)
_Number = TypeVar("_Number", np.uint8, np.float32)


def gain_of(look: Pixels, reference: Pixels) -> Gain:
    """Compute a look's gain over its reference, by colour, (3,), from most of the unchanged ground.

    The largest bundle of pixels that agree on a gain has the say, not the median: an item may cover most of the view.
    An unchanged light is preferred, so that a sheet of paper over half of the view is not taken for a change of
    light.

    Args:
        look: uint8 (h, w, 3).
        reference: of the same shape.
    """
    step = max(1, max(look.shape) // 40)
    grid = (slice(step // 2, None, step), slice(step // 2, None, step))
    # Colour by colour, (3, n): sums over a short last axis would take most of the time.
    rows, columns = look[grid].shape[:2]
    seen = np.ascontiguousarray(look[grid].reshape(-1, 3).T)
    base = np.ascontiguousarray(reference[grid].reshape(-1, 3).T)
    usable = np.flatnonzero(np.maximum(_most(seen), _most(base)) < 250)
    if usable.size < 0.02 * rows * columns:
        return np.ones(3, np.float32)
    weight = _weights(rows, columns)[usable]
    seen, base = seen[:, usable], base[:, usable]
    logs = _LOGS[seen] - _LOGS[base]
    tolerance = 0.04 + 9.0 / (base.astype(np.float32).sum(axis=0) + np.float32(3 * _DARK))
    best = np.array([[_peak(of_colour, weight)] for of_colour in logs], np.float32)
    steady = _most(np.abs(logs)) < tolerance
    stepped = _most(np.abs(logs - best)) < tolerance
    chosen = steady if weight[steady].sum() >= _STEADY * weight[stepped].sum() else stepped
    if np.count_nonzero(chosen) < 12:
        return np.ones(3, np.float32)
    gain = np.exp(np.sort(logs[:, chosen], axis=1)[:, np.count_nonzero(chosen) // 2])
    return np.asarray(np.clip(gain, 1 / _LIMIT, _LIMIT), np.float32)


def lit(reference: Pixels, gain: Gain) -> Pixels:
    """A picture under another light: each colour times its gain; the picture itself where that is nearly one."""
    if np.abs(gain - 1).max() < _SAME:
        return reference
    each = np.zeros((3, 4), np.float32)  # a quarter of what a table of all levels takes
    each[(0, 1, 2), (0, 1, 2)] = gain
    each[:, 3] = _DARK * (gain - 1)
    return np.asarray(cv2.transform(reference, each), np.uint8)


def _most(of_colours: NDArray[_Number]) -> NDArray[_Number]:
    """The largest of the three colours, (3, n) to (n,)."""
    most: NDArray[_Number] = np.maximum(np.maximum(of_colours[0], of_colours[1]), of_colours[2])
    return most


@functools.lru_cache(8)
def _weights(height: int, width: int) -> NDArray[np.float32]:
    weight = np.ones((height, width), np.float32)
    depth = max(1, min(height, width) // 15)
    weight[:depth] = weight[-depth:] = _BORDER
    weight[:, :depth] = weight[:, -depth:] = _BORDER
    weight.flags.writeable = False
    return weight.ravel()


def _peak(logs: NDArray[np.float32], weight: NDArray[np.float32]) -> float:
    """The log gain that most pixels agree on."""
    reach = float(np.log(_LIMIT))
    cells = ((logs + reach) * (_BINS / (2 * reach))).astype(np.int64).clip(0, _BINS - 1)
    counts = np.bincount(cells, weight, _BINS)
    smooth = counts[1:-1] + 0.5 * (counts[:-2] + counts[2:])  # the outermost hold what is beyond
    return (int(smooth.argmax()) + 1.5) * 2 * reach / _BINS - reach
