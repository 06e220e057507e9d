"""A small drawing surface: antialiased masks painted over one another in premultiplied RGBA.

Coordinates are fractions of the side, x to the right and y downwards; colours are RGB in 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Rng = np.random.Generator
Colour = tuple[float, float, float]
Point = tuple[float, float]

WHITE: Colour = (1.0, 1.0, 1.0)
BLACK: Colour = (0.0, 0.0, 0.0)

_SHIFT = 4  # fixed-point bits that OpenCV's polygon filler takes for sub-pixel corners


@lru_cache(maxsize=8)
def grid(size_px: int) -> tuple[Floats, Floats]:
    """Pixel-centre coordinates (x, y), each (size_px, size_px), as fractions of the side."""
    axis = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px
    xs: Floats = np.tile(axis[None, :], (size_px, 1))
    ys: Floats = np.tile(axis[:, None], (1, size_px))
    xs.setflags(write=False)
    ys.setflags(write=False)
    return xs, ys


def blur(image: Floats, sigma_px: float) -> Floats:
    """Gaussian blur of an (H, W) or (H, W, C) image; a sigma of almost nothing returns it unchanged."""
    if sigma_px < 0.2:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), dtype=np.float32)


def ramp(values: Floats, stops: Sequence[tuple[float, float]], low: float = -1.0, high: float = 1.0) -> Floats:
    """Piecewise-linear curve through `stops` (position, value), looked up for each of `values`."""
    table = np.interp(np.linspace(low, high, 512), [s[0] for s in stops], [s[1] for s in stops])
    index = np.clip((values - low) * (511.0 / (high - low)), 0, 511).astype(np.int32)
    return np.asarray(table.astype(np.float32)[index])


def mix(first: Colour, second: Colour, amount: float) -> Colour:
    """Blend two colours: 0 gives the first, 1 the second."""
    r, g, b = (a + (c - a) * amount for a, c in zip(first, second, strict=True))
    return (r, g, b)


def jitter(colour: Colour, rng: Rng, amount: float) -> Colour:
    """Move a colour by up to `amount`, mostly in brightness and a little in hue."""
    shared = rng.uniform(-amount, amount)
    r, g, b = (float(np.clip(c + shared + rng.uniform(-amount, amount) * 0.35, 0.0, 1.0)) for c in colour)
    return (r, g, b)


def ellipse_points(centre: Point, radii: Point, angle_deg: float = 0.0, count: int = 72) -> Floats:
    """Corners (count, 2) of an ellipse."""
    turn = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    x, y = np.cos(turn) * radii[0], np.sin(turn) * radii[1]
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    points = np.stack([centre[0] + x * c - y * s, centre[1] + x * s + y * c], axis=1)
    return points.astype(np.float32)


def rounded_rectangle(centre: Point, half: Point, corner: float, per_corner: int = 10) -> Floats:
    """Corners of a rectangle with rounded corners, all lengths as fractions of the side."""
    arcs = []
    for quadrant, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        turn = np.linspace(0, np.pi / 2, per_corner) + quadrant * np.pi / 2
        x = centre[0] + sx * (half[0] - corner) + corner * np.cos(turn)
        y = centre[1] + sy * (half[1] - corner) + corner * np.sin(turn)
        arcs.append(np.stack([x, y], axis=1))
    return np.concatenate(arcs).astype(np.float32)


def rough_edges(corners: ArrayLike, rng: Rng, amount: float, step: float = 0.02) -> Floats:
    """Resample a closed polygon every `step` and push each point by smoothed noise: torn or worn edges."""
    corner_array = np.asarray(corners, dtype=np.float32)
    following = np.roll(corner_array, -1, axis=0)
    pieces = []
    for start, end in zip(corner_array, following, strict=True):
        count = max(1, int(np.hypot(*(end - start)) / step))
        along = np.arange(count, dtype=np.float32)[:, None] / count
        pieces.append(start + (end - start) * along)
    points = np.concatenate(pieces)
    noise = rng.normal(0.0, amount, points.shape)
    noise = (noise + np.roll(noise, 1, axis=0) + 0.6 * np.roll(noise, 2, axis=0)) / 1.6
    return (points + noise).astype(np.float32)


class Canvas:
    """A transparent square that items are painted on; `colour` is premultiplied by `alpha`."""

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px
        self.colour: Floats = np.zeros((size_px, size_px, 3), np.float32)
        self.alpha: Floats = np.zeros((size_px, size_px), np.float32)

    def polygon(self, points: ArrayLike, soften: float = 0.0) -> Floats:
        """Coverage mask (S, S) in 0..1 of a polygon (N, 2); `soften` blurs it, as a fraction of the side."""
        corners = np.asarray(points, dtype=np.float32) * self.size_px - 0.5
        fixed = np.round(corners * (1 << _SHIFT)).astype(np.int32)
        plane = np.zeros((self.size_px, self.size_px), np.uint8)
        cv2.fillPoly(plane, [fixed], (255.0,), cv2.LINE_AA, _SHIFT)
        return blur(plane.astype(np.float32) * np.float32(1 / 255), soften * self.size_px)

    def ellipse(self, centre: Point, radii: Point, angle_deg: float = 0.0, soften: float = 0.0) -> Floats:
        """Coverage mask (S, S) of an ellipse."""
        return self.polygon(ellipse_points(centre, radii, angle_deg), soften)

    def strokes(self, lines: Sequence[ArrayLike], width: float, soften: float = 0.0) -> Floats:
        """Coverage mask (S, S) of open polylines of a width given as a fraction of the side."""
        plane = np.zeros((self.size_px, self.size_px), np.uint8)
        width_px = width * self.size_px
        for line in lines:
            fixed = np.round((np.asarray(line, dtype=np.float32) * self.size_px - 0.5) * (1 << _SHIFT))
            cv2.polylines(
                plane, [fixed.astype(np.int32)], False, (255.0,), max(1, round(width_px)), cv2.LINE_AA, _SHIFT
            )
        # A line thinner than a pixel is drawn one pixel wide and fainter instead.
        strength = min(1.0, width_px) / 255.0
        return blur(plane.astype(np.float32) * np.float32(strength), soften * self.size_px)

    def paint(self, mask: Floats, colour: Colour | Floats, opacity: float = 1.0) -> None:
        """Lay a colour, or an (S, S, 3) picture, over what is there."""
        cover = (mask * np.float32(opacity))[..., None]
        self.colour += (np.asarray(colour, dtype=np.float32) - self.colour) * cover
        self.alpha += (1.0 - self.alpha) * cover[..., 0]

    def shade(self, gain: Floats, mask: Floats | None = None) -> None:
        """Multiply what is painted by `gain` (S, S), only under `mask` if given; transparency stays."""
        factor = gain if mask is None else 1.0 + (gain - 1.0) * mask
        self.colour *= factor[..., None]

    def erase(self, mask: Floats) -> None:
        """Make what lies under the mask transparent."""
        keep = 1.0 - mask
        self.colour *= keep[..., None]
        self.alpha *= keep

    def sprite(self) -> Bytes:
        """The picture with straight alpha as (S, S, 4) bytes, RGBA."""
        straight = self.colour / np.maximum(self.alpha, 1e-3)[..., None]
        rgba = np.dstack([straight, self.alpha])
        return np.asarray(np.clip(rgba * 255.0 + 0.5, 0, 255), dtype=np.uint8)
