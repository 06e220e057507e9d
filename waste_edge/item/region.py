"""Where the item is: the difference between a frame and the ground that it lies on.

    frame ── less the light's change ──> differs in colour, or sharply in brightness ──> closed and filled ──> parts

A soft shadow or the item's reflection on a tray changes brightness smoothly and leaves the colour, so neither counts;
a thing of the ground's own colour is found by its outline. Shadows as what keeps its chromaticity: Horprasert, Harwood
and Davis 1999, "A statistical approach for real-time robust background subtraction and shadow detection".
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.frames import Pixels
from waste_edge.item.ground import Ground, shrink
from waste_edge.item.light import gain_of, lit
from waste_edge.preprocess import Region

__all__ = ["Ground", "ItemRegion", "find_item", "in_frame"]

Mask = NDArray[np.bool_]
_Bytes = NDArray[np.uint8]

_LEVEL = 10  # a smaller difference is never one
_NOISE = 5.0  # nor is one within so many deviations of the noise
_SHARP = 0.05  # change of relative brightness a working pixel that no soft shadow has
_DEEP = 0.45  # no soft shadow leaves less than this of the light
_LEAST = 0.002  # share of the view: less is dirt
_SMALL_PART = 0.12  # of the largest part's area: less is a crumb, part of nothing
_REACH = 0.02  # share of the long side across which pieces belong together


@dataclass(frozen=True, eq=False)
class ItemRegion:
    """Where an item lies.

    Attributes:
        box: around all of its parts, in shares of the frame.
        mask: bool (h, w) at the ground's working resolution.
        area: share of the frame that the mask covers.
        touches_edge: it may reach beyond what the camera sees.
        parts: boxes of things that lie apart, largest first; one for a single thing.
    """

    box: Region
    mask: Mask
    area: float
    touches_edge: bool
    parts: tuple[Region, ...]

    def only(self, part: int) -> ItemRegion:
        """The region of one of the parts alone, e.g. the largest."""
        if len(self.parts) == 1:
            return self
        box = self.parts[part]
        height, width = self.mask.shape
        rows = slice(round(box.top * height), round(box.bottom * height))
        columns = slice(round(box.left * width), round(box.right * width))
        _, labels = cv2.connectedComponents(self.mask.astype(np.uint8))
        inside = labels[rows, columns]
        counts = np.bincount(inside.ravel())
        counts[0] = 0
        return _region([labels == counts.argmax()])


def find_item(frame: Pixels, ground: Ground) -> ItemRegion | None:
    """The item that lies on a ground; None if nothing does.

    Args:
        frame: uint8 (H, W, 3), of the shape that the ground was made from.
        ground: the same view before the item came.

    Raises:
        ValueError: the frame's shape is another than the ground's.
    """
    look = shrink(frame, ground.size)
    if abs(frame.shape[1] * ground.size[1] - frame.shape[0] * ground.size[0]) > 2 * max(frame.shape):
        raise ValueError(f"a frame of {frame.shape[1]}x{frame.shape[0]} is not the view of a {ground.size} ground")
    expected = lit(ground.look, gain_of(look, ground.look))
    certain, changed = _differences(look, expected, ground.unsteady)
    pieces = _solid(certain)
    if not pieces.any():
        pieces = _solid(changed)  # only brightness differs, and softly: better an item with its shadow than none
    parts = _parts(pieces)
    return _region(parts) if parts else None


def in_frame(box: Region, within: Region) -> Region:
    """A box in shares of a part of the frame, in shares of the whole frame.

    Args:
        box: in shares of `within`.
        within: e.g. the site's region of interest, in shares of the frame.
    """
    width, height = within.right - within.left, within.bottom - within.top
    return Region(
        left=within.left + box.left * width,
        top=within.top + box.top * height,
        right=min(1.0, within.left + box.right * width),
        bottom=min(1.0, within.top + box.bottom * height),
    )


def _differences(look: Pixels, expected: Pixels, unsteady: _Bytes) -> tuple[_Bytes, _Bytes]:
    """Where a look differs for certain, and where it differs at all, shadows included; (h, w), 0 or 1."""
    seen = cv2.cvtColor(look, cv2.COLOR_RGB2GRAY)
    base = cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY)
    step = cv2.absdiff(seen, base)
    limit = cv2.add(unsteady, np.full_like(unsteady, _limit_of(step)))
    changed = cv2.compare(step, limit, cv2.CMP_GT)
    ratio = cv2.divide(cv2.add(seen, 8).astype(np.float32), cv2.add(base, 8).astype(np.float32))
    # What the ground would look like in the shade: the same colours, so much darker.
    shaded = cv2.multiply(expected.astype(np.float32), cv2.merge([ratio, ratio, ratio]))
    tint = cv2.absdiff(look, cv2.convertScaleAbs(shaded))
    colour = cv2.max(cv2.max(*cv2.split(tint)[:2]), cv2.split(tint)[2])
    tinted = cv2.compare(colour, limit, cv2.CMP_GT)
    soft = cv2.GaussianBlur(ratio, (3, 3), 0)
    slope = cv2.magnitude(
        cv2.Scharr(soft, cv2.CV_32F, 1, 0, scale=1 / 32), cv2.Scharr(soft, cv2.CV_32F, 0, 1, scale=1 / 32)
    )
    outline = cv2.bitwise_and(cv2.compare(slope, _SHARP, cv2.CMP_GT), changed)
    deep = cv2.bitwise_and(cv2.compare(ratio, _DEEP, cv2.CMP_LT), changed)
    certain = cv2.bitwise_or(cv2.bitwise_or(tinted, outline), deep)
    return np.asarray(certain, np.uint8), np.asarray(cv2.bitwise_or(changed, tinted), np.uint8)


def _limit_of(step: _Bytes) -> int:
    """The least difference that is not noise: of the quieter half of the view the deviation, several times."""
    sample = np.sort(step[::3, ::3].ravel())
    # The lower quartile of |x| of a normal distribution is 0.319 deviations; an item may cover half of the view.
    deviation = float(sample[sample.size // 4] + 0.5) / 0.319
    return int(min(40.0, max(float(_LEVEL), _NOISE * deviation / 3)))


def _solid(marks: _Bytes) -> _Bytes:
    """Marks without specks, their gaps closed and their holes filled; 0 or 255."""
    height, width = marks.shape
    reach = max(3, round(_REACH * max(height, width)) | 1)
    calm = cv2.medianBlur(marks, 3)
    padded = cv2.copyMakeBorder(calm, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    inner = np.ascontiguousarray(closed[reach:-reach, reach:-reach])
    contours, _ = cv2.findContours(inner, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(inner)
    cv2.drawContours(filled, contours, -1, 255, cv2.FILLED)
    return np.asarray(cv2.morphologyEx(filled, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)


def _parts(pieces: _Bytes) -> list[Mask]:
    """Pieces that belong together by their nearness, largest first, without crumbs."""
    height, width = pieces.shape
    reach = 2 * max(1, round(_REACH * max(height, width))) + 1
    joined = cv2.dilate(pieces, np.ones((reach, reach), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    if count <= 1:
        return []
    areas = np.bincount(labels[pieces > 0], minlength=count)
    areas[0] = 0
    least = max(_LEAST * pieces.size, _SMALL_PART * areas.max())
    order = [int(label) for label in np.argsort(-areas) if areas[label] >= least]
    return [_hull_closed((labels == label) & (pieces > 0)) for label in order]


def _hull_closed(part: Mask) -> Mask:
    """A part with its bays closed: where a transparent bottle shows the ground there is still bottle."""
    left, top, width, height = cv2.boundingRect(part.astype(np.uint8))
    reach = max(3, round(0.2 * min(width, height)) | 1)
    pad = reach + 1
    piece = cv2.copyMakeBorder(
        part[top : top + height, left : left + width].astype(np.uint8), pad, pad, pad, pad, cv2.BORDER_CONSTANT
    )
    closed = cv2.morphologyEx(piece, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(closed, contours, -1, 1, cv2.FILLED)
    whole = part.copy()
    whole[top : top + height, left : left + width] |= closed[pad:-pad, pad:-pad] > 0
    return whole


def _region(parts: list[Mask]) -> ItemRegion:
    mask = np.logical_or.reduce(parts)
    height, width = mask.shape
    border = int(mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum())
    return ItemRegion(
        box=_box(mask),
        mask=mask,
        area=np.count_nonzero(mask) / mask.size,
        touches_edge=border >= max(3, 0.01 * max(height, width)),
        parts=tuple(_box(part) for part in parts),
    )


def _box(mask: Mask) -> Region:
    height, width = mask.shape
    left, top, across, down = cv2.boundingRect(mask.astype(np.uint8))
    return Region(left=left / width, top=top / height, right=(left + across) / width, bottom=(top + down) / height)
