"""Surface detail: noise, crumpled relief and its lighting, and solids turned about an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.rendering.canvas import Canvas, Floats, Rng, blur, grid, ramp

# Brightness seen across a mirror-like cylinder or fold, from one edge (-1) to the other (1).
CHROME = (
    (-1.0, 0.22), (-0.9, 0.42), (-0.72, 0.95), (-0.5, 0.62), (-0.3, 0.5), (-0.05, 0.78),
    (0.15, 0.66), (0.4, 0.4), (0.58, 1.0), (0.7, 0.72), (0.88, 0.34), (1.0, 0.2),
)  # fmt: skip
# Gain over change of tilt towards the lamp.
_RESPONSE = ((-1.0, 0.42), (-0.6, 0.52), (-0.3, 0.73), (0.0, 1.0), (0.15, 1.09), (0.4, 1.15), (1.0, 1.2))
# A dull cylinder lit from the upper left.
MATT = ((-1.0, 0.62), (-0.75, 0.92), (-0.35, 1.06), (0.1, 1.0), (0.6, 0.8), (0.9, 0.58), (1.0, 0.48))


def smooth_noise(rng: Rng, size_px: int, cells: int) -> Floats:
    """Soft random field (S, S) of standard deviation about 0.7 with `cells` bumps across the side."""
    coarse = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    field = cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, dtype=np.float32)


def cloud_noise(rng: Rng, size_px: int, cells: int, octaves: int = 3) -> Floats:
    """Sum of soft noise at doubling detail and halving strength (S, S)."""
    total = np.zeros((size_px, size_px), np.float32)
    for octave in range(octaves):
        total += smooth_noise(rng, size_px, min(cells << octave, size_px)) * np.float32(0.5**octave)
    return total


def grain(rng: Rng, size_px: int, stretch_x: float = 1.0) -> Floats:
    """Pixel noise (S, S) of unit deviation; `stretch_x` above 1 smears it along x like fibres."""
    noise = rng.standard_normal((size_px, size_px), dtype=np.float32)
    if stretch_x > 1.0:
        noise = np.asarray(cv2.blur(noise, (round(stretch_x), 1)), dtype=np.float32) * np.float32(stretch_x**0.5)
    return noise


@dataclass(frozen=True)
class Relief:
    """Slopes of a surface, each (S, S); about -1..1, positive where it falls away to the right or down."""

    slope_x: Floats
    slope_y: Floats

    def plus(self, other: Relief, amount: float = 1.0) -> Relief:
        """Add another relief on top; returns a new one."""
        return Relief(self.slope_x + other.slope_x * amount, self.slope_y + other.slope_y * amount)

    def lit(self, strength: float, angle_deg: float = 225.0) -> Floats:
        """Brightness gain (S, S) around 1 for a light that comes from `angle_deg` (225: upper left)."""
        x, y = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        change = np.float32(strength) * (self.slope_x * np.float32(x) + self.slope_y * np.float32(y))
        # A surface facing the lamp gets only a little brighter; one turned away can get much darker.
        return ramp(change, _RESPONSE)

    def glints(self, tilt_x: float, tilt_y: float, width: float) -> Floats:
        """Highlight (S, S) in 0..1 where the surface has just the tilt that mirrors the lamp."""
        off = (self.slope_x - np.float32(tilt_x)) ** 2 + (self.slope_y - np.float32(tilt_y)) ** 2
        return np.asarray(np.exp(-off / np.float32(width**2)), dtype=np.float32)

    def mirror(self, swing: float, offset: float = 0.0) -> Floats:
        """Brightness (S, S) in 0..1 of a foil with this relief, reflecting a room of bright bands."""
        tilt = (self.slope_x * 0.8 + self.slope_y * 0.6) * swing + offset
        folded = np.abs((tilt + 1.0) % 4.0 - 2.0) - 1.0
        return ramp(np.asarray(folded, dtype=np.float32), CHROME)


def folded_relief(rng: Rng, size_px: int, points: int, height: float, soften: float = 0.004) -> Relief:
    """Relief of a sheet crumpled into flat triangles between `points` random bumps and hollows."""
    spots = rng.uniform(-0.1, 1.1, (points, 2))
    frame = np.array([(-0.3, -0.3), (0.5, -0.3), (1.3, -0.3), (1.3, 0.5), (1.3, 1.3), (0.5, 1.3), (-0.3, 1.3)])
    spots = np.concatenate([spots, frame, [(-0.3, 0.5)]])
    levels = rng.standard_normal(len(spots)) * height / points**0.5
    mesh = cv2.Subdiv2D((-1, -1, 3, 3))
    spots = spots.astype(np.float32)
    mesh.insert(spots.tolist())
    order = {(x, y): i for i, (x, y) in enumerate(map(tuple, spots.tolist()))}
    triangles = np.asarray(mesh.getTriangleList()).reshape(-1, 3, 2)
    corners = np.array([[order.get((x, y), -1) for x, y in triangle] for triangle in triangles.tolist()])
    known = (corners >= 0).all(axis=1)  # the rest hang on the mesh's own far corners
    triangles, rise = triangles[known], levels[corners[known]]
    slopes = _slopes(triangles.astype(np.float64), rise)
    plane = np.zeros((size_px, size_px, 2), np.float32)
    for pixels, slope in zip(np.round(triangles * size_px).astype(np.int32), slopes.tolist(), strict=True):
        cv2.fillConvexPoly(plane, pixels, slope)
    plane = blur(plane, soften * size_px)
    return Relief(plane[..., 0], plane[..., 1])


def _slopes(triangles: NDArray[np.float64], rise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes (T, 2) along x and y, squashed into -1..1, of triangles (T, 3, 2) with corner heights (T, 3)."""
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    up, further_up = rise[:, 1] - rise[:, 0], rise[:, 2] - rise[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    area = np.where(np.abs(area) < 1e-4, 1e-4, area)
    slope_x = (up * second[:, 1] - further_up * first[:, 1]) / area
    slope_y = (further_up * first[:, 0] - up * second[:, 0]) / area
    return np.tanh(np.stack([slope_x, slope_y], axis=1))


def crumple(rng: Rng, size_px: int, depth: float = 1.0, detail: int = 26) -> Relief:
    """Relief of crumpled paper or film: large facets, finer ones on them, and a little softness."""
    coarse = folded_relief(rng, size_px, detail, 0.5 * depth, 0.008)
    middle = folded_relief(rng, size_px, detail * 3, 0.5 * depth, 0.004)
    fine = folded_relief(rng, size_px, detail * 8, 0.45 * depth, 0.003)
    waves = (smooth_noise(rng, size_px, 8) * np.float32(0.16 * depth) for _ in range(2))
    return coarse.plus(middle, 0.7).plus(fine, 0.4).plus(Relief(*waves))


@dataclass(frozen=True)
class Turned:
    """A solid turned about a vertical axis, seen from the side and a little from above."""

    across: Floats  # (S, S), -1 at the left outline and 1 at the right one
    along: Floats  # (S, S), height on the axis of the surface seen there, as a fraction of the side
    mask: Floats  # (S, S) coverage

    def band(self, top: float, bottom: float, size_px: int) -> Floats:
        """Coverage (S, S) of the stretch of surface between two heights."""
        start = np.clip((self.along - np.float32(top)) * size_px + 0.5, 0, 1)
        stop = np.clip((np.float32(bottom) - self.along) * size_px + 0.5, 0, 1)
        return np.asarray(start * stop * self.mask, dtype=np.float32)

    def wrap(self, art: Floats, top: float, bottom: float, turn: float = 0.0) -> Floats:
        """Picture (S, S, 3) of flat `art` (H, W, 3) pasted round the solid between two heights."""
        high, wide = art.shape[:2]
        across = np.clip(self.across, -1, 1)
        angle = across * (1.0 + 0.35 * across * across)  # near enough to an arc sine, and much cheaper
        column = (angle * 0.36 + np.float32(0.5 + turn)) * (wide - 1)
        row = (self.along - np.float32(top)) / np.float32(bottom - top) * (high - 1)
        picture = cv2.remap(art, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(picture, dtype=np.float32)


def turned(
    canvas: Canvas, profile: Sequence[tuple[float, float]], tilt: float, axis_x: float = 0.5, round_off: float = 0.02
) -> Turned:
    """Turn a solid with radii given as `profile` (height, radius) from top to bottom.

    `tilt` is how open a horizontal circle looks (0 from the side, 1 from above); `round_off` smooths
    the corners of the profile over that fraction of the side.
    """
    size = canvas.size_px
    xs, ys = grid(size)
    heights = np.array([p[0] for p in profile])
    radii = np.interp(ys[:, 0], heights, np.array([p[1] for p in profile])).astype(np.float32)
    span = max(1, round(round_off * size)) | 1
    padded = np.pad(radii, span // 2, mode="edge")
    radii = np.convolve(padded, np.full(span, 1.0 / span), mode="valid").astype(np.float32)
    radius = np.maximum(radii, np.float32(1e-3))[:, None]
    across = (xs - np.float32(axis_x)) / radius
    along = ys - np.float32(tilt) * radius * np.sqrt(np.maximum(0.0, 1.0 - across * across))
    side = np.clip((radius - np.abs(xs - np.float32(axis_x))) * size + 0.5, 0, 1)
    ends = np.clip((along - heights[0]) * size + 0.5, 0, 1) * np.clip((heights[-1] - along) * size + 0.5, 0, 1)
    as_float = (np.asarray(a, dtype=np.float32) for a in (np.clip(across, -1, 1), along, side * ends))
    return Turned(*as_float)
