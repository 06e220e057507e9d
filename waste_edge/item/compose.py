"""Views that a station might see: an item laid on a ground, in its light, through its camera.

Cut-out and paste: Dwibedi, Misra and Hebert 2017 (arXiv:1708.01642). Training views, `evaluate --through-the-station`
and rehearsals are composed here, and see the item through `find_item` and `crop_item` like the loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import Region
from waste_edge.item.region import Mask

Rng = np.random.Generator
Floats = NDArray[np.float32]
Sprite = NDArray[np.uint8]  # (h, w, 4), RGBA with straight alpha: an item cut out

_THERE = 0.3  # cover of a pixel that shows the item


@dataclass(frozen=True)
class SceneRanges:
    """Ranges of the composed views' parameters; pairs are the least and the most.

    Attributes:
        width_px: of the view.
        height_px: of the view.
        size: longer side of the item, as a share of the view's height.
        inside: share of the item's box that lies within the view at least; 1: wholly.
        light: factor of brightness of the item against the photograph that it was cut from.
        tint: largest change of the item's colours by the ground's lamp, as a factor less 1.
        shadow: share of the light that the item takes from the ground beside it.
        exposure_step: largest change of the camera's exposure when an item comes, as a factor less 1.
        balance_step: largest change of its white balance.
        noise: deviation of the camera's noise in levels.
        jpeg: quality of its JPEG; None: it sends none.
        frames: how many with the item, in which only the noise differs.
    """

    width_px: int = 640
    height_px: int = 480
    size: tuple[float, float] = (0.35, 0.65)
    inside: float = 1.0
    light: tuple[float, float] = (0.75, 1.15)
    tint: float = 0.06
    shadow: tuple[float, float] = (0.1, 0.45)
    exposure_step: float = 0.12
    balance_step: float = 0.03
    noise: tuple[float, float] = (0.5, 3.0)
    jpeg: tuple[int, int] | None = (70, 95)
    frames: int = 1


@dataclass(frozen=True)
class Place:
    """Placement of an item: its middle in shares of the view, its longer side in pixels, its rotation."""

    x: float
    y: float
    size_px: float
    angle_deg: float
    mirrored: bool


@dataclass(frozen=True)
class Light:
    """Light of a ground on an item: factors by colour, and the shadow's direction, reach and strength.

    Lengths are shares of the item's longer side.
    """

    factors: tuple[float, float, float]
    shadow: float
    shadow_angle: float
    shadow_reach: float
    shadow_softness: float


@dataclass(frozen=True)
class Camera:
    """One exposure of a camera: factors by colour, noise in levels, JPEG quality."""

    factors: tuple[float, float, float] = (1.0, 1.0, 1.0)
    noise: float = 0.0
    jpeg: int | None = None


@dataclass(frozen=True, eq=False)
class Composed:
    """Composed scene.

    Attributes:
        empty: the view before the item came, uint8 (H, W, 3).
        frames: views with the item at rest, of the same shape.
        mask: where the item is, bool (H, W), its holes and what shines through it included.
        box: around the mask, in shares of the view.
    """

    empty: Pixels
    frames: tuple[Pixels, ...]
    mask: Mask
    box: Region


def compose(sprite: Sprite, ground: Pixels, rng: Rng, ranges: SceneRanges | None = None) -> Composed:
    """Lay an item on a ground, and look at it before and after.

    Args:
        sprite: the item cut out, uint8 (h, w, 4), RGBA with straight alpha; see `rendering.cutouts.sprite_of`.
        ground: a picture of a surface, uint8 (H, W, 3), of any size; a part of it becomes the view.
        rng: source of every chance: the same state, the same scene.
        ranges: what varies.

    Raises:
        ValueError: the sprite is transparent throughout.
    """
    ranges = ranges or SceneRanges()
    surface = fit_ground(ground, ranges.width_px, ranges.height_px, rng)
    trimmed = trim(sprite)
    place = draw_place(trimmed, ranges, rng)
    light = draw_light(ranges, rng)
    before, after = draw_cameras(ranges, rng)
    scene, cover = lay(trimmed, surface, place, light)
    mask = silhouette(cover)
    return Composed(
        empty=photograph(surface, before, rng),
        frames=tuple(photograph(scene, after, rng) for _ in range(ranges.frames)),
        mask=mask,
        box=box_of(mask),
    )


def trim(sprite: Sprite) -> Sprite:
    """A sprite without its transparent rim.

    Raises:
        ValueError: it is transparent throughout.
    """
    left, top, width, height = cv2.boundingRect((sprite[..., 3] > 127).astype(np.uint8))
    if not width:
        raise ValueError("the sprite is transparent throughout")
    return sprite[top : top + height, left : left + width]


def fit_ground(ground: Pixels, width_px: int, height_px: int, rng: Rng) -> Pixels:
    """A part of a ground picture, at random, mirrored at random, of the view's size."""
    height, width = ground.shape[:2]
    scale = min(width / width_px, height / height_px) * float(rng.uniform(0.75, 1.0))
    across, down = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    left = int(rng.integers(width - across + 1)) if width > across else 0
    top = int(rng.integers(height - down + 1)) if height > down else 0
    part = ground[top : top + down, left : left + across]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (width_px, height_px), interpolation=method), np.uint8)


