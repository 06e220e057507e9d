"""From a frame and the item's region to the picture that the network is shown. The only definition in the project.

The loop at the bin, training views, `evaluate --through-the-station` and rehearsals all call `crop_item`;
`preprocess.prepare` resizes what it returns.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np

from waste_edge.imaging.frames import Pixels, require_pixels
from waste_edge.imaging.preprocess import View
from waste_edge.item.region import ItemRegion

PLAIN = (203, 197, 190)  # a plain board under a lamp: what a `plain` surround is painted with
GREY = 128  # level of a darker board, which a pale item stands out from
_LEAST_PX = 16  # side of a crop


def crop_item(frame: Pixels, region: ItemRegion, view: View) -> Pixels:
    """A square around the item with a margin, from the full-resolution frame, uint8 (S, S, 3).

    Near the frame's edge the square is shifted inside; a square larger than the frame's short side has less margin
    first, and is filled up if the item itself is longer: with the plain colour where that is the surround, else with
    the ground's mean.

    Args:
        frame: uint8 (H, W, 3).
        region: of `find_item` on this frame or one like it.
        view: of the bundle's manifest; of kind `picture` returns the frame as it is.
    """
    require_pixels(frame)
    if view.kind == "picture":
        return frame
    left, top, width, height = square_around(frame, region, view.margin)
    part = frame[top : top + height, left : left + width]
    if view.surround == "plain":
        part = _painted(part, frame.shape, (left, top), region)
    if width == height:
        return np.ascontiguousarray(part)
    colour = PLAIN if view.surround == "plain" else _ground_colour(part, frame.shape, (left, top), region)
    side = max(width, height)
    before, beside = (side - height) // 2, (side - width) // 2
    return np.asarray(
        cv2.copyMakeBorder(
            part, before, side - height - before, beside, side - width - beside, cv2.BORDER_CONSTANT, value=colour
        ),
        np.uint8,
    )


def on_grey(crop: Pixels) -> Pixels:
    """The crop with its plain surround painted grey, uint8 (S, S, 3): the same item before a darker board.

    Args:
        crop: of `crop_item` with a plain surround; what has exactly that colour is the surround.
    """
    surround = cv2.inRange(crop, np.array(PLAIN), np.array(PLAIN))
    return np.asarray(cv2.copyTo(np.full_like(crop, GREY), surround, crop.copy()), np.uint8)


def square_around(frame: Pixels, region: ItemRegion, margin: float) -> tuple[int, int, int, int]:
    """Left, top, width and height in pixels of the part of the frame that a crop shows; square where it can be."""
    height, width = frame.shape[:2]
    box = region.box
    longest = max((box.right - box.left) * width, (box.bottom - box.top) * height)
    side = max(_LEAST_PX, round(longest * (1 + 2 * margin)))
    side = min(side, max(min(width, height), round(longest)))  # margin gives way before the frame's edge
    across, down = min(side, width), min(side, height)
    left = round((box.left + box.right) / 2 * width - across / 2)
    top = round((box.top + box.bottom) / 2 * height - down / 2)
    return min(max(0, left), width - across), min(max(0, top), height - down), across, down


def _cover(shape: tuple[int, ...], frame_shape: tuple[int, ...], corner: tuple[int, int], region: ItemRegion) -> Pixels:
    """Mask the item in a part of the frame, uint8 (h, w), 0 or 1, the mask's steps smoothed."""
    rows, columns = region.mask.shape
    down, across = rows / frame_shape[0], columns / frame_shape[1]
    left, top = corner
    # The part of the mask that is shown, and two pixels of what is around it.
    first_row, first_column = max(0, int(top * down) - 2), max(0, int(left * across) - 2)
    last_row, last_column = int((top + shape[0]) * down) + 3, int((left + shape[1]) * across) + 3
    part = region.mask[first_row:last_row, first_column:last_column].astype(np.uint8) * np.uint8(255)
    soft = cv2.blur(part, (3, 3))
    times = frame_shape[0] // rows
    if frame_shape[:2] == (times * rows, times * columns):  # nearly always; a quarter of what warping takes
        larger = (times * soft.shape[1], times * soft.shape[0])
        y, x = top - times * first_row, left - times * first_column
        fine = cv2.resize(soft, larger, interpolation=cv2.INTER_LINEAR)[y : y + shape[0], x : x + shape[1]]
    else:
        offset = (left + 0.5) * across - 0.5 - first_column, (top + 0.5) * down - 0.5 - first_row
        matrix = np.array([[across, 0, offset[0]], [0, down, offset[1]]], np.float64)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        fine = cv2.warpAffine(soft, matrix, (shape[1], shape[0]), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.threshold(fine, 127, 1, cv2.THRESH_BINARY)[1], np.uint8)


def _painted(part: Pixels, frame_shape: tuple[int, ...], corner: tuple[int, int], region: ItemRegion) -> Pixels:
    """A part of the frame with everything but the item painted plain."""
    # Whole rows are filled five times as fast as triples.
    painted = np.repeat(_plain_row(part.shape[1]), part.shape[0], axis=0).reshape(part.shape)
    rows, columns = _around_item(part.shape, frame_shape, corner, region)
    inner = part[rows, columns]
    cover = _cover(inner.shape, frame_shape, (corner[0] + columns.start, corner[1] + rows.start), region)
    cv2.copyTo(inner, cover, painted[rows, columns])  # written in place
    return painted


@functools.lru_cache(8)
def _plain_row(width_px: int) -> Pixels:
    """A row of plain pixels, uint8 (1, 3 * width), not to be changed."""
    row = np.tile(np.array(PLAIN, np.uint8), width_px)[None]
    row.flags.writeable = False
    return row


def _around_item(
    shape: tuple[int, ...], frame_shape: tuple[int, ...], corner: tuple[int, int], region: ItemRegion
) -> tuple[slice, slice]:
    """Rows and columns of a part of the frame outside of which nothing of the item's mask is.

    They begin and end where the mask's pixels do, two of them beyond its box, for the smoothing of its steps.
    """
    height, width = frame_shape[:2]
    down, across = height / region.mask.shape[0], width / region.mask.shape[1]
    box, (left, top) = region.box, corner

    def span(first: float, last: float, scale: float, offset: int, length: int) -> slice:
        start = min(max(0, math.floor(first - 2 * scale) - offset), length - 1)
        return slice(start, max(start + 1, min(length, math.ceil(last + 2 * scale) - offset)))

    rows = span(box.top * height, box.bottom * height, down, top, shape[0])
    return rows, span(box.left * width, box.right * width, across, left, shape[1])


def _ground_colour(
    part: Pixels, frame_shape: tuple[int, ...], corner: tuple[int, int], region: ItemRegion
) -> tuple[float, float, float]:
    """Mean colour of what surrounds the item; the plain one where nothing does."""
    around = 1 - _cover(part.shape, frame_shape, corner, region)
    if not around.any():
        return PLAIN
    red, green, blue, _ = cv2.mean(part, around)
    return red, green, blue
