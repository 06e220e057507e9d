"""Surfaces and materials that training never paints: what a network is judged on must not be what it was taught with.

There are two families, for the same reason: by one of them an export chooses how a bundle tells the unknown, by the
other it is judged (`evaluate`). Neither may be used for training, nor for fitting. No surface bears print: a printed
page would be paper, a label of most models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.rendering.backgrounds import noise_field
from waste_edge.rendering.canvas import Bytes, Floats, Rng
from waste_edge.rendering.textures import random_colour

Painter = Callable[[Rng, int, int], Floats]  # to (height_px, width_px, 3) in 0..1


@dataclass(frozen=True)
class Family:
    """Surfaces that things lie on, and materials that strange things are made of."""

    surfaces: tuple[Painter, ...]
    materials: tuple[Painter, ...]

    def paint(self, rng: Rng, width_px: int, height_px: int) -> Bytes:
        """Draw a surface as (height_px, width_px, 3) RGB bytes; the same generator state, the same surface."""
        painter = self.surfaces[int(rng.integers(len(self.surfaces)))]
        light = 1 + 0.08 * noise_field(rng, width_px, height_px, 2)
        return _as_bytes(painter(rng, width_px, height_px) * light[..., None])

    def fill(self, rng: Rng, width_px: int, height_px: int) -> Bytes:
        """Draw a stuff as (height_px, width_px, 3) RGB bytes; the same generator state, the same stuff."""
        painter = self.materials[int(rng.integers(len(self.materials)))]
        return _as_bytes(painter(rng, width_px, height_px))


def tiles(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Square or oblong tiles, each a little other than the next, and grout between them."""
    across, down = _turned_grid(rng, width_px, height_px, bend=0.0)
    count = rng.uniform(2, 9)
    columns, rows = across * count, down * count * rng.choice([1.0, 1.0, 0.5])
    return _slabs(rng, columns, rows, gap=float(rng.uniform(0.02, 0.08)), variety=float(rng.uniform(0, 0.12)))


def bricks(rng: Rng, width_px: int, height_px: int) -> Floats:
    """A wall or paving in running bond."""
    across, down = _turned_grid(rng, width_px, height_px, bend=0.01)
    rows = down * rng.uniform(4, 16)
    columns = rows / down * across / 2.4 + 0.5 * (np.floor(rows) % 2)
    wall = _slabs(rng, columns, rows, gap=float(rng.uniform(0.06, 0.16)), variety=float(rng.uniform(0.05, 0.25)))
    rough = 1 + np.float32(rng.uniform(0.02, 0.08)) * noise_field(rng, width_px, height_px, 120)
    return np.asarray(wall * rough[..., None], np.float32)


