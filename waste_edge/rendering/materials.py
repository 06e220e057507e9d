"""Stuffs that strange things are made of, beside the woods and weaves of `textures`: draped cloth, fruit in heaps."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.rendering.backgrounds import noise_field
from waste_edge.rendering.canvas import Floats, Rng
from waste_edge.rendering.textures import random_colour

Exact = NDArray[np.float64]


def drape(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Cloth in deep folds, plain, striped or checked, as a crumpled garment shows it: (H, W, 3) in 0..1."""
    rows, columns = np.mgrid[0:height_px, 0:width_px].astype(np.float32) / min(width_px, height_px)
    angle = rng.uniform(0, 2 * np.pi)
    across = np.cos(angle) * columns + np.sin(angle) * rows
    along = np.cos(angle) * rows - np.sin(angle) * columns
    height = np.zeros_like(across)
    for order in range(1, int(rng.integers(2, 5)) + 1):
        bend = 0.25 / order * noise_field(rng, width_px, height_px, 2 + order)
        fold = np.abs(np.sin(np.pi * (order * rng.uniform(0.8, 2.2) * (across + bend) + rng.uniform(0, 1))))
        height += np.float32(rng.uniform(0.4, 1.0) / order) * fold ** np.float32(rng.uniform(0.5, 1.5))
    height = cv2.GaussianBlur(height, (0, 0), 0.01 * min(width_px, height_px) + 0.5)
    down, right = np.gradient(height * min(width_px, height_px) / 6)
    side = rng.uniform(0, 2 * np.pi)
    slope = np.cos(side) * right + np.sin(side) * down
    light = 0.85 + rng.uniform(0.15, 0.45) * slope + 0.15 * (height - height.mean())
    cloth = _print(rng, across + 0.08 * height, along + 0.08 * height)
    thread = 1 + np.float32(rng.uniform(0, 0.06)) * noise_field(rng, width_px, height_px, 150)
    return np.asarray(cloth * (np.clip(light, 0.2, 1.5) * thread)[..., None], np.float32)


def heap(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Rounded things over one another, each lit from the same side, glossy or dull, as fruit is: (H, W, 3) in 0..1."""
    picture = np.full((height_px, width_px, 3), 0.12, np.float32)
    short, size = min(width_px, height_px), rng.uniform(0.12, 0.5)
    hue = np.array([rng.uniform(0.3, 1.0), rng.uniform(0.1, 0.9), rng.uniform(0.02, 0.4)], np.float32)
    side, gloss = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.8)
    slim, spread = rng.uniform(0.5, 1.0), rng.uniform(0.0, 0.15)
    for _ in range(int(min(120, 4 / size**2))):
        radius = size * short / 2 * rng.uniform(0.8, 1.2)
        middle = rng.uniform(0, 1, 2) * (height_px, width_px)
        body = np.clip(hue * rng.uniform(0.8, 1.15) + rng.normal(0, spread, 3), 0, 1)
        _lay_fruit(picture, middle, _Fruit(radius, slim, rng.uniform(0, np.pi), body), side, gloss)
    skin = 1 + np.float32(rng.uniform(0, 0.12)) * noise_field(rng, width_px, height_px, int(rng.integers(8, 80)))
    return np.asarray(picture * skin[..., None], np.float32)


class _Fruit(NamedTuple):
    """An ellipsoid: radius in px, the share of it that the other axis has, its turn, and its colour (3,)."""

    radius: float
    slim: float
    turn: float
    body: Exact


def _lay_fruit(picture: Floats, middle: Exact, fruit: _Fruit, side: float, gloss: float) -> None:
    """One ellipsoid, lit from `side`, into a picture (H, W, 3)."""
    radius, slim, turn, body = fruit
    top, left = (max(0, int(at - radius)) for at in middle)
    part = picture[top : int(middle[0] + radius) + 2, left : int(middle[1] + radius) + 2]
    rows, columns = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
    x, y = (columns + left - middle[1]) / radius, (rows + top - middle[0]) / radius
    u, v = np.cos(turn) * x + np.sin(turn) * y, (np.cos(turn) * y - np.sin(turn) * x) / slim
    inside = 1 - u * u - v * v
    there = np.clip(inside * radius / 3, 0, 1)[..., None]
    shade = 0.35 + 0.5 * np.sqrt(np.clip(inside, 0, 1)) + 0.3 * (np.cos(side) * x + np.sin(side) * y)
    away = (x - 0.35 * np.cos(side)) ** 2 + (y - 0.35 * np.sin(side)) ** 2  # from the highlight
    thing = body * np.clip(shade, 0.1, 1.2)[..., None] + (gloss * np.exp(-away / 0.0144))[..., None]
    part += (thing - part) * there


def _dyed(rng: Rng) -> Floats:
    """A colour (3,) that no white paper and no foil has: crumpled, these look like cloth."""
    while True:
        colour = random_colour(rng)
        if np.ptp(colour) > 0.12 or colour.mean() < 0.2:
            return colour


def _print(rng: Rng, across: Floats, along: Floats) -> Floats:
    """Paint a cloth's print or weave, by coordinates (H, W) that follow its folds: colours (H, W, 3)."""
    first, second = _dyed(rng), random_colour(rng)
    kind = rng.random()
    if kind < 0.5:
        return np.broadcast_to(first, (*across.shape, 3))
    pitch = 2 * np.pi * rng.uniform(2, 14)
    marks = np.sin(pitch * across)
    if kind < 0.75:
        marks = np.maximum(marks, np.sin(pitch * along)) if kind < 0.65 else marks * np.sin(pitch * along)
    share = np.clip(0.5 + 4 * (marks - rng.uniform(0, 0.7)), 0, 1)[..., None]
    return np.asarray(first + (second - first) * share, np.float32)
