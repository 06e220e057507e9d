"""Region of the item: the difference between a frame and the ground that it lies on.

    frame ── less the light's change ──> differs in colour, texture, or sharply in brightness ──> filled ──> parts

A soft shadow or the item's reflection on a tray changes brightness smoothly and leaves the colour, so neither counts;
a thing of the ground's own colour is found by its outline, or by the ground's texture that it hides. Shadows as what
keeps its chromaticity: Horprasert, Harwood and Davis 1999, "A statistical approach for real-time robust background
subtraction and shadow detection".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import Region
from waste_edge.item.ground import Ground, gain_of, grey_of, lit, shrink

__all__ = ["Ground", "ItemRegion", "find_item", "in_frame"]

Mask = NDArray[np.bool_]
_Bytes = NDArray[np.uint8]
_Window = tuple[slice, slice]  # rows and columns

_CONTRAST = 0.075  # a difference of less than this share of the ground's mean brightness is never one
_LEAST_LEVEL, _MOST_LEVEL = 5.0, 10.0  # what that is at least and at most
_NOISE = 1.7  # nor is one within so many deviations of the noise, as far as a quarter of the view tells it
_SHARP = 0.05  # change of relative brightness a working pixel that no soft shadow has
_ONE = 128  # relative brightness in bytes: up to twice as bright
_DARK = 8  # levels added before dividing: black pixels say little about the light
_DEEP = 0.45  # no soft shadow leaves less than this of the light
_GRAIN_PX = 5  # working pixels across which texture is looked for
_GRAIN = 0.016  # of relative brightness, at least: a pixel's difference from the mean around it
_TIMES_NOISE = 1.7  # nor less than so many times what it is on average where nothing changed
_GRAINY_SHARE, _CHANGED_SHARE = 0.55, 0.4  # of the pixels around: those that differ so, and those that changed
_LEAST_CALM = 0.02  # share of the part that is looked at: with less that did not change the noise is not known
_SURROUNDED = 0.75  # share of a doubtful patch's rim beside what is certain: it is part of that
_LEAST = 0.002  # share of the view: less is dirt
_SMALL_PART = 0.12  # of the largest part's area: less is a crumb, part of nothing
_BAY = 0.1  # of the part's narrower side: half the width of bays that are closed
_COARSE = 4  # times: as bays are closed
_BLOCK, _AROUND = 8, 2  # working pixels in which marks are counted, and blocks that are looked at around
_DENSE = 16  # of 255: a block of fewer marks holds specks
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_SQUARE = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
_REACH = 0.02  # share of the long side across which pieces belong together


@dataclass(frozen=True, eq=False)
class ItemRegion:
    """Region of an item.

    Attributes:
        box: around all of its parts, in shares of the frame.
        mask: bool (h, w) at the ground's working resolution.
        area: share of the frame that the mask covers.
        touches_edge: it may reach beyond what the camera sees.
        parts: boxes of things that lie apart, largest first; one for a single thing.
        part_masks: of each of them, like `mask`; empty for a single thing.
    """

    box: Region
    mask: Mask
    area: float
    touches_edge: bool
    parts: tuple[Region, ...]
    part_masks: tuple[Mask, ...] = ()

    def only(self, part: int) -> ItemRegion:
        """The region of one of the parts alone, e.g. the largest."""
        return self if len(self.parts) == 1 else _region([self.part_masks[part]])


def find_item(frame: Pixels, ground: Ground) -> ItemRegion | None:
    """The item that lies on a ground; None if nothing does.

    Args:
        frame: uint8 (H, W, 3), of the shape that the ground was made from.
        ground: the same view before the item came.

    Raises:
        ValueError: the frame's shape is another than the ground's.
    """
    if min(ground.size) <= _BLOCK:
        return None  # too little to tell a thing from noise
    look = shrink(frame, ground.size)
    if abs(frame.shape[1] * ground.size[1] - frame.shape[0] * ground.size[0]) > 2 * max(frame.shape):
        raise ValueError(f"a frame of {frame.shape[1]}x{frame.shape[0]} is not the view of a {ground.size} ground")
    expected = lit(ground.look, gain_of(look, ground.look))
    base = ground.grey if expected is ground.look else grey_of(expected)
    level = _level_of(look, base)
    inside = _window(look, expected, level)
    limit = _plus(ground.unsteady[inside], level)
    certain, changed = _differences(look[inside], (expected[inside], base[inside]), limit)
    # If only brightness differs, and softly: better an item with its shadow than none.
    parts = _parts(certain, changed, inside, base.shape) or _parts(changed, changed, inside, base.shape)
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


def _where(pixels: _Bytes, limit: float, how: int) -> _Bytes:
    """Compare with one number: 255 where it holds. OpenCV takes a scalar there, its type stubs do not."""
    return np.asarray(cv2.compare(pixels, limit, how), np.uint8)  # type: ignore[call-overload]


def _plus(pixels: _Bytes, number: int) -> _Bytes:
    """Add one number, up to 255; see `_where` for the type."""
    return np.asarray(cv2.add(pixels, number), np.uint8)  # type: ignore[call-overload]


def _level_of(look: Pixels, base: _Bytes) -> int:
    """The least difference from the ground that is neither noise nor a breath of shadow: a level.

    Args:
        look: uint8 (h, w, 3).
        base: brightness of the expected ground, (h, w).
    """
    seen = grey_of(np.ascontiguousarray(look[2::5, 2::5]))
    sample = np.asarray(cv2.absdiff(seen, np.ascontiguousarray(base[2::5, 2::5])), np.uint8).ravel()
    # The lower quartile of |x| of a normal distribution is 0.319 deviations; an item may cover half of the view.
    deviation = float(np.partition(sample, sample.size // 4)[sample.size // 4] + 0.5) / 0.319
    level = min(_MOST_LEVEL, max(_LEAST_LEVEL, _CONTRAST * cv2.mean(base)[0]))
    return int(min(40.0, max(level, _NOISE * deviation)))


def _window(look: Pixels, expected: Pixels, level: int) -> _Window:
    """Rows and columns of the part of the view that may hold differences; all of them where none are dense.

    Every second row tells, without regard to shadows and to contrast: the rest is not worth a closer look. All of the
    view is, where the colours' noise is above the level.
    """
    height, width = look.shape[:2]
    calm = cv2.inRange(cv2.absdiff(look[::2], expected[::2]), (0, 0, 0), (level, level, level))
    left, top, across, down = _dense(np.asarray(cv2.bitwise_not(calm), np.uint8), (height, width))
    return _slices(left, top, across, down) if across else _slices(0, 0, width, height)


def _differences(look: Pixels, ground: tuple[Pixels, _Bytes], limit: _Bytes) -> tuple[_Bytes, _Bytes]:
    """Mask certain differences, and all differences, shadows included; each (h, w), 0 or 255.

    All of it in bytes, which is four times as fast as in floats.

    Args:
        look: uint8 (h, w, 3).
        ground: as it is expected, (h, w, 3), and its brightness, (h, w).
        limit: the difference that is none, (h, w).
    """
    seen, (expected, base) = grey_of(look), ground
    step = cv2.absdiff(seen, base)
    changed = np.asarray(cv2.compare(step, limit, cv2.CMP_GT), np.uint8)
    dark = np.full_like(seen, _DARK)
    ratio = np.asarray(cv2.divide(cv2.add(seen, dark), cv2.add(base, dark), scale=_ONE), np.uint8)
    # What the ground would look like in the shade: the same colours, so much darker.
    shaded = cv2.multiply(expected, cv2.merge([ratio, ratio, ratio]), scale=1 / _ONE)
    red, green, blue = cv2.split(cv2.absdiff(look, shaded))
    tinted = cv2.compare(cv2.max(cv2.max(red, green), blue), limit, cv2.CMP_GT)
    soft = cv2.blur(ratio, (3, 3))
    ways = [cv2.convertScaleAbs(way, alpha=0.25) for way in cv2.spatialGradient(soft)]
    slope = np.asarray(cv2.max(*ways), np.uint8)
    outline = cv2.bitwise_and(_where(slope, _SHARP * 2 * _ONE, cv2.CMP_GT), changed)
    deep = cv2.bitwise_and(_where(ratio, _DEEP * _ONE, cv2.CMP_LT), changed)
    certain = cv2.bitwise_or(cv2.bitwise_or(tinted, outline), cv2.bitwise_or(deep, _rough(ratio, changed)))
    return np.asarray(certain, np.uint8), np.asarray(cv2.bitwise_or(changed, tinted), np.uint8)


def _rough(ratio: _Bytes, changed: _Bytes) -> _Bytes:
    """Mask where the ground's texture is lost: it shows through a shadow, and not through a thing. (h, w), 0 or 255.

    There relative brightness varies from pixel to pixel, as the missing texture did, in most pixels, and by more than
    where nothing changed, which tells the camera's noise.

    Args:
        ratio: relative brightness, (h, w), `_ONE` where it is the ground's.
        changed: where it is another, (h, w), 0 or 255.
    """
    size = (_GRAIN_PX, _GRAIN_PX)
    grain = np.asarray(cv2.absdiff(ratio, cv2.blur(ratio, size)), np.uint8)
    around = np.asarray(cv2.blur(changed, size), np.uint8)
    # By chance some pixels of a thing are as bright as the ground: only what has none that changed around is ground.
    calm = _where(around, 0, cv2.CMP_EQ)
    if cv2.countNonZero(calm) < _LEAST_CALM * calm.size:
        return np.zeros_like(changed)
    noise = cv2.mean(grain, calm)[0]
    grainy = _where(grain, max(_GRAIN * _ONE, _TIMES_NOISE * noise), cv2.CMP_GT)
    rough = _where(np.asarray(cv2.blur(grainy, size), np.uint8), _GRAINY_SHARE * 255, cv2.CMP_GT)
    return np.asarray(cv2.bitwise_and(rough, _where(around, _CHANGED_SHARE * 255, cv2.CMP_GT)), np.uint8)


def _enclosed(certain: _Bytes, changed: _Bytes) -> _Bytes:
    """Mask what is certain, and what merely changed if that surrounds it: the plain middle of a thing, no shadow."""
    doubtful = cv2.bitwise_and(changed, cv2.bitwise_not(certain))
    count, labels = cv2.connectedComponents(doubtful, connectivity=4, ltype=cv2.CV_16U)
    if count <= 1:
        return certain
    beside_certain = cv2.dilate(certain, _CROSS)
    beside_ground = cv2.dilate(cv2.bitwise_not(changed), _CROSS)
    inner, outer = (
        cv2.calcHist([labels], [0], beside, [count], [0, count]).ravel() for beside in (beside_certain, beside_ground)
    )
    surrounded = inner > _SURROUNDED * (inner + outer)
    surrounded[0] = False
    if not surrounded.any():
        return certain
    filled = np.take(surrounded.astype(np.uint8) * np.uint8(255), np.asarray(labels, np.uint16))
    return np.asarray(cv2.bitwise_or(certain, filled), np.uint8)


def _parts(marks: _Bytes, changed: _Bytes, looked_at: _Window, view: tuple[int, ...]) -> list[Mask]:
    """The things that marks, 0 or 255, belong to, largest first, without crumbs: bool (h, w) of the whole view each.

    Args:
        marks: what belongs to things for certain, in the part that is looked at.
        changed: what may.
        looked_at: where that part is.
        view: height and width of the whole view.
    """
    # Specks are taken away after that: an outline is often a pixel wide, and encloses nothing where it is broken.
    calm = np.asarray(cv2.medianBlur(_enclosed(marks, changed), 3), np.uint8)
    reach = max(1, round(_REACH * max(view)))
    inside = _inhabited(calm, reach)
    if inside is None:
        return []
    pieces = _solid(np.ascontiguousarray(calm[inside]), reach)
    things = _things(pieces, reach, _LEAST * view[0] * view[1])
    return [_framed(_hull_closed(piece), _within(looked_at, inside), view) for piece in things]


def _inhabited(marks: _Bytes, reach: int) -> _Window | None:
    """Rows and columns of all marks and `reach` pixels more, within the part that was looked at; None without marks.

    Where that part ends, which is at the view's border for a thing that reaches it, marks count as going on.
    """
    left, top, across, down = cv2.boundingRect(marks)
    if not across:
        return None
    right, bottom = min(marks.shape[1], left + across + reach), min(marks.shape[0], top + down + reach)
    return slice(max(0, top - reach), bottom), slice(max(0, left - reach), right)


def _slices(left: int, top: int, width: int, height: int) -> _Window:
    """Rows and columns of a rectangle."""
    return slice(top, top + height), slice(left, left + width)


def _within(outer: _Window, inner: _Window) -> _Window:
    """Rows and columns of the whole view of a part of a part."""
    (rows, columns), (top, left) = inner, (outer[0].start, outer[1].start)
    return slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)


def _framed(part: Mask, inside: _Window, shape: tuple[int, ...]) -> Mask:
    """Lay a part into some rows and columns of an empty mask of `shape`."""
    framed = np.zeros(shape, np.bool_)
    framed[inside] = part
    return framed


def _dense(marks: _Bytes, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the part of a view that marks, 0 or 255, are dense in; zeros where nowhere.

    Noise leaves specks all over the view, and what is done with a smaller part is done sooner.

    Args:
        marks: of the view, or of every n-th row of it.
        shape: height and width of the view.
    """
    height, width = shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    blocks = np.asarray(cv2.resize(marks, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    left, top, across, down = cv2.boundingRect(_where(blocks, _DENSE, cv2.CMP_GT))
    if not across:
        return 0, 0, 0, 0
    right, bottom = left + across + _AROUND, top + down + _AROUND
    left, top = max(0, left - _AROUND) * width // columns, max(0, top - _AROUND) * height // rows
    right, bottom = min(columns, right) * width // columns, min(rows, bottom) * height // rows
    return left, top, right - left, bottom - top


def _solid(marks: _Bytes, reach: int) -> _Bytes:
    """Marks, 0 or 255, with gaps closed, holes filled and hairs cut off."""
    padded = cv2.copyMakeBorder(marks, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach | 1, reach | 1))
    inner = np.ascontiguousarray(cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)[reach:-reach, reach:-reach])
    return np.asarray(cv2.morphologyEx(_filled(np.asarray(inner, np.uint8)), cv2.MORPH_OPEN, _SQUARE), np.uint8)


