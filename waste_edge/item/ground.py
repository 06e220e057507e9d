"""A reference view: what the camera sees where no new item lies, at working resolution.

Light alone changes such a view, too (`lit`): exposure, white balance, soft shadows. What remains is the item.
"""

from __future__ import annotations

import functools
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.imaging.frames import Pixels, require_pixels

LONG_SIDE_PX = 320  # of the working resolution, at most

Levels = NDArray[np.float32]
_DARK = 6.0  # levels added before dividing: black pixels say little about the light
_SAME = 0.008  # a smaller change of gain is none: two levels in 255
_BURNT = 250  # levels: brighter, and how bright is not told
_LIMIT = 2.5  # an exposure step beyond this factor is another scene
_BINS = 96  # of the histogram of log gain
_STEADY = 0.55  # the light is taken as unchanged if so many fit, for each one that fits the best gain
_LOGS = np.log(np.arange(256, dtype=np.float32) + np.float32(_DARK))  # of a level's light
_BORDER = 4.0  # weight of a pixel at the picture's border: items lie inside

Gain = NDArray[np.float32]  # (3,)
_Number = TypeVar("_Number", np.uint8, np.float32)


def working_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Width and height at working resolution of a frame: divided by a whole number, which keeps averaging cheap."""
    divisor = max(1, -(-max(width_px, height_px) // LONG_SIDE_PX))
    return max(1, width_px // divisor), max(1, height_px // divisor)


def shrink(pixels: Pixels, size: tuple[int, int] | None = None) -> Pixels:
    """A frame, uint8 (H, W, 3), at working resolution, uint8 (h, w, 3); each pixel is the mean of four samples.

    Args:
        pixels: the frame.
        size: width and height to shrink to; `working_size` of the frame if not given.
    """
    width, height = size or working_size(pixels.shape[1], pixels.shape[0])
    if pixels.shape[:2] == (height, width):
        return pixels
    if pixels.shape[:2] != (2 * height, 2 * width) and min(pixels.shape[0] / height, pixels.shape[1] / width) > 2:
        # Sampling first: averaging every pixel of a large frame takes several times as long.
        pixels = np.asarray(cv2.resize(pixels, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def grey_of(pixels: Pixels) -> NDArray[np.uint8]:
    """Brightness of a picture, (h, w)."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


