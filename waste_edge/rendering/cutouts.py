"""Items cut out of photographs whose background is a plain board, and put down somewhere else.

A network that has seen items on one poster board alone learns the board too. Cut-out and paste: Dwibedi, Misra and
Hebert 2017 (arXiv:1708.01642); that backgrounds are learnt: Xiao et al. 2020 (arXiv:2006.09994).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.imaging.frames import Pixels
from waste_edge.rendering.canvas import Bytes, Floats, Rng, blur

_SIDE_PX = 96  # at which items are told from the board
_BORDER = 0.06  # share of the short side in which the board is looked for
_LEAST_BOARD = 0.12  # share of the border that must look like a board
_WHOLE_AREA = 0.04  # of the photograph: a smaller cut-out is seldom the whole item
_SECOND_PIECE = 0.1  # of the largest piece's area: a second one of this size means that the cut failed
_SOLID = 0.8  # of its convex hull that an item fills, and leftovers of a board do not
_SHARES = (0.02, 0.85)  # of the picture that a credible item covers


class Cutout(NamedTuple):
    """Cutout of a photograph's item.

    Attributes:
        cover: (h, w) bytes, 255 where the item is, about 96 pixels on the short side.
        board: mean colour of the board (3,), 0 to 255; None where the item fills the picture.
    """

    cover: Bytes
    board: Floats | None


def cut_out(pixels: Pixels) -> Cutout | None:
    """Find the item of a photograph, uint8 (H, W, 3); None where that cannot be done credibly.

    The board is fitted to the border as a smooth colour, and GrabCut (Rother, Kolmogorov and Blake 2004) divides what
    lies between. Where no board shows, the item fills the picture.
    """
    height, width = pixels.shape[:2]
    scale = _SIDE_PX / min(height, width)
    size = (round(width * scale), round(height * scale))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    edge = _border(lab.shape[:2])
    boardlike = edge & _may_be_board(lab)
    if boardlike.sum() < _LEAST_BOARD * edge.sum():
        return Cutout(np.full(lab.shape[:2], 255, np.uint8), None)
    distance, spread = _distance_from_board(lab, boardlike)
    cover = _divided(small, distance, max(8.0, 3 * spread), boardlike)
    if cover is None or not _SHARES[0] <= cover.mean() / 255 <= _SHARES[1]:
        return None
    return Cutout(cover, np.asarray(small[cover == 0].mean(axis=0), np.float32))


def sprite_of(pixels: Pixels, cutout: Cutout) -> Bytes:
    """The item alone: its box of the photograph as RGBA with straight alpha, uint8 (h, w, 4)."""
    size = (pixels.shape[1], pixels.shape[0])
    cover = cv2.resize(cutout.cover, size, interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(cover, (0, 0), max(0.8, 0.4 * min(size) / _SIDE_PX))
    left, top, width, height = cv2.boundingRect((soft > 127).astype(np.uint8))
    box = slice(top, top + height), slice(left, left + width)
    return np.asarray(np.dstack([pixels[box], soft[box]]), np.uint8)


def credible_sprite(pixels: Pixels) -> Bytes | None:
    """The item of a photograph on a plain board, RGBA; None where the cut-out looks like a part of one, or like two.

    Stricter than `cut_out`: what is laid before a station must be a whole thing.
    """
    cutout = cut_out(pixels)
    if cutout is None or cutout.board is None:
        return None
    sprite = sprite_of(pixels, cutout)
    contours, _ = cv2.findContours((sprite[..., 3] > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(contour) for contour in contours]
    if not areas or max(areas) < _WHOLE_AREA * pixels.shape[0] * pixels.shape[1]:
        return None
    if sum(area > _SECOND_PIECE * max(areas) for area in areas) > 1:
        return None
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(contours)))
    return sprite if sum(areas) >= _SOLID * hull else None


def put_down(pixels: Pixels, cutout: Cutout, ground: Bytes, rng: Rng) -> Bytes:
    """The item on another ground, turned, mirrored, larger or smaller, perhaps with the shade it threw on the board.

    Args:
        pixels: the photograph, uint8 (H, W, 3).
        cutout: see `cut_out`.
        ground: what it is put on, uint8 (h, w, 3); the result has this size.
        rng: source of every chance.
    """
    matrix = _place(pixels, cutout, (ground.shape[1], ground.shape[0]), rng)
    shaded = cutout.board is not None and rng.random() < 0.6
    return _laid(pixels, cutout, ground, matrix, shaded, float(rng.uniform(0.5, 1.2)))


def change_ground(pixels: Pixels, cutout: Cutout, ground: Bytes) -> Bytes:
    """The item where it lay, with the shade it threw, and nothing but the ground another one.

    Args:
        pixels: the photograph, uint8 (H, W, 3).
        cutout: see `cut_out`.
        ground: of the photograph's size.
    """
    soft_px = 0.8 * min(pixels.shape[:2]) / 256
    return _laid(pixels, cutout, ground, np.eye(3), cutout.board is not None, soft_px)


def _laid(
    pixels: Pixels, cutout: Cutout, ground: Bytes, matrix: NDArray[np.float64], shaded: bool, soft_px: float
) -> Bytes:
    """The item on the ground, where `matrix` (3, 3) takes the photograph's pixels, its edge softened."""
    size = (ground.shape[1], ground.shape[0])
    onto_ground = matrix @ _enlarging(cutout.cover, pixels)
    cover: Floats = _warped(cutout.cover, onto_ground, size) * np.float32(1 / 255)
    pixels, matrix = _shrunk(pixels, matrix)
    item = _warped(pixels, matrix, size, cv2.BORDER_REPLICATE)
    below = ground.astype(np.float32)
    if shaded and cutout.board is not None:
        below *= _shade(item, _warped(np.ones(pixels.shape[:2], np.float32), matrix, size), cutout.board)
    cover = blur(cover, soft_px)[..., None]
    return np.asarray(np.clip(item * cover + below * (1 - cover) + 0.5, 0, 255), np.uint8)