def _filled(marks: _Bytes) -> _Bytes:
    """Marks, 0 or 255, with holes filled: all that the outside does not reach. Half of what contours take."""
    outside = 128
    flooded = cv2.copyMakeBorder(marks, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    cv2.floodFill(flooded, None, (0, 0), outside)
    return _where(np.asarray(flooded[1:-1, 1:-1], np.uint8), outside, cv2.CMP_NE)


def _things(pieces: _Bytes, reach: int, least: float) -> Iterator[_Bytes]:
    """Group pieces, 0 or 255, by nearness: each thing's, the largest first, but those of less than `least` pixels.

    Crumbs beside a larger thing are left out, too.
    """
    joined = cv2.dilate(pieces, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    count, labels = cv2.connectedComponents(joined, ltype=cv2.CV_16U)
    if count == 2:  # nearly always one thing: it is all of the pieces
        if 0 < least <= cv2.countNonZero(pieces):
            yield pieces
        return
    areas = np.bincount(labels[pieces > 0], minlength=count)
    areas[0] = 0
    least = max(least, _SMALL_PART * areas.max())
    for label in np.argsort(-areas, kind="stable"):
        if areas[label] < least:
            return
        yield np.where(labels == label, pieces, np.uint8(0))


def _hull_closed(piece: _Bytes) -> Mask:
    """A part, 0 or 255, with its bays closed: where a transparent bottle shows the ground there is still bottle."""
    height, width = piece.shape
    whole = cv2.copyMakeBorder(piece, 0, -height % _COARSE, 0, -width % _COARSE, cv2.BORDER_CONSTANT)
    # Coarsely, since wide closing of every pixel would take longer than everything else.
    size = whole.shape[1] // _COARSE, whole.shape[0] // _COARSE
    _, coarse = cv2.threshold(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), 127, 255, cv2.THRESH_BINARY)
    reach = max(1, round(_BAY * min(cv2.boundingRect(coarse)[2:])))
    padded = cv2.copyMakeBorder(coarse, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)[reach:-reach, reach:-reach]
    # Only what was closed: a coarse outline would reach some pixels too far.
    bays = cv2.resize(cv2.subtract(closed, coarse), whole.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    filled = _filled(np.asarray(cv2.bitwise_or(whole, bays)[:height, :width], np.uint8))
    # Outlines are found a pixel too far out, by the blur before the slope; at the view's border they are not.
    return np.asarray(cv2.erode(filled, _CROSS, borderType=cv2.BORDER_REPLICATE) > 0)


def _region(parts: list[Mask]) -> ItemRegion:
    mask = parts[0] if len(parts) == 1 else np.logical_or.reduce(parts)
    height, width = mask.shape
    border = sum(int(np.count_nonzero(edge)) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    box = _box(mask)
    return ItemRegion(
        box=box,
        mask=mask,
        area=np.count_nonzero(mask) / mask.size,
        touches_edge=border >= max(3, 0.01 * max(height, width)),
        parts=(box,) if len(parts) == 1 else tuple(_box(part) for part in parts),
        part_masks=tuple(parts) if len(parts) > 1 else (),
    )


def _box(mask: Mask) -> Region:
    height, width = mask.shape
    left, top, across, down = cv2.boundingRect(mask.view(np.uint8))
    return Region(left=left / width, top=top / height, right=(left + across) / width, bottom=(top + down) / height)
