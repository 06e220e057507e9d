"""Whole camera views: an item put down on a background, with its shadow, seen through an imperfect camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from waste_edge.rendering.backgrounds import Background, noise_field, paint_background
from waste_edge.rendering.canvas import Bytes, Floats, Point
from waste_edge.rendering.items.sprites import check_label, render_item

__all__ = [
    "Background",
    "camera_effects",
    "compose",
    "extent",
    "paint_background",
    "random_camera",
    "render_view",
]

_STYLES = (
    (Background.POSTER, 0.36), (Background.TRAY, 0.24), (Background.GRADIENT, 0.08), (Background.WOOD, 0.08),
    (Background.CONCRETE, 0.09), (Background.SPECKLED, 0.08), (Background.CLUTTERED, 0.07),
)  # fmt: skip


def extent(sprite: Bytes, angle_deg: float) -> float:
    """Longer side of the box round the turned item, as a share of the sprite's side; 0 if nothing is drawn."""
    rows, columns = np.nonzero(sprite[..., 3] > 24)
    if not rows.size:
        return 0.0
    spots = np.stack([columns, rows], axis=1).astype(np.int32)
    hull = np.asarray(cv2.convexHull(spots)).reshape(-1, 2).astype(np.float64)
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turned = hull @ np.array([[c, s], [-s, c]])
    return float(np.ptp(turned, axis=0).max() / sprite.shape[0])


def _placed(sprite: Bytes, width_px: int, height_px: int, centre: Point, scale: float, angle_deg: float) -> Floats:
    """The sprite in place on a transparent view: (H, W, 4), colours premultiplied, 0..1."""
    side = sprite.shape[0]
    target = scale * min(width_px, height_px)
    layer = sprite.astype(np.float32) * np.float32(1 / 255)
    layer[..., :3] *= layer[..., 3:]
    if target < 0.7 * side:  # bilinear sampling alone would skip pixels
        shrunk = max(8, round(target))
        layer = np.asarray(cv2.resize(layer, (shrunk, shrunk), interpolation=cv2.INTER_AREA), dtype=np.float32)
        side = shrunk
    zoom = target / side
    c, s = np.cos(np.radians(angle_deg)) * zoom, np.sin(np.radians(angle_deg)) * zoom
    middle = (side - 1) / 2
    x, y = centre[0] * width_px - 0.5, centre[1] * height_px - 0.5
    matrix = np.array([[c, -s, x - (c - s) * middle], [s, c, y - (s + c) * middle]])
    return np.asarray(cv2.warpAffine(layer, matrix, (width_px, height_px), flags=cv2.INTER_LINEAR), dtype=np.float32)


