"""Corruptions of pictures by cameras, light and handling: one definition for training and measuring.

After Hendrycks and Dietterich 2019 (arXiv:1903.12261), in what happens at a bin and at three strengths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.imaging.frames import Pixels

Rng = np.random.Generator
STRENGTHS = (1, 2, 3)


def blurred(pixels: Pixels, strength: float, rng: Rng) -> Pixels:
    """Out of focus, or moved while the shutter was open."""
    short = min(pixels.shape[:2])
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.004 * strength * short), np.uint8)
    kernel = _smear(0.015 * strength * short, float(rng.uniform(0, np.pi)))
    return np.asarray(cv2.filter2D(pixels, -1, kernel), np.uint8)


def noisy(pixels: Pixels, strength: float, rng: Rng) -> Pixels:
    """A sensor with little light: shot noise that grows with brightness, and read-out noise."""
    level = pixels.astype(np.float32)
    deviation = 4.0 * strength + 0.6 * strength * np.sqrt(level)
    return _bytes(level + deviation * rng.standard_normal(pixels.shape, dtype=np.float32))


def dark(pixels: Pixels, strength: float, rng: Rng) -> Pixels:
    """Darken: a third of the light is left at the greatest strength, with the noise that goes with it."""
    gain = 1 - 0.25 * strength * rng.uniform(0.8, 1.0)
    return noisy(_bytes(pixels * np.float32(gain)), 0.5 * strength, rng)


def overexposed(pixels: Pixels, strength: float, rng: Rng) -> Pixels:
    """Overexpose: bright parts become white."""
    return _bytes(pixels * np.float32(1 + 0.3 * strength * rng.uniform(0.8, 1.0)))


def tinted(pixels: Pixels, strength: float, rng: Rng) -> Pixels:
    """A white balance that missed the lamp's colour."""
    warmth, green = rng.uniform(-0.13, 0.13) * strength, rng.uniform(-0.05, 0.05) * strength
    return _bytes(pixels * np.array([1 + warmth, 1 + green, 1 - warmth], np.float32))


def jpeg(pixels: Pixels, strength: float, rng: Rng) -> Pixels:
    """Compressed hard, as cheap network cameras do."""
    quality = round(float(np.interp(strength, (0, *STRENGTHS), (80, 40, 20, 10))) * rng.uniform(0.8, 1.2))
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def rotated(pixels: Pixels, strength: float, rng: Rng) -> Pixels:
    """Turned by up to 30 degrees a strength either way; the corners mirror what is beside them."""
    height, width = pixels.shape[:2]
    angle = 30.0 * strength * rng.uniform(0.5, 1.0) * rng.choice([-1, 1])
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(angle), 1)
    return np.asarray(cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def occluded(pixels: Pixels, strength: float, rng: Rng) -> Pixels:
    """A bar of one colour across a tenth of the picture, a strength: a hand, a flap, another item's edge."""
    height, width = pixels.shape[:2]
    centre = (float(rng.uniform(0.3, 0.7) * width), float(rng.uniform(0.3, 0.7) * height))
    box = cv2.boxPoints((centre, (2.0 * max(height, width), 0.1 * strength * height), float(rng.uniform(0, 180))))
    changed = pixels.copy()
    cv2.fillPoly(changed, [np.round(np.asarray(box)).astype(np.int32)], [int(c) for c in rng.integers(0, 256, 3)])
    return changed


CORRUPTIONS: dict[str, Callable[[Pixels, float, Rng], Pixels]] = {
    "blur": blurred,
    "noise": noisy,
    "dark": dark,
    "overexposed": overexposed,
    "white balance": tinted,
    "JPEG": jpeg,
    "rotation": rotated,
    "occlusion": occluded,
}
_OF_THE_CAMERA = ("blur", "noise", "dark", "overexposed", "white balance", "JPEG")


def bad_camera(pixels: Pixels, rng: Rng) -> Pixels:
    """One to three faults of a camera or of the light, each at a random strength."""
    for name in rng.choice(_OF_THE_CAMERA, int(rng.integers(1, 4)), replace=False):
        pixels = CORRUPTIONS[name](pixels, float(rng.uniform(0.3, 2.2)), rng)
    return pixels


def _smear(length_px: float, angle: float) -> NDArray[np.float32]:
    """A line of any length through the middle, as a filter that leaves the brightness and shifts nothing."""
    reach = max(1, int(np.ceil(length_px / 2)))
    along = np.linspace(-0.5, 0.5, 16 * reach + 1) * length_px
    x, y = reach + np.cos(angle) * along, reach + np.sin(angle) * along
    kernel = np.zeros((2 * reach + 2, 2 * reach + 2), np.float32)
    for right in (0, 1):
        for down in (0, 1):
            share = (1 - abs(x - np.floor(x) - right)) * (1 - abs(y - np.floor(y) - down))
            np.add.at(kernel, (np.floor(y).astype(int) + down, np.floor(x).astype(int) + right), share)
    return kernel[:-1, :-1] / np.float32(len(along))


def _bytes(values: NDArray[Any]) -> Pixels:
    return np.asarray(np.clip(values + 0.5, 0, 255), np.uint8)