def draw_place(sprite: Sprite, ranges: SceneRanges, rng: Rng) -> Place:
    """A random place, size and turn; the item's box lies within the view as far as `ranges.inside` says."""
    size_px = float(rng.uniform(*ranges.size)) * ranges.height_px
    angle = float(rng.uniform(-180, 180)) if rng.random() < 0.7 else float(rng.normal(0, 8))
    height, width = sprite.shape[:2]
    zoom = size_px / max(width, height)
    c, s = abs(np.cos(np.radians(angle))) * zoom, abs(np.sin(np.radians(angle))) * zoom
    half_x = ranges.inside * (width * c + height * s) / 2 / ranges.width_px
    half_y = ranges.inside * (width * s + height * c) / 2 / ranges.height_px
    at = [float(rng.uniform(min(half, 0.5), max(1 - half, 0.5))) for half in (half_x + 0.01, half_y + 0.01)]
    return Place(at[0], at[1], size_px, angle, bool(rng.random() < 0.5))


def draw_light(ranges: SceneRanges, rng: Rng) -> Light:
    """Draw a random lamp."""
    level = float(rng.uniform(*ranges.light))
    red, blue = (float(rng.uniform(-ranges.tint, ranges.tint)) for _ in range(2))
    return Light(
        factors=(level * (1 + red), level, level * (1 + blue)),
        shadow=float(rng.uniform(*ranges.shadow)),
        shadow_angle=float(rng.uniform(0, 2 * np.pi)),
        shadow_reach=float(rng.uniform(0.02, 0.12)),
        shadow_softness=float(rng.uniform(0.04, 0.12)),
    )


def draw_cameras(ranges: SceneRanges, rng: Rng) -> tuple[Camera, Camera]:
    """The camera before and after the item came; its exposure and white balance may have stepped in half of cases."""
    noise = float(rng.uniform(*ranges.noise))
    jpeg = None if ranges.jpeg is None else int(rng.integers(ranges.jpeg[0], ranges.jpeg[1] + 1))
    before = Camera(noise=noise, jpeg=jpeg)
    if rng.random() < 0.5:
        return before, before
    step = 1 + float(rng.uniform(-ranges.exposure_step, ranges.exposure_step))
    red, blue = (1 + float(rng.uniform(-ranges.balance_step, ranges.balance_step)) for _ in range(2))
    return before, Camera((step * red, step, step * blue), noise, jpeg)


def lay(sprite: Sprite, surface: Pixels, place: Place, light: Light) -> tuple[Pixels, Floats]:
    """The item on the surface with its shadow.

    Args:
        sprite: trimmed, uint8 (h, w, 4).
        surface: the view without it, uint8 (H, W, 3).
        place: may lie outside of the view.
        light: of the surface's lamp.

    Returns:
        The scene, uint8 (H, W, 3), and how much of each pixel the item covers, (H, W), 0 to 1.
    """
    height, width = surface.shape[:2]
    layer = _turned(sprite, place, width, height)
    cover = layer[..., 3]
    if not cover.any():
        return surface.copy(), cover
    shade = _shade(cover, place.size_px, light)
    below = surface * (shade * (1 - cover))[..., None]
    item = layer[..., :3] * (np.array(light.factors, np.float32) * 255)
    return np.asarray(np.clip(below + item + 0.5, 0, 255), np.uint8), cover


