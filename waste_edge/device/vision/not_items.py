"""Changes that settle like an item and are none: other light over the whole view, and a thing that was learned as
part of the empty scene and has been taken away."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.device.vision.scene import Grid, Mask, area, difference
from waste_edge.imaging.frames import Pixels

_Floats = NDArray[np.float32]

_LEVEL = 14.0  # of 255: a smaller difference is none
_WHOLE = 0.7  # share of the view that must differ before its light is asked for
_DRAWN = 3.0  # levels that stand out from a smooth course of brightness
_DRAWN_BLOCK = 0.1  # a block has a drawing if so much of it stands out
_DRAWN_BLOCKS = 0.25  # a scene of which fewer blocks have one is not known by it
_ALIKE = 0.6  # correlation of two drawings that are the same
_IN_PLACE = 0.85  # the same where an even change of light leaves a small rest: a thin item leaves most of a drawing
_SMALL_REST = 0.1  # share of the view
_NEARLY_ALL = 0.8  # of the blocks must be alike: an item covers its own
_SMOOTH = 0.06  # deviation of the log gain from a smooth course: light has no edges
_SIDE_BY_SIDE = 2  # blocks that changed their drawing are an item's
_MOSTLY = 0.25  # a block is judged where an even change of light leaves at least so much of it unexplained

_CONTRAST = 12.0  # levels between a thing and what lies around it, at least
_LOST = 2.5  # so many times as much contrast before as now
_CONTINUED = 1.28  # the ground goes on within a hole: its gradients differ by less than this factor


def is_other_light(look: Grid, reference: Grid, changed: Mask) -> bool:
    """Return whether the same scene is seen in another light: a lamp was switched, a door opened.

    Light changes nearly all of the view. The scene is then known by its drawing, which light leaves in place
    everywhere and an item covers, however large it is: also where an even change of light leaves a rest, since the
    camera's exposure may have stepped as an item came. A scene without any drawing is known by the course of the
    change, which has no edges if it is light, in no colour.

    Args:
        look: what is seen.
        reference: the scene as it was.
        changed: (48, 64), where they differ by more than an even change of light.
    """
    if area(np.asarray(difference(look, reference) > _LEVEL)) < _WHOLE:
        return False
    before, now = drawing(reference), drawing(look)
    drawn = _blocks((np.abs(before) > _DRAWN).astype(np.float32)) >= _DRAWN_BLOCK
    if np.count_nonzero(drawn) < _DRAWN_BLOCKS * drawn.size:
        return _is_smooth(look, reference)
    scale = np.sqrt(_blocks(before * before) * _blocks(now * now))
    together = _blocks(before * now) / np.maximum(scale, 1e-6)
    alike = together >= _ALIKE
    if not _nearly_all(alike, drawn):
        return False
    unexplained = _blocks(changed.astype(np.float32)) >= _MOSTLY
    telling = unexplained & drawn
    around = cv2.dilate(changed.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    plain = unexplained & ~drawn
    if np.count_nonzero(telling) >= _DRAWN_BLOCKS * np.count_nonzero(unexplained):
        in_place_from = _IN_PLACE if area(changed) < _SMALL_REST else _ALIKE
        in_place = _nearly_all(alike, telling) and not _hangs_together(telling & (together < in_place_from))
        # Where nothing was drawn, drawings tell nothing of what lies there now.
        return in_place and (not _hangs_together(plain) or _is_smooth(look, reference, around & _cells(plain)))
    return _is_smooth(look, reference, around)


def gain_map(look: Grid, reference: Grid) -> _Floats:
    """Compute the gain of each part of the view, by colour, (48, 64, 3): smooth, as light is."""
    return np.asarray(cv2.GaussianBlur((look + 4) / (reference + 4), (0, 0), 3), np.float32)


def is_left_behind(now: Pixels, before: Pixels, mask: NDArray[np.bool_]) -> bool:
    """Return whether what differs is a hole: something lay there when the scene was learned, and does so no longer.

    Then what is inside of the mask stood out from its surroundings before, and does not now, in colour, along its
    outline, in texture (a "ghost" of background
    subtraction: Cucchiara, Grana, Piccardi and Prati 2003, "Detecting moving objects, ghosts, and shadows").

    Args:
        now: the view at working resolution, uint8 (h, w, 3).
        before: the scene as it was learned, of the same shape.
        mask: where they differ, bool (h, w).
    """
    # A pixel more: a region may end just within the outline, whose edges tell most.
    marks = np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)), np.uint8)
    brush = np.ones((5, 5), np.uint8)
    wide, narrow = (cv2.dilate(marks, np.ones((size, size), np.uint8)) for size in (9, 3))
    inner = np.asarray(cv2.subtract(marks, cv2.erode(marks, brush, borderValue=(0.0,))), np.uint8)
    outer = np.asarray(cv2.subtract(wide, narrow), np.uint8)
    if not inner.any() or not outer.any():
        return False
    contrast_before, contrast_now = (_contrast(picture, inner, outer) for picture in (before, now))
    edges_before, edges_now = (_edges(picture, inner) for picture in (before, now))
    stood_out = contrast_before >= _CONTRAST and contrast_before >= _LOST * contrast_now
    return stood_out and edges_before >= 1.5 * edges_now and _is_continued(now, marks)


def _is_continued(picture: Pixels, marks: NDArray[np.uint8]) -> bool:
    """Return whether the texture within marks is that of what lies around them: a smooth thing on gravel is no hole."""
    core = cv2.erode(marks, np.ones((5, 5), np.uint8), borderValue=(0.0,))
    wide, narrow = (cv2.dilate(marks, np.ones((size, size), np.uint8)) for size in (25, 5))
    around = np.asarray(cv2.subtract(wide, narrow), np.uint8)
    if not core.any() or not around.any():
        return True
    inside, outside = _edges(picture, np.asarray(core, np.uint8)) + 4, _edges(picture, around) + 4
    return max(inside, outside) <= _CONTINUED * min(inside, outside)


def drawing(look: Grid) -> _Floats:
    """Brightness without its smooth course, (48, 64)."""
    luma = _luma(look)
    return np.asarray(luma - cv2.GaussianBlur(luma, (0, 0), 3), np.float32)


def _nearly_all(alike: Mask, blocks: Mask) -> bool:
    return bool(np.count_nonzero(alike & blocks) >= _NEARLY_ALL * np.count_nonzero(blocks))


def _hangs_together(blocks: Mask) -> bool:
    """Return whether some blocks lie side by side: of what light alone leaves unlike, hardly any do."""
    count, _, boxes, _ = cv2.connectedComponentsWithStats(blocks.astype(np.uint8), connectivity=4)
    return count > 1 and int(boxes[1:, cv2.CC_STAT_AREA].max()) >= _SIDE_BY_SIDE


def _is_smooth(look: Grid, reference: Grid, where: Mask | None = None) -> bool:
    """Return whether the change of light has no edges, in no colour; within a part of the view if one is given."""
    gain = np.log((look + 4) / (reference + 4))
    rest = gain - cv2.GaussianBlur(gain, (0, 0), 4)
    of_colours = rest.reshape(-1, 3) if where is None else rest[where]
    return float(of_colours.std(axis=0).max()) < _SMOOTH


def _luma(look: Grid) -> _Floats:
    return np.asarray(cv2.cvtColor(look, cv2.COLOR_RGB2GRAY), np.float32)


def _blocks(values: _Floats) -> _Floats:
    """Means over blocks of 6x8 cells, (8, 8)."""
    return np.asarray(cv2.resize(values, (8, 8), interpolation=cv2.INTER_AREA), np.float32)


def _cells(blocks: Mask) -> Mask:
    """The cells, (48, 64), of blocks (8, 8)."""
    return np.kron(blocks, np.ones((6, 8), np.bool_))


def _contrast(picture: Pixels, inner: NDArray[np.uint8], outer: NDArray[np.uint8]) -> float:
    """Largest difference by colour between two rings' mean colours."""
    inside, outside = cv2.mean(picture, inner)[:3], cv2.mean(picture, outer)[:3]
    return max(abs(one - other) for one, other in zip(inside, outside, strict=True))


def _edges(picture: Pixels, ring: NDArray[np.uint8]) -> float:
    """Mean gradient of brightness along a ring."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return float(cv2.mean(cv2.magnitude(across, down), ring)[0])
