"""What light alone does to a scene: exposure, white balance, soft shadows. What remains is the item."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.frames import Pixels

_DARK = 6.0  # levels added before dividing: black pixels say little about the light
_LIMIT = 2.5  # an exposure step beyond this factor is another scene
_BINS = 96  # of the histogram of log gain
_STEADY = 0.55  # the light is taken as unchanged if so many fit, for each one that fits the best gain
_BORDER = 4.0  # weight of a pixel at the picture's border: items lie inside

Gain = NDArray[np.float32]  # (3,)


def gain_of(look: Pixels, reference: Pixels) -> Gain:
    """How much brighter a look is than its reference, by colour, (3,): what most of the unchanged ground says.

    The largest bundle of pixels that agree on a gain has the say, not the median: an item may cover most of the view.
    An unchanged light is preferred, so that a sheet of paper over half of the view is not taken for a change of
    light.

    Args:
        look: uint8 (h, w, 3).
        reference: of the same shape.
    """
    step = max(1, look.shape[1] // 80)
    seen = look[step // 2 :: step, step // 2 :: step].astype(np.float32) + _DARK
    base = reference[step // 2 :: step, step // 2 :: step].astype(np.float32) + _DARK
    weight = _weights(seen.shape[0], seen.shape[1])
    usable = (seen.max(axis=2) < 250 + _DARK) & (base.max(axis=2) < 250 + _DARK)
    if np.count_nonzero(usable) < 0.02 * usable.size:
        return np.ones(3, np.float32)
    logs = np.log(seen[usable] / base[usable])
    weight = weight[usable]
    tolerance = 0.02 + 3.0 / base[usable].mean(axis=1)
    best = np.array([_peak(logs[:, colour], weight) for colour in range(3)], np.float32)
    for centre in (np.zeros(3, np.float32), best):
        fits = (np.abs(logs - centre) < tolerance[:, None] + 0.02).all(axis=1)
        share = float(weight[fits].sum())
        if not centre.any():
            steady, steady_share = fits, share
    chosen = steady if steady_share >= _STEADY * share else fits
    if np.count_nonzero(chosen) < 12:
        return np.ones(3, np.float32)
    gain = np.exp(np.median(logs[chosen], axis=0))
    return np.asarray(np.clip(gain, 1 / _LIMIT, _LIMIT), np.float32)


def lit(reference: Pixels, gain: Gain) -> Pixels:
    """A picture under another light: each colour times its gain."""
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = np.clip((levels + _DARK) * gain - _DARK + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(reference, table[None]), np.uint8)


def _weights(height: int, width: int) -> NDArray[np.float32]:
    weight = np.ones((height, width), np.float32)
    depth = max(1, min(height, width) // 15)
    weight[:depth] = weight[-depth:] = _BORDER
    weight[:, :depth] = weight[:, -depth:] = _BORDER
    return weight


def _peak(logs: NDArray[np.float32], weight: NDArray[np.float32]) -> float:
    """The log gain that most pixels agree on."""
    reach = float(np.log(_LIMIT))
    counts, edges = np.histogram(logs, bins=_BINS, range=(-reach, reach), weights=weight)
    smooth = np.convolve(counts, [0.5, 1.0, 0.5], "same")
    at = int(smooth.argmax())
    return float((edges[at] + edges[at + 1]) / 2)
