"""Views of what belongs to no label: cloth, wood, food and other things, and the empty place where an item would lie.

They teach a network to be unsure (outlier exposure), and stand in for real unknowns where none were photographed: those
of other kinds than it was taught with.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from waste_edge.rendering.canvas import Bytes, Floats, Rng
from waste_edge.rendering.held_out import Family
from waste_edge.rendering.materials import drape, heap
from waste_edge.rendering.scene import Background, compose, paint_background
from waste_edge.rendering.textures import crumbs, grain, outline, paint_texture, weave

Fill = Callable[[Rng, int, int], Bytes]  # to (height_px, width_px, 3) of some stuff

_FILLINGS = (weave, grain, crumbs, drape, heap)
EMPTY_SHARE = 0.25


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
