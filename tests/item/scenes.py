"""Small composed scenes with a known truth, from what the project renders."""

from __future__ import annotations

import cv2
import numpy as np

from waste_edge.imaging.frames import Pixels
from waste_edge.item import ItemRegion
from waste_edge.item.compose import Composed, Light, Place, SceneRanges, box_of, compose, lay, trim
from waste_edge.item.region import Mask
from waste_edge.rendering.backgrounds import Background, paint_background
from waste_edge.rendering.items.sprites import render_item

STEADY = SceneRanges(exposure_step=0, balance_step=0, noise=(1.0, 1.0), jpeg=None)


def ground(style: Background, seed: int = 0, width_px: int = 640, height_px: int = 480) -> Pixels:
    return paint_background(style, np.random.default_rng([seed, 1]), width_px, height_px)


def scene(label: str, style: Background, seed: int = 0, ranges: SceneRanges = STEADY) -> Composed:
    rng = np.random.default_rng([seed, 2])
    return compose(render_item(label, rng, 320), ground(style, seed), rng, ranges)


def placed(surface: Pixels, sprite: Pixels, x: float, y: float, size_px: float, shadow: float = 0.0) -> Composed:
    """A sprite, RGBA, upright at a known place, the camera without noise."""
    light = Light((1.0, 1.0, 1.0), shadow, 0.5, 0.1, 0.1)
    view, cover = lay(trim(sprite), surface, Place(x, y, size_px, 0.0, False), light)
    mask = np.asarray(cover > 0.5)
    return Composed(surface, (view,), mask, box_of(mask))


def plate(colour: tuple[int, int, int], width_px: int = 200, height_px: int = 140) -> Pixels:
    """A plain opaque sheet, RGBA."""
    return np.asarray(np.full((height_px, width_px, 4), (*colour, 255)), np.uint8)


def noisy(pixels: Pixels, deviation: float, seed: int) -> Pixels:
    grain = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    return np.asarray(np.clip(pixels + grain + 0.5, 0, 255), np.uint8)


def overlap(found: ItemRegion | None, truth: Mask) -> float:
    """Intersection over union of a region and the true mask; 0 if nothing was found."""
    if found is None:
        return 0.0
    height, width = truth.shape
    mask = cv2.resize(found.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return float((mask & truth).sum() / (mask | truth).sum())