def marble(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Polished stone with veins."""
    across, _ = _turned_grid(rng, width_px, height_px, bend=0.0)
    turbulence = sum(noise_field(rng, width_px, height_px, 2**k) * np.float32(0.6**k) for k in range(1, 6))
    base, vein = random_colour(rng), random_colour(rng)
    veins = np.zeros((height_px, width_px), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        wave = np.sin(rng.uniform(3, 12) * (across + rng.uniform(0.06, 0.3) * turbulence) + rng.uniform(0, 6))
        veins += np.float32(rng.uniform(0.3, 0.9)) * (1 - np.abs(wave)) ** np.float32(rng.uniform(3, 14))
    clouds = 1 + 0.06 * noise_field(rng, width_px, height_px, 4) + 0.04 * noise_field(rng, width_px, height_px, 9)
    return np.asarray(base * clouds[..., None] + (vein - base) * np.clip(veins, 0, 1)[..., None], np.float32)


def mosaic(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Broken pieces of a few colours set in mortar, as in terrazzo: Voronoi cells."""
    piece, inward = _cells(rng, width_px, height_px, int(rng.integers(30, 500)))
    palette = np.stack([random_colour(rng) for _ in range(int(rng.integers(2, 7)))])
    own = palette[rng.integers(len(palette), size=piece.max() + 1)] * rng.uniform(0.85, 1.1, (piece.max() + 1, 1))
    joint = np.clip(inward / rng.uniform(0.8, 3.0) - 0.3, 0, 1)[..., None]
    return np.asarray(own[piece] * joint + random_colour(rng) * (1 - joint), np.float32)


def studs(rng: Rng, width_px: int, height_px: int) -> Floats:
    """A rubber or metal floor with round studs in rows."""
    across, down = _turned_grid(rng, width_px, height_px, bend=0.005)
    count, radius = rng.uniform(5, 22), rng.uniform(0.2, 0.42)
    columns, rows = across * count + 0.5 * (np.floor(down * count) % 2) * rng.integers(2), down * count
    x, y = columns % 1 - 0.5, rows % 1 - 0.5
    dome = np.clip((radius - np.hypot(x, y)) / 0.08, 0, 1)
    angle = rng.uniform(0, 2 * np.pi)
    shade = 1 + np.float32(rng.uniform(0.2, 0.6)) * dome * (np.cos(angle) * x + np.sin(angle) * y) / radius
    floor, stud = random_colour(rng), random_colour(rng)
    if rng.random() < 0.6:
        stud = floor * np.float32(rng.uniform(0.8, 1.25))
    return np.asarray((floor + (stud - floor) * dome[..., None]) * shade[..., None], np.float32)


def fur(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Hair that lies in whirls: noise smeared along a field of directions (Cabral and Leedom 1993)."""
    strands = noise_field(rng, width_px, height_px, 150) + 0.5 * noise_field(rng, width_px, height_px, 60)
    angle = np.float32(rng.uniform(0, 2 * np.pi)) + 1.2 * noise_field(rng, width_px, height_px, int(rng.integers(2, 5)))
    columns, rows = np.meshgrid(np.arange(width_px, dtype=np.float32), np.arange(height_px, dtype=np.float32))
    reach = min(width_px, height_px) * rng.uniform(0.03, 0.1)
    hair = np.zeros((height_px, width_px), np.float32)
    for step in np.linspace(-reach / 2, reach / 2, 15, dtype=np.float32):
        x, y = columns + step * np.cos(angle, dtype=np.float32), rows + step * np.sin(angle, dtype=np.float32)
        hair += cv2.remap(strands, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    hair /= hair.std() + 1e-6
    root, tip = random_colour(rng) * 0.6, random_colour(rng)
    share = np.clip(0.5 + 0.25 * hair + 0.15 * noise_field(rng, width_px, height_px, 4), 0, 1)[..., None]
    return np.asarray(root + (tip - root) * share, np.float32)


def foliage(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Leaves with midribs over one another, green or withered."""
    picture = np.full((height_px, width_px, 3), 0.08, np.float32)
    base = np.array([rng.uniform(0.1, 0.7), rng.uniform(0.25, 0.7), rng.uniform(0.05, 0.25)], np.float32)
    short, size = min(width_px, height_px), rng.uniform(0.12, 0.4)
    along = np.linspace(0, np.pi, 20)
    for _ in range(int(rng.integers(60, 220))):
        length, slim = size * short * rng.uniform(0.6, 1.4), rng.uniform(0.2, 0.45)
        half = np.stack([-np.cos(along) / 2, slim / 2 * np.sin(along) ** 1.3], axis=1)
        turn = rng.uniform(0, 2 * np.pi)
        matrix = length * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        place = rng.uniform(-0.05, 1.05, 2) * (width_px, height_px)
        colour = np.clip(base * rng.uniform(0.5, 1.4) + rng.uniform(-0.08, 0.08, 3), 0, 1)
        for side, light in ((1, 1.0), (-1, rng.uniform(0.7, 0.95))):
            corners = half * (1, side) @ matrix + place
            cv2.fillPoly(picture, [_fixed(corners)], (colour * light).tolist(), cv2.LINE_AA, 4)
        rib = half[[0, -1]] * (1, 0) @ matrix + place
        cv2.polylines(picture, [_fixed(rib)], False, (colour * 1.35).tolist(), 1, cv2.LINE_AA, 4)
    return picture * (1 + 0.08 * noise_field(rng, width_px, height_px, 6)[..., None])


def pebbles(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Rounded stones, or beans, each lit from the same side, dark between them."""
    piece, inward = _cells(rng, width_px, height_px, int(rng.integers(40, 400)))
    deepest = np.zeros(piece.max() + 1, np.float32)
    np.maximum.at(deepest, piece, inward)
    height = cv2.GaussianBlur(np.sqrt(np.clip(inward / np.maximum(deepest[piece], 1), 0, 1)), (0, 0), 1.2)
    down, right = np.gradient(height * deepest.mean())
    angle = rng.uniform(0, 2 * np.pi)
    light = np.clip(0.75 + 0.5 * (np.cos(angle) * right + np.sin(angle) * down), 0.2, 1.6) * np.clip(
        height * 1.6, 0.15, 1
    )
    base = random_colour(rng)
    own = np.clip(
        base * rng.uniform(0.5, 1.4, (piece.max() + 1, 1)) + rng.uniform(-0.06, 0.06, (piece.max() + 1, 3)), 0, 1
    )
    return np.asarray(own[piece] * light[..., None], np.float32)


def knit(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Stocking stitch: columns of loops like the letter V."""
    across, down = _turned_grid(rng, width_px, height_px, bend=float(rng.uniform(0, 0.03)))
    count = rng.uniform(10, 34)
    columns, rows = across * count, down * count * 1.1
    side = np.abs(columns % 1 - 0.5) * 2  # 0 in the middle of a column, 1 between two
    loop = np.abs(np.sin(np.pi * (rows - 0.7 * side)))
    thick = loop**0.5 * np.sin(np.pi * np.clip(side, 0.04, 0.96)) ** 0.4
    first, second = random_colour(rng), random_colour(rng)
    bands = np.sin(2 * np.pi * np.floor(rows - 0.7 * side) / rng.uniform(3, 14)) > rng.uniform(-0.3, 1.3)
    wool = np.where(bands[..., None], second, first)
    fuzz = 1 + 0.12 * noise_field(rng, width_px, height_px, 140)
    return np.asarray(wool * (0.35 + 0.75 * thick * fuzz)[..., None], np.float32)


def bread(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Crumb with pores of all sizes, toasted here and there."""
    base = np.array([0.9, 0.78, 0.55], np.float32) * np.float32(rng.uniform(0.5, 1.05)) + rng.uniform(-0.06, 0.06, 3)
    crust = np.array([0.55, 0.32, 0.13], np.float32) * np.float32(rng.uniform(0.6, 1.2))
    toast = np.clip(rng.uniform(-0.2, 0.9) + 0.45 * noise_field(rng, width_px, height_px, 3), 0, 1)[..., None]
    relief = np.zeros((height_px, width_px), np.float32)
    for cells, depth in ((12, 0.12), (30, 0.16), (70, 0.16)):
        relief -= np.float32(depth) * np.clip(noise_field(rng, width_px, height_px, cells) - 0.6, 0, 1.5)
    down, right = np.gradient(cv2.GaussianBlur(relief, (0, 0), 0.7))
    light = 1 + relief * rng.uniform(0.8, 2.0) + (right - down) * rng.uniform(1, 4)
    return np.asarray((base + (crust - base) * toast) * light[..., None], np.float32)


CHOOSING = Family(surfaces=(mosaic, studs), materials=(fur, pebbles))
JUDGING = Family(surfaces=(tiles, bricks, marble), materials=(knit, bread, foliage))


def _turned_grid(rng: Rng, width_px: int, height_px: int, bend: float) -> tuple[Floats, Floats]:
    """Coordinates (H, W) across and down, in short sides, turned at random and perhaps bent a little."""
    rows, columns = np.mgrid[0:height_px, 0:width_px].astype(np.float32) / min(width_px, height_px)
    angle = rng.uniform(0, 2 * np.pi)
    across = np.cos(angle) * columns + np.sin(angle) * rows + rng.uniform(10, 11)
    down = np.cos(angle) * rows - np.sin(angle) * columns + rng.uniform(10, 11)
    across += np.float32(bend) * noise_field(rng, width_px, height_px, 3)
    down += np.float32(bend) * noise_field(rng, width_px, height_px, 3)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _slabs(rng: Rng, columns: Floats, rows: Floats, gap: float, variety: float) -> Floats:
    """Oblong pieces, one a cell of the coordinates (H, W), with joints of another colour: (H, W, 3)."""
    place = (np.floor(columns).astype(np.int64) * 7919 + np.floor(rows).astype(np.int64) * 104_729) % 4096
    shades = 1 + variety * rng.standard_normal((4096, 1)) + 0.3 * variety * rng.standard_normal((4096, 3))
    body, joint = random_colour(rng), rng.uniform(0.1, 0.9) + rng.uniform(-0.06, 0.06, 3)
    edge = np.minimum(np.minimum(columns % 1, 1 - columns % 1), np.minimum(rows % 1, 1 - rows % 1))
    inside = np.clip((edge - gap / 2) / 0.02, 0, 1)[..., None]
    return np.asarray(joint + (body * shades[place] - joint) * inside, np.float32)


def _cells(rng: Rng, width_px: int, height_px: int, count: int) -> tuple[NDArray[np.int64], Floats]:
    """Voronoi cells of random seeds: the number of each pixel's cell (H, W), and how far it lies within, in pixels."""
    seeds = np.full((height_px, width_px), 255, np.uint8)
    seeds[rng.integers(height_px, size=count), rng.integers(width_px, size=count)] = 0
    _, cell = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, cv2.DIST_MASK_PRECISE, labelType=cv2.DIST_LABEL_PIXEL)
    within = np.ones((height_px, width_px), np.uint8)
    within[:, 1:] &= cell[:, 1:] == cell[:, :-1]
    within[1:] &= cell[1:] == cell[:-1]
    inward = cv2.distanceTransform(within, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(cell, np.int64), np.asarray(inward, np.float32)


def _fixed(corners: NDArray[np.float64]) -> NDArray[np.int32]:
    """Corners (N, 2) as OpenCV takes them with four bits after the point."""
    return np.round(corners * 16).astype(np.int32)


def _as_bytes(picture: Floats) -> Bytes:
    return np.asarray(np.clip(picture * 255 + 0.5, 0, 255), np.uint8)