def _shrunk(pixels: Pixels, matrix: NDArray[np.float64]) -> tuple[Pixels, NDArray[np.float64]]:
    """A photograph that is to become much smaller, made so by averages: bilinear sampling alone would skip pixels."""
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    if zoom >= 0.7:
        return pixels, matrix
    size = (max(1, round(pixels.shape[1] * zoom)), max(1, round(pixels.shape[0] * zoom)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, matrix @ _enlarging(small, pixels)


def _enlarging(small: NDArray[Any], large: NDArray[Any]) -> NDArray[np.float64]:
    """Pixels of a reduced picture to those of the whole one, (3, 3), middles to middles."""
    down, across = large.shape[0] / small.shape[0], large.shape[1] / small.shape[1]
    return np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])


def _shade(item: Floats, inside: Floats, board: Floats) -> Floats:
    """Light (H, W, 1) that the board had, where the photograph shows it: its shadows fall on the new ground too."""
    within = blur(np.asarray(cv2.erode(inside, np.ones((9, 9), np.uint8)), np.float32), 3)
    lightness = blur(np.asarray(item.mean(axis=2) / board.mean(), np.float32), 1.5)
    return np.asarray(1 - within + within * np.clip(lightness, 0.3, 1.05), np.float32)[..., None]


def _warped(
    picture: NDArray[Any], matrix: NDArray[np.float64], size: tuple[int, int], border: int = cv2.BORDER_CONSTANT
) -> Floats:
    return np.asarray(cv2.warpAffine(picture, matrix[:2], size, borderMode=border), np.float32)


def _place(pixels: Pixels, cutout: Cutout, size: tuple[int, int], rng: Rng) -> NDArray[np.float64]:
    """Photograph to ground, (3, 3): the item's box gets a random size and lies wholly or mostly inside."""
    across = pixels.shape[1] / cutout.cover.shape[1]
    left, top, wide, high = (side * across for side in cv2.boundingRect((cutout.cover > 127).astype(np.uint8)))
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.5 else rng.normal(0, 0.15)
    share = rng.uniform(0.4, 1.1) if cutout.board is not None else rng.uniform(0.5, 1.3)
    zoom = share * min(size) / max(wide, high)
    mirror = float(rng.choice([-1, 1]))
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    room = max(0.0, 1 - share) / 2 + 0.06
    middle = np.array(size) / 2 + rng.uniform(-room, room, 2) * min(size)
    turn = np.array([[mirror * c, -s], [mirror * s, c]])
    shift = middle - turn @ (left + wide / 2, top + high / 2)
    return np.vstack([np.column_stack([turn, shift]), [0, 0, 1]])


def _border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    depth = max(2, round(_BORDER * _SIDE_PX))
    edge = np.ones(shape[:2], bool)
    edge[depth:-depth, depth:-depth] = False
    return edge


def _may_be_board(lab: Floats) -> NDArray[np.bool_]:
    """Light and almost without colour, as poster boards are under any lamp."""
    lightness, chroma = lab[..., 0], np.hypot(lab[..., 1] - 128, lab[..., 2] - 128)
    return np.asarray((lightness > 0.6 * np.percentile(lightness, 95)) & (lightness > 90) & (chroma < 16))


def _distance_from_board(lab: Floats, board: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Measure each pixel's distance (h, w) from the board's colour, a quadratic surface, and the board's own spread."""
    height, width = lab.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / _SIDE_PX
    terms = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1).reshape(-1, 6)
    colours, chosen = lab.reshape(-1, 3), board.ravel()
    distance: Floats = np.zeros(len(colours), np.float32)
    spread = 1.0
    for _ in range(3):  # each time without what does not fit
        surface = terms @ np.linalg.lstsq(terms[chosen], colours[chosen], rcond=None)[0]
        distance = (np.abs(colours - surface) @ np.array([0.6, 1, 1])).astype(np.float32)
        spread = 1.48 * float(np.median(distance[chosen]))
        fits = chosen & (distance < max(6.0, 2.5 * spread))
        chosen = fits if fits.sum() >= 60 else chosen
    return distance.reshape(height, width), spread


def _divided(small: Bytes, distance: Floats, limit: float, board: NDArray[np.bool_]) -> Bytes | None:
    marks = np.full(distance.shape, cv2.GC_PR_BGD, np.uint8)
    marks[distance > limit] = cv2.GC_PR_FGD
    marks[distance > 3 * limit] = cv2.GC_FGD
    marks[board & (distance < limit)] = cv2.GC_BGD
    item = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if not 20 < item.sum() < item.size - 20:
        return None
    cv2.setRNGSeed(0)
    no_box, models = (0, 0, 0, 0), (np.zeros((1, 65)), np.zeros((1, 65)))  # these are written to, and not asked for
    cv2.grabCut(small, marks, no_box, *models, 2, cv2.GC_INIT_WITH_MASK)
    item = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))
    closed = cv2.morphologyEx(item.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return _solid(np.asarray(closed, np.uint8))


def _solid(item: Bytes) -> Bytes:
    """The larger parts without their holes, as 0 and 255."""
    contours, _ = cv2.findContours(item, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(contour) for contour in contours]
    kept = [one for one, area in zip(contours, areas, strict=True) if area >= 0.15 * max(areas)]
    filled = np.zeros_like(item)
    return np.asarray(cv2.drawContours(filled, kept, -1, 255, cv2.FILLED), np.uint8)
