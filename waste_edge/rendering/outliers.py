"""Views of what belongs to no label: cloth, wood, food and other things, and the empty place where an item would lie.

They teach a network to be unsure (outlier exposure), and stand in for real unknowns where none were photographed: those
of other kinds than it was taught with.

They are made of the woods and weaves of `textures`, of draped cloth, and of fruit in heaps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.rendering.backgrounds import noise_field
from waste_edge.rendering.canvas import Bytes, Floats, Rng
from waste_edge.rendering.held_out import Family
from waste_edge.rendering.scene import Background, compose, paint_background
from waste_edge.rendering.textures import crumbs, grain, outline, paint_texture, random_colour, weave

Exact = NDArray[np.float64]
Fill = Callable[[Rng, int, int], Bytes]  # to (height_px, width_px, 3) of some stuff

EMPTY_SHARE = 0.25


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


_FILLINGS = (weave, grain, crumbs, drape, heap)


def render_outlier(rng: Rng, width_px: int, height_px: int) -> Bytes:
    """Draw a view without waste as (height_px, width_px, 3) RGB bytes; the same generator state, the same view."""
    ground = _ground(rng, width_px, height_px)
    if rng.random() < EMPTY_SHARE:
        return ground
    if rng.random() < 0.2:  # so near that it fills the view
        return _filled(rng, width_px, height_px)
    return _with_things(ground, rng, _filled)


def render_held_out_outlier(rng: Rng, width_px: int, height_px: int, family: Family) -> Bytes:
    """The same of materials and empty places that are never trained on."""
    if rng.random() < EMPTY_SHARE:
        return family.paint(rng, width_px, height_px)
    if rng.random() < 0.2:
        return family.fill(rng, width_px, height_px)
    # As often where known items lie too, so that a detector of strange places does not pass for one of strange things.
    paint = _usual_ground if rng.random() < 0.5 else family.paint
    return _with_things(paint(rng, width_px, height_px), rng, family.fill)


def outlier_sprite(rng: Rng, size_px: int, fill: Fill | None = None) -> Bytes:
    """One thing that is no waste on a transparent square (size_px, size_px, 4), RGBA with straight alpha.

    Args:
        fill: what it is made of; if None, what training shows.
    """
    cover = np.zeros((size_px, size_px), np.float32)
    corners = int(rng.choice([4, 5, 8, 8, 8]))
    spots = outline(rng, 0.9 * size_px, corners) + size_px / 2
    cv2.fillPoly(cover, [np.round(spots * 16).astype(np.int32)], (1.0,), cv2.LINE_AA, 4)
    cover = np.clip(cv2.GaussianBlur(cover, (0, 0), 1.0), 0, 1)
    body = (fill or _filled)(rng, size_px, size_px).astype(np.float32) * _rounded(cover, rng)[..., None]
    return np.dstack([np.clip(body, 0, 255), cover * 255]).astype(np.uint8)


def outlined(pixels: Bytes, rng: Rng, size_px: int) -> Bytes:
    """A thing of the stuff that a picture shows: an outline filled with it, RGBA as of `outlier_sprite`.

    Args:
        pixels: the picture, uint8 (H, W, 3).
    """

    def fill(_: Rng, width_px: int, height_px: int) -> Bytes:
        return np.asarray(cv2.resize(pixels, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)

    return outlier_sprite(rng, size_px, fill)


def _with_things(ground: Bytes, rng: Rng, fill: Fill) -> Bytes:
    """One thing on the ground, or a few."""
    short = min(ground.shape[:2])
    for _ in range(1 if rng.random() < 0.75 else int(rng.integers(2, 5))):
        sprite = outlier_sprite(rng, max(48, short), fill)
        centre = (float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.3, 0.7)))
        ground = compose(ground, sprite, centre, float(rng.uniform(0.4, 1.2)), float(rng.uniform(0, 360)), rng)
    return ground


def _ground(rng: Rng, width_px: int, height_px: int) -> Bytes:
    """Draw the ground, as often a poster board or a tray as anything else: the place must not mark an outlier."""
    if rng.random() < 0.5:
        return _usual_ground(rng, width_px, height_px)
    return paint_texture(rng, width_px, height_px)


def _usual_ground(rng: Rng, width_px: int, height_px: int) -> Bytes:
    style = Background.POSTER if rng.random() < 0.7 else Background.TRAY
    return paint_background(style, rng, width_px, height_px)


def _filled(rng: Rng, width_px: int, height_px: int) -> Bytes:
    if rng.random() < 0.2:
        return paint_texture(rng, width_px, height_px)
    filling = _FILLINGS[int(rng.integers(len(_FILLINGS)))](rng, width_px, height_px)
    return np.asarray(np.clip(filling * 255, 0, 255), np.uint8)


def _rounded(cover: Floats, rng: Rng) -> Floats:
    """Light (H, W) on a thing that is thicker in the middle, from a random side."""
    thick = cv2.GaussianBlur(cover, (0, 0), max(1.0, float(rng.uniform(0.02, 0.12)) * cover.shape[0]))
    down, right = np.gradient(np.asarray(thick, np.float32))
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.25) * cover.shape[0] / 4
    slope = np.cos(angle) * right + np.sin(angle) * down
    return np.asarray(np.clip(1 + strength * slope, 0.4, 1.5), np.float32)
