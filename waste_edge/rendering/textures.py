"""Surfaces of every kind, for what may lie behind an item anywhere: patterned, woven, cluttered, plain."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from waste_edge.rendering.backgrounds import Background, noise_field, paint_background
from waste_edge.rendering.canvas import Bytes, Floats, Rng


def paint_texture(rng: Rng, width_px: int, height_px: int) -> Bytes:
    """Draw some surface as (height_px, width_px, 3) RGB bytes; the same generator state, the same surface."""
    if rng.random() < 0.3:
        styles = list(Background)
        return paint_background(styles[int(rng.integers(len(styles)))], rng, width_px, height_px)
    kinds, weights = zip(*_TEXTURES, strict=True)
    paint = kinds[int(rng.choice(len(kinds), p=np.array(weights) / sum(weights)))]
    return np.asarray(np.clip(paint(rng, width_px, height_px) * 255 + 0.5, 0, 255), np.uint8)


def random_colour(rng: Rng) -> Floats:
    """A colour (3,) in 0..1: mostly muted, sometimes vivid, as things are."""
    grey, vivid = rng.uniform(0.05, 0.98), rng.beta(1, 3)
    return np.asarray(np.clip(grey + vivid * rng.uniform(-0.6, 0.6, 3), 0, 1), np.float32)


def _plain(rng: Rng, width_px: int, height_px: int) -> Floats:
    """One colour, often the pure white of a shop's picture, perhaps with light that falls off."""
    colour = np.ones(3, np.float32) if rng.random() < 0.5 else random_colour(rng)
    light = 1 + np.float32(rng.choice([0.0, 0.05, 0.15])) * noise_field(rng, width_px, height_px, 2)
    return np.asarray(light[..., None] * colour, np.float32)


