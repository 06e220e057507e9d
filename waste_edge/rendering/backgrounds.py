"""Backgrounds of items: a sorting tray at a bin, poster board, wood, concrete and other surfaces."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import cv2
import numpy as np

from waste_edge.rendering.canvas import Bytes, Floats, Rng


class Background(StrEnum):
    """Kinds of surface that `paint_background` can draw."""

    TRAY = "tray"
    POSTER = "poster"
    WOOD = "wood"
    CONCRETE = "concrete"
    SPECKLED = "speckled"
    GRADIENT = "gradient"
    CLUTTERED = "cluttered"


def noise_field(rng: Rng, width_px: int, height_px: int, cells: int) -> Floats:
    """Soft random field (H, W), `cells` bumps across the longer side."""
    longer = max(width_px, height_px)
    rows = max(2, round(cells * height_px / longer)) + 1
    columns = max(2, round(cells * width_px / longer)) + 1
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    field = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, dtype=np.float32)


def _flat(rng: Rng, width_px: int, height_px: int, base: tuple[float, float, float], spread: float) -> Floats:
    """One colour, itself random within `spread`, lit unevenly: (H, W, 3)."""
    colour = np.clip(np.asarray(base) + rng.uniform(-spread, spread) + rng.uniform(-0.03, 0.03, 3), 0.03, 0.97)
    light = 1.0 + 0.05 * noise_field(rng, width_px, height_px, 2)
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.0, 0.16)
    down = np.linspace(-1, 1, height_px, dtype=np.float32)[:, None] * np.float32(np.sin(angle) * slope)
    right = np.linspace(-1, 1, width_px, dtype=np.float32)[None, :] * np.float32(np.cos(angle) * slope)
    return np.asarray((light + down + right)[..., None] * colour, dtype=np.float32)


def _poster(rng: Rng, width_px: int, height_px: int) -> Floats:
    return _flat(rng, width_px, height_px, (0.80, 0.77, 0.74), 0.12)


def _gradient(rng: Rng, width_px: int, height_px: int) -> Floats:
    first = _flat(rng, width_px, height_px, (0.5, 0.5, 0.5), 0.4)
    second = _flat(rng, width_px, height_px, (0.5, 0.5, 0.5), 0.4)
    share = np.clip(0.5 + 0.45 * noise_field(rng, width_px, height_px, 2), 0, 1)[..., None]
    return np.asarray(first + (second - first) * share, dtype=np.float32)


def _wood(rng: Rng, width_px: int, height_px: int) -> Floats:
    picture = _flat(rng, width_px, height_px, (0.58, 0.42, 0.27), 0.2)
    stretched = cv2.resize(noise_field(rng, 24, height_px, 60), (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    rows = np.arange(height_px, dtype=np.float32)[:, None] / height_px
    rings = np.sin(rows * rng.uniform(40, 90) + 1.6 * noise_field(rng, width_px, height_px, 3))
    grain = 1.0 + 0.05 * np.asarray(stretched, np.float32) + 0.06 * rings
    plank = np.floor(rows * rng.integers(1, 5)).astype(np.int64)
    grain *= 1.0 + 0.07 * rng.standard_normal(8)[np.clip(plank, 0, 7)]
    grain[np.diff(plank[:, 0], prepend=plank[0, 0]) != 0] *= 0.6
    picture *= grain.astype(np.float32)[..., None]
    return np.ascontiguousarray(picture[:, ::-1])


def _concrete(rng: Rng, width_px: int, height_px: int) -> Floats:
    picture = _flat(rng, width_px, height_px, (0.55, 0.54, 0.52), 0.14)
    patches = np.zeros((height_px, width_px), np.float32)
    for cells, weight in ((4, 0.05), (14, 0.04), (60, 0.04)):
        patches += noise_field(rng, width_px, height_px, cells) * np.float32(weight)
    pits = noise_field(rng, width_px, height_px, 70) > 1.35
    return np.asarray(picture * (1.0 + patches - 0.22 * pits)[..., None], dtype=np.float32)


def _speckled(rng: Rng, width_px: int, height_px: int) -> Floats:
    picture = _flat(rng, width_px, height_px, (0.6, 0.6, 0.6), 0.25)
    for cells in (90, 45):
        marks = noise_field(rng, width_px, height_px, cells)
        tone = (rng.uniform(-0.28, 0.2) + rng.uniform(-0.05, 0.05, 3)).astype(np.float32)
        picture += np.clip((np.abs(marks) - 0.9) * 3, 0, 1)[..., None] * tone
    return picture


def _cluttered(rng: Rng, width_px: int, height_px: int) -> Floats:
    picture = _gradient(rng, width_px, height_px)
    for _ in range(int(rng.integers(3, 9))):
        centre = np.array([rng.uniform(0, width_px), rng.uniform(0, height_px)])
        # Things lie towards the edges of the view: the middle is the item's.
        middle = np.array([width_px, height_px]) / 2
        centre = middle + (centre - middle) * rng.uniform(1.0, 1.5)
        size = (float(rng.uniform(0.1, 0.5) * width_px), float(rng.uniform(0.05, 0.4) * height_px))
        box = cv2.boxPoints(((float(centre[0]), float(centre[1])), size, float(rng.uniform(0, 180))))
        grey, tint = rng.uniform(0.1, 0.85), rng.uniform(-0.14, 0.14, 3)
        colour = tuple(float(c) for c in np.clip(grey + tint, 0, 1))
        cv2.fillPoly(picture, [np.round(np.asarray(box)).astype(np.int32)], colour)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.8, 4.0))), dtype=np.float32)


# Brightness over the distance in from the frame, a share of the short side: bin, rim, wall, crease, floor.
_TRAY_LIGHT = (
    (-1, 0.16), (0.004, 0.16), (0.01, 1.14), (0.026, 1.1), (0.032, 0.78), (0.055, 0.86), (0.062, 0.72),
    (0.1, 0.97), (1, 1),
)  # fmt: skip


def _tray(rng: Rng, width_px: int, height_px: int) -> Floats:
    """A moulded tray seen from above: floor, sloping walls, rim, and the dark opening of the bin around it."""
    short = min(width_px, height_px)
    greys = ((0.62, 0.64, 0.65), (0.70, 0.69, 0.66), (0.5, 0.53, 0.55), (0.74, 0.75, 0.76))
    base = greys[int(rng.integers(len(greys)))]
    picture = _flat(rng, width_px, height_px, base, 0.06)
    brushed = cv2.resize(noise_field(rng, width_px, 16, 200), (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    picture *= (1.0 + 0.008 * np.asarray(brushed, np.float32))[..., None]
    rows, columns = np.arange(height_px, dtype=np.float32)[:, None], np.arange(width_px, dtype=np.float32)[None, :]
    corner = np.float32(0.16 * short)
    from_x = np.minimum(columns, width_px - 1 - columns)
    from_y = np.minimum(rows, height_px - 1 - rows)
    # Distance in from a frame with rounded corners, as a share of the short side.
    round_x, round_y = np.maximum(corner - from_x, 0), np.maximum(corner - from_y, 0)
    straight = np.minimum(np.minimum(from_x, from_y), corner)
    inward = np.where((round_x > 0) & (round_y > 0), corner - np.hypot(round_x, round_y), straight) / short
    steps, gains = zip(*_TRAY_LIGHT, strict=True)
    gain = np.interp(inward, steps, gains).astype(np.float32)
    # The wall below faces the lamp, the one above turns away from it.
    facing = -np.gradient(inward, axis=0).astype(np.float32) * short
    lit = 1.0 + 0.11 * facing * ((inward > 0.03) & (inward < 0.06))
    picture *= (gain * lit)[..., None].astype(np.float32)
    _scratch(picture, rng, int(rng.integers(6, 16)))
    return picture


def _scratch(picture: Floats, rng: Rng, count: int) -> None:
    """Fine scratches and smears of use, in place."""
    height, width = picture.shape[:2]
    marks = np.zeros((height, width), np.float32)
    for _ in range(count):
        start = np.array([rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height])
        end = start + rng.normal(0, 0.12, 2) * width
        ends = [np.round(np.stack([start, end]) * 16).astype(np.int32)]
        cv2.polylines(marks, ends, False, (float(rng.uniform(-0.05, 0.07)),), 1, cv2.LINE_8, 4)
    picture *= (1.0 + cv2.GaussianBlur(marks, (0, 0), 0.6))[..., None]


_PAINTERS: dict[Background, Callable[[Rng, int, int], Floats]] = {
    Background.TRAY: _tray,
    Background.POSTER: _poster,
    Background.WOOD: _wood,
    Background.CONCRETE: _concrete,
    Background.SPECKLED: _speckled,
    Background.GRADIENT: _gradient,
    Background.CLUTTERED: _cluttered,
}


def paint_background(style: Background, rng: np.random.Generator, width_px: int, height_px: int) -> Bytes:
    """Draw an empty surface as (height_px, width_px, 3) RGB bytes; the same generator state, the same surface."""
    picture = _PAINTERS[style](rng, width_px, height_px)
    return np.asarray(np.clip(picture * 255.0 + 0.5, 0, 255), dtype=np.uint8)