def photograph(scene: Pixels, camera: Camera, rng: Rng) -> Pixels:
    """A scene, uint8 (H, W, 3), as a camera sees it: exposure, noise that neighbours share a little, JPEG."""
    seen = (scene * np.array(camera.factors, np.float32)).astype(np.float32)
    if camera.noise > 0:
        grain = rng.standard_normal(scene.shape, dtype=np.float32)
        seen += camera.noise * grain
    pixels = np.asarray(np.clip(seen + 0.5, 0, 255), np.uint8)
    if camera.jpeg is None:
        return pixels
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def silhouette(cover: Floats) -> Mask:
    """Compute an item's mask, bool (H, W), from each pixel's coverage: outlines are filled, as of a clear bottle."""
    outlines, _ = cv2.findContours((cover > _THERE).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(cover.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return np.asarray(filled > 0)


def box_of(mask: Mask) -> Region:
    """The box around a mask, bool (H, W), in shares of its size; the whole where it is empty."""
    left, top, across, down = cv2.boundingRect(mask.astype(np.uint8))
    if not across:
        return Region()
    height, width = mask.shape
    return Region(left=left / width, top=top / height, right=(left + across) / width, bottom=(top + down) / height)


def _turned(sprite: Sprite, place: Place, width: int, height: int) -> Floats:
    """The sprite in its place on a transparent view: (H, W, 4), colours times alpha, 0 to 1."""
    layer = sprite.astype(np.float32) * np.float32(1 / 255)
    layer[..., :3] *= layer[..., 3:]
    if place.mirrored:
        layer = np.ascontiguousarray(layer[:, ::-1])
    zoom = place.size_px / max(sprite.shape[:2])
    if zoom < 0.7:  # bilinear sampling alone would skip pixels
        size = (max(1, round(sprite.shape[1] * zoom)), max(1, round(sprite.shape[0] * zoom)))
        layer = np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.float32)
        zoom = place.size_px / max(size)
    layer = np.asarray(cv2.copyMakeBorder(layer, 1, 1, 1, 1, cv2.BORDER_CONSTANT), np.float32)  # else its edge is hard
    c, s = np.cos(np.radians(place.angle_deg)) * zoom, np.sin(np.radians(place.angle_deg)) * zoom
    middle_x, middle_y = (layer.shape[1] - 1) / 2, (layer.shape[0] - 1) / 2
    x, y = place.x * width - 0.5, place.y * height - 0.5
    matrix = np.array([[c, -s, x - c * middle_x + s * middle_y], [s, c, y - s * middle_x - c * middle_y]])
    return np.asarray(cv2.warpAffine(layer, matrix, (width, height), flags=cv2.INTER_LINEAR), np.float32)


def _shade(cover: Floats, size_px: float, light: Light) -> Floats:
    """Compute the light, (H, W), that the item leaves on the ground: a wide soft shadow and a contact shadow."""
    height, width = cover.shape
    quarter = (max(2, width // 4), max(2, height // 4))
    small = np.asarray(cv2.resize(cover, quarter, interpolation=cv2.INTER_AREA), np.float32)
    left = np.ones_like(small)
    for reach, softness, strength in (
        (light.shadow_reach, light.shadow_softness, light.shadow),
        (0.3 * light.shadow_reach, 0.25 * light.shadow_softness, 0.6 * light.shadow),
    ):
        step = reach * size_px / 4
        shift = np.array([[1, 0, np.cos(light.shadow_angle) * step], [0, 1, np.sin(light.shadow_angle) * step]])
        moved = cv2.warpAffine(small, shift, quarter)
        left *= 1 - np.float32(strength) * cv2.GaussianBlur(moved, (0, 0), max(0.5, softness * size_px / 4))
    return np.asarray(cv2.resize(left, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