class Ground:
    """The empty scene, or the scene before the last item came, to tell an item from.

    About 0.2 ms to make or to follow at 640x480, and 230 kB, 380 after an item lay on it, 1.3 MB after following: a
    layer of the scene can afford one each.

    Args:
        pixels: a frame without the item, uint8 (H, W, 3), of any size.
    """

    def __init__(self, pixels: Pixels) -> None:
        require_pixels(pixels)
        self._look = np.ascontiguousarray(shrink(pixels))
        self._exact: Levels | None = None  # what `follow` sums up; levels alone would lose a slow drift
        self._grey: NDArray[np.uint8] | None = None
        self._unsteady: NDArray[np.uint8] | None = None

    @property
    def look(self) -> Pixels:
        """The scene at working resolution, uint8 (h, w, 3), not to be changed."""
        return self._look

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels at working resolution."""
        return self._look.shape[1], self._look.shape[0]

    @property
    def grey(self) -> NDArray[np.uint8]:
        """Brightness of the look, (h, w), not to be changed."""
        if self._grey is None:
            self._grey = grey_of(self._look)
        return self._grey

    @property
    def unsteady(self) -> NDArray[np.uint8]:
        """Change of each pixel, (h, w), when the camera shakes by half a working pixel: half its contrast."""
        if self._unsteady is None:
            box = np.ones((3, 3), np.uint8)
            self._unsteady = np.asarray(cv2.morphologyEx(self.grey, cv2.MORPH_GRADIENT, box) // 4, np.uint8)
        return self._unsteady

    def follow(self, pixels: Pixels, share: float) -> None:
        """Drift towards a frame in which nothing but the light changed: slow light, a day's dust.

        Args:
            pixels: a frame without the item, of the shape that the ground was made from.
            share: how far, 0 to 1: seconds since the last call over the time constant.
        """
        seen = shrink(pixels, self.size)
        if self._exact is None:
            self._exact = self._look.astype(np.float32)
        cv2.accumulateWeighted(seen, self._exact, min(1.0, max(0.0, share)))
        self._look = np.asarray(cv2.convertScaleAbs(self._exact), np.uint8)
        self._grey = self._unsteady = None

    def pack(self) -> bytes:
        """The ground as a PNG, some tens of kB."""
        _, data = cv2.imencode(".png", self._look[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        return data.tobytes()


def unpack(kept: bytes) -> Ground | None:
    """The ground that `Ground.pack` made bytes of; None if they are damaged or too large to be one."""
    # IHDR says the size before anything is decoded: a damaged file must not claim gigabytes.
    if len(kept) < 24 or not kept.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    if not 0 < max(int.from_bytes(kept[16:20]), int.from_bytes(kept[20:24])) <= LONG_SIDE_PX:
        return None
    decoded = cv2.imdecode(np.frombuffer(kept, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        return None
    return Ground(np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1]))


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
    weight = _weights(rows, columns)
    burnt = _most(np.maximum(seen, base)) >= _BURNT
    if burnt.any():
        lost, usable = burnt & (_most(base) < _BURNT), np.flatnonzero(~burnt)
        if np.count_nonzero(lost) > usable.size:
            return _gain_of_lost(seen[:, lost], base[:, lost])
        if usable.size < 0.02 * burnt.size:
            return np.ones(3, np.float32)
        weight, seen, base = weight[usable], seen[:, usable], base[:, usable]
    logs = _LOGS[seen] - _LOGS[base]
    sums = np.add(np.add(base[0], base[1], dtype=np.float32), base[2])
    tolerance = 0.04 + 9.0 / (sums + np.float32(3 * _DARK))
    chosen = _most(np.abs(logs)) < tolerance
    steady = weight[chosen].sum()
    if steady < _STEADY * weight.sum():  # else no other gain can fit enough pixels, and need not be looked for
        stepped = _most(np.abs(logs - _peaks(logs, weight))) < tolerance
        chosen = chosen if steady >= _STEADY * weight[stepped].sum() else stepped
    if np.count_nonzero(chosen) < 12:
        return np.ones(3, np.float32)
    gain = np.exp(np.sort(logs[:, chosen], axis=1)[:, np.count_nonzero(chosen) // 2])
    within = np.minimum(np.maximum(gain, np.float32(1 / _LIMIT)), np.float32(_LIMIT))
    return np.asarray(within, np.float32)


def _gain_of_lost(seen: NDArray[np.uint8], base: NDArray[np.uint8]) -> Gain:
    """The gain of a ground that burnt out, (3,), as a pale one does when the camera exposes for a dark item.

    Of a colour that is burnt in most places all that is known is the least gain: the one that burns nearly all of it.

    Args:
        seen: (3, n), the places that are burnt now and were not before.
        base: the same places before.
    """
    ratios = np.sort((seen.astype(np.float32) + _DARK) / (base.astype(np.float32) + _DARK), axis=1)
    middle, most = ratios.shape[1] // 2, ratios.shape[1] * 19 // 20  # np.median would import numpy.ma in a frame
    burnt = np.sort(seen, axis=1)[:, middle] >= _BURNT
    gain = np.where(burnt, ratios[:, most], ratios[:, middle])
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


def _peaks(logs: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """The log gain, (3, 1), that most pixels agree on, of logs (3, n) and the weight of each pixel, (n,)."""
    reach = float(np.log(_LIMIT))
    cells = ((logs + reach) * (_BINS / (2 * reach))).astype(np.int64).clip(0, _BINS - 1)
    cells += _BINS * np.arange(3)[:, None]  # three histograms beside one another
    counts = np.bincount(cells.ravel(), np.tile(weight, 3), 3 * _BINS).reshape(3, _BINS)
    smooth = counts[:, 1:-1] + 0.5 * (counts[:, :-2] + counts[:, 2:])  # the outermost hold what is beyond
    return np.asarray((smooth.argmax(axis=1) + 1.5) * 2 * reach / _BINS - reach, np.float32)[:, None]