def _fractal(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Noise whose spectrum falls as a photograph's does (about 1/f), between two or three colours."""
    total = np.zeros((height_px, width_px, 3), np.float32)
    falloff, shared = rng.uniform(0.5, 1.2), rng.uniform(0.3, 1.0)
    for octave in range(1, 8):
        strength = np.float32(2.0 ** (-falloff * octave))
        grey = noise_field(rng, width_px, height_px, 2**octave)
        tint = np.stack([noise_field(rng, width_px, height_px, 2**octave) for _ in range(3)], -1)
        total += strength * (np.float32(shared) * grey[..., None] + np.float32(1 - shared) * tint)
    return random_colour(rng) + np.float32(rng.uniform(0.2, 0.8)) * total


def _leaves(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Shapes of all sizes that lie over one another: the dead leaves model, which looks like clutter.

    Lee, Mumford and Huang 2001; that such pictures teach networks: Baradad et al. 2021 (arXiv:2106.05963).
    """
    picture = np.zeros((height_px, width_px, 3), np.float32)
    picture[:] = random_colour(rng)
    short = min(width_px, height_px)
    sizes = np.sort(0.03 / (1 - rng.uniform(0, 0.95, int(rng.integers(60, 200)))))[::-1]  # a power law, large first
    if rng.random() < 0.5:
        rng.shuffle(sizes)
    palette = [random_colour(rng) for _ in range(int(rng.integers(3, 12)))]
    for size in sizes:
        spots = outline(rng, float(size) * short, int(rng.integers(3, 9)))
        spots += rng.uniform(0, 1, 2) * (width_px, height_px)
        colour = palette[int(rng.integers(len(palette)))] * rng.uniform(0.8, 1.15)
        cv2.fillPoly(picture, [np.round(spots * 16).astype(np.int32)], colour.tolist(), cv2.LINE_8, 4)
    specks = noise_field(rng, width_px, height_px, 100) * np.float32(rng.uniform(0, 0.06))
    soft = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 3.0)))
    return np.asarray(soft + specks[..., None], np.float32)


def _stripes(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Stripes or checks in two colours."""
    rows, columns = np.mgrid[0:height_px, 0:width_px].astype(np.float32) / min(width_px, height_px)
    angle, pitch = rng.uniform(0, np.pi), 2 * np.pi * rng.uniform(2, 30)
    wobble = np.float32(rng.uniform(0, 0.02)) * noise_field(rng, width_px, height_px, 4)
    across = np.cos(angle) * columns + np.sin(angle) * rows + wobble
    waves = np.sin(pitch * across)
    if rng.random() < 0.5:
        waves = waves * np.sin(pitch * rng.uniform(0.5, 1.5) * (np.cos(angle) * rows - np.sin(angle) * columns))
    share = np.clip(0.5 + np.float32(rng.uniform(0.6, 5)) * waves, 0, 1)[..., None].astype(np.float32)
    first, second = random_colour(rng), random_colour(rng)
    return np.asarray(first + (second - first) * share, np.float32)


def weave(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Cloth: threads over and under one another, in folds: (H, W, 3) in 0..1."""
    rows, columns = np.mgrid[0:height_px, 0:width_px].astype(np.float32) / min(width_px, height_px)
    bend = np.float32(rng.uniform(0, 0.05))
    rows = rows + bend * noise_field(rng, width_px, height_px, 3)
    columns = columns + bend * noise_field(rng, width_px, height_px, 3)
    pitch = 2 * np.pi * rng.uniform(12, 60)
    threads = np.sin(pitch * rows) * np.sin(pitch * columns)
    first, second = random_colour(rng), random_colour(rng)
    if rng.random() < 0.5:
        second = first * np.float32(rng.uniform(0.7, 1.2))
    pattern = (np.sin(rng.uniform(5, 40) * rows + 1) > 0) ^ (np.sin(rng.uniform(5, 40) * columns) > 0)
    cloth = np.where((pattern & (rng.random() < 0.5))[..., None], second, first)
    folds = noise_field(rng, width_px, height_px, int(rng.integers(2, 7)))
    slope = np.gradient(folds, axis=int(rng.integers(2))) * min(width_px, height_px) / 40
    light = 1 + np.float32(rng.uniform(0.02, 0.12)) * threads + np.float32(rng.uniform(0.05, 0.35)) * slope
    return np.asarray(cloth * light[..., None], np.float32)


def grain(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Wood of any colour, its grain in any direction: (H, W, 3) in 0..1."""
    side = round(1.5 * max(width_px, height_px))
    wood = paint_background(Background.WOOD, rng, side, side).astype(np.float32) / 255
    tint = 0.75 + 0.5 * random_colour(rng)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.uniform(0, 360)), 1)
    turned = cv2.warpAffine(wood, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
    top, left = (side - height_px) // 2, (side - width_px) // 2
    return np.asarray(turned[top : top + height_px, left : left + width_px] * tint, np.float32)


def crumbs(rng: Rng, width_px: int, height_px: int) -> Floats:
    """Paint a texture of many bits of kindred colours, moist or dry, as food and soil are: (H, W, 3) in 0..1."""
    base = np.array([rng.uniform(0.2, 0.95), rng.uniform(0.15, 0.8), rng.uniform(0.02, 0.5)], np.float32)
    if rng.random() < 0.3:
        base = base[[1, 0, 2]]  # greens
    picture = np.zeros((height_px, width_px, 3), np.float32)
    picture[:] = base * 0.6
    short, size = min(width_px, height_px), rng.uniform(0.02, 0.12)
    for _ in range(int(rng.integers(80, 260))):
        spots = outline(rng, float(size * rng.uniform(0.5, 1.5)) * short, 7)
        spots += rng.uniform(0, 1, 2) * (width_px, height_px)
        colour = np.clip(base * rng.uniform(0.6, 1.3) + rng.uniform(-0.12, 0.12, 3), 0, 1)
        cv2.fillPoly(picture, [np.round(spots * 16).astype(np.int32)], colour.tolist(), cv2.LINE_8, 4)
    soft = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 2.0)))
    gloss = np.clip(noise_field(rng, width_px, height_px, 40) - rng.uniform(1.0, 2.5), 0, 1)
    damp = 1 + 0.1 * noise_field(rng, width_px, height_px, 12)
    return np.asarray(soft * damp[..., None] + gloss[..., None], np.float32)


def outline(rng: Rng, size: float, corners: int) -> Floats:
    """A closed shape (N, 2) round the origin: a polygon of few corners, a smooth blob of many."""
    if corners < 7:
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radii = rng.uniform(0.5, 1, corners)
    else:
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        radii = np.full(48, 0.75)
        for order in range(2, 6):
            radii += rng.normal(0, 0.18 / order) * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    squash = rng.uniform(0.4, 1.0)
    spots = np.stack([radii * np.cos(angles), squash * radii * np.sin(angles)], axis=1)
    turn = rng.uniform(0, 2 * np.pi)
    turned = spots @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(turned * size / 2, np.float32)


_TEXTURES: tuple[tuple[Callable[[Rng, int, int], Floats], float], ...] = (
    (_plain, 0.25), (_fractal, 0.2), (_leaves, 0.25), (_stripes, 0.08), (weave, 0.08), (grain, 0.07), (crumbs, 0.07),
)  # fmt: skip