def _shadow(cover: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Compute the light (H, W) that the item leaves on the ground: a contact shadow and a wide soft shade."""
    height, width = cover.shape
    quarter = (max(2, width // 4), max(2, height // 4))
    small = np.asarray(cv2.resize(cover, quarter, interpolation=cv2.INTER_AREA), dtype=np.float32)
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.01, 0.06) * size
    wide_strength, contact_strength = rng.uniform(0.18, 0.5), rng.uniform(0.25, 0.5)
    light = np.ones_like(small)
    for sigma, offset, strength in ((0.06, reach, wide_strength), (0.014, reach * 0.3, contact_strength)):
        shift = np.array([[1, 0, np.cos(angle) * offset / 4], [0, 1, np.sin(angle) * offset / 4]])
        moved = cv2.warpAffine(small, shift, quarter)
        soft = cv2.GaussianBlur(moved, (0, 0), max(0.5, sigma * size / 4))
        light *= 1.0 - np.float32(strength) * np.asarray(soft, dtype=np.float32)
    return np.asarray(cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def compose(
    background: Bytes, sprite: Bytes, centre: Point, scale: float, angle_deg: float, rng: np.random.Generator
) -> Bytes:
    """Put a sprite on a background with a soft contact shadow.

    Args:
        background: (H, W, 3) RGB.
        sprite: (S, S, 4) RGBA with straight alpha.
        centre: where the sprite's middle goes, x and y as shares of the width and height; may lie outside.
        scale: side of the sprite as a share of the background's shorter side.
        angle_deg: turn, clockwise.
        rng: chooses the direction and strength of the shadow; the same state gives the same shadow.

    Returns:
        (H, W, 3) RGB, a new array.
    """
    height, width = background.shape[:2]
    layer = _placed(sprite, width, height, centre, scale, angle_deg)
    light = _shadow(layer[..., 3], scale * min(width, height), rng)
    ground = background.astype(np.float32) * (light * (1.0 - layer[..., 3]))[..., None]
    return np.asarray(np.clip(ground + layer[..., :3] * 255.0 + 0.5, 0, 255), dtype=np.uint8)


@dataclass(frozen=True)
class CameraEffects:
    """Effects of a cheap camera on a view.

    Attributes:
        exposure: gain on all channels.
        white_balance: gains on red, green and blue.
        contrast: stretch about middle grey; 1 leaves it.
        blur_px: standard deviation of the lens blur.
        vignette: share of the light lost in the corners.
        noise: standard deviation of the sensor noise in grey levels.
    """

    exposure: float = 1.0
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    blur_px: float = 0.0
    vignette: float = 0.0
    noise: float = 1.0


def camera_effects(rgb: Bytes, rng: np.random.Generator, effects: CameraEffects) -> Bytes:
    """Apply a cheap camera's effects to a view (H, W, 3); returns a new one.

    Args:
        rgb: the perfect picture.
        rng: source of the sensor noise.
        effects: of the camera.
    """
    height, width = rgb.shape[:2]
    blur_px, contrast, vignette, noise = effects.blur_px, effects.contrast, effects.vignette, effects.noise
    gains = np.asarray(effects.white_balance, dtype=np.float32) * np.float32(effects.exposure)
    picture = rgb.astype(np.float32)
    if blur_px > 0.2:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur_px), dtype=np.float32)
    picture *= gains
    if contrast != 1.0:
        picture = (picture - 128.0) * np.float32(contrast) + 128.0
    if vignette > 0:
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
        right = np.linspace(-1, 1, width, dtype=np.float32)[None, :] ** 2
        picture *= (1.0 - np.float32(vignette / 2) * (down + right))[..., None]
    if noise > 0:
        # Mostly brightness noise with some of its own in each channel, as after demosaicing.
        picture += rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(noise * 0.8)
        picture += rng.standard_normal((height, width, 3), dtype=np.float32) * np.float32(noise * 0.6)
    return np.asarray(np.clip(picture + 0.5, 0, 255), dtype=np.uint8)


def random_camera(rgb: Bytes, rng: np.random.Generator) -> Bytes:
    """Camera effects as they may come, on a view (H, W, 3): dim or bright, warm or cool, sharp or soft."""
    warmth, green = rng.normal(0, 0.05), rng.normal(0, 0.015)
    short = min(rgb.shape[:2])
    effects = CameraEffects(
        exposure=float(rng.uniform(0.72, 1.18)),
        white_balance=(1.0 + warmth, 1.0 + green, 1.0 - warmth),
        contrast=float(rng.uniform(0.85, 1.12)),
        blur_px=float(max(0.0, rng.uniform(-0.4, 1.1)) * short / 256),
        vignette=float(max(0.0, rng.uniform(-0.1, 0.3))),
        noise=float(rng.uniform(0.4, 4.0)),
    )
    return camera_effects(rgb, rng, effects)


def render_view(label: str, rng: np.random.Generator, width_px: int, height_px: int) -> Bytes:
    """Draw one item of a class as a camera might see it, everything else at random.

    Args:
        label: one of `items.ITEM_LABELS`.
        rng: source of every random choice; the same state draws the same view.
        width_px: width of the view, at least 32.
        height_px: height of the view, at least 32.

    Returns:
        (height_px, width_px, 3) RGB bytes. The item fills 40 to 95 % of the shorter side.

    Raises:
        ValueError: the label is unknown or the view too small.
    """
    check_label(label)
    if min(width_px, height_px) < 32:
        raise ValueError(f"a view needs at least 32 pixels a side, got {width_px} x {height_px}")
    weights = np.array([weight for _, weight in _STYLES])
    style = _STYLES[int(rng.choice(len(_STYLES), p=weights / weights.sum()))][0]
    background = _backdrop(style, rng, width_px, height_px)
    fill, angle = rng.uniform(0.4, 0.95), float(rng.uniform(0, 360))
    short = min(width_px, height_px)
    sprite = render_item(label, rng, max(48, round(fill * short * 1.1)))
    scale = fill / max(0.2, extent(sprite, angle))
    room_x, room_y = (1 - fill * short / width_px) / 2, (1 - fill * short / height_px) / 2
    centre = (0.5 + rng.uniform(-room_x, room_x), 0.5 + rng.uniform(-room_y, room_y))
    view = compose(background, _relit(sprite, rng), centre, float(scale), angle, rng)
    return random_camera(view, rng)


def _backdrop(style: Background, rng: np.random.Generator, width_px: int, height_px: int) -> Bytes:
    """A background; of a tray, as often as not, only a part, since a crop of the frame rarely shows it whole."""
    if style is not Background.TRAY:
        return paint_background(style, rng, width_px, height_px)
    zoom = rng.uniform(1.0, 1.7)
    wide, high = round(width_px * zoom), round(height_px * zoom)
    left, top = int(rng.integers(wide - width_px + 1)), int(rng.integers(high - height_px + 1))
    whole = paint_background(style, rng, wide, high)
    return np.ascontiguousarray(whole[top : top + height_px, left : left + width_px])


def _relit(sprite: Bytes, rng: np.random.Generator) -> Bytes:
    """The sprite under a lamp of random strength that falls off across it."""
    side = sprite.shape[0]
    light = np.float32(rng.uniform(0.88, 1.08)) * (1.0 + 0.07 * noise_field(rng, side, side, 1))
    lit = sprite.copy()
    lit[..., :3] = np.clip(sprite[..., :3] * light[..., None], 0, 255).astype(np.uint8)
    return lit
