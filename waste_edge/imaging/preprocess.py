"""From a picture of any size to the pixels the network takes. The only definition in the project.

Training's evaluation, calibration, parity checks, `classify` and the loop at the bin all call `prepare`;
normalization to [-1, 1) is inside the exported graph, so nothing else touches a pixel.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from waste_edge.errors import ConfigError
from waste_edge.files.strict import Strict
from waste_edge.imaging.frames import Pixels, require_pixels

Surround = Literal["keep", "plain"]


class View(Strict, frozen=True):
    """Part of a camera's view that the network was trained on; `item.crop_item` makes it.

    Attributes:
        kind: the whole `picture`, or a square crop around the `item`.
        margin: added on each side of the item, as a share of its longer side.
        surround: `keep` what lies around the item in the crop, or paint it `plain`.
    """

    kind: Literal["picture", "item"] = "picture"
    margin: float = 0.15
    surround: Surround = "keep"

    def __post_init__(self) -> None:
        if not 0.0 <= self.margin <= 1.0:
            raise ValueError(f"view.margin must be 0 to 1, got {self.margin}")


class InputSpec(Strict, frozen=True):
    """Input of the network; part of the manifest, so that a device cannot do otherwise.

    `crop` keeps the middle of the picture, scaled to cover the input; `letterbox` keeps all of it and fills
    the rest. `blur_sigma_px` smooths the resized picture (0: not at all). `view` says which part of a camera's
    view is cut out before that; manifests without it were made for whole pictures.
    """

    width_px: int
    height_px: int
    resize: Literal["crop", "letterbox"] = "crop"
    fill: tuple[int, int, int] = (128, 128, 128)
    blur_sigma_px: float = 0.0
    colour: Literal["RGB"] = "RGB"
    view: View = View()

    def __post_init__(self) -> None:
        if not (8 <= self.width_px <= 2048 and 8 <= self.height_px <= 2048):
            raise ValueError(f"input size must be 8 to 2048 px, got {self.width_px}x{self.height_px}")
        if not all(0 <= level <= 255 for level in self.fill):
            raise ValueError(f"fill must be three levels from 0 to 255, got {self.fill}")
        if not 0.0 <= self.blur_sigma_px <= 16.0:
            raise ValueError(f"blur_sigma_px must be 0 to 16, got {self.blur_sigma_px}")


class Region(Strict, frozen=True):
    """The part of the frame to look at, in fractions of its width and height from the top left corner."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.left < self.right <= 1.0 and 0.0 <= self.top < self.bottom <= 1.0):
            raise ConfigError(
                "region must satisfy 0 <= left < right <= 1 and 0 <= top < bottom <= 1, got "
                f"left={self.left} top={self.top} right={self.right} bottom={self.bottom}"
            )


WHOLE = Region()


def cut(pixels: Pixels, region: Region) -> Pixels:
    """The region's part of a picture: a view, at least one pixel in each direction."""
    if region == WHOLE:
        return pixels
    height, width = pixels.shape[:2]
    top, left = int(region.top * height), int(region.left * width)
    bottom = max(top + 1, round(region.bottom * height))
    right = max(left + 1, round(region.right * width))
    return pixels[top:bottom, left:right]


def prepare(pixels: Pixels, spec: InputSpec, region: Region = WHOLE) -> Pixels:
    """Region, resize, blur: the uint8 pixels (spec.height_px, spec.width_px, 3) that the network takes.

    Args:
        pixels: uint8 (H, W, 3) RGB of any size down to 1x1.
        spec: from the bundle's manifest or the run.
        region: part of the frame to look at; from the site, never from the model.
    """
    require_pixels(pixels)
    seen = cut(pixels, region)
    fitted = _crop(seen, spec) if spec.resize == "crop" else _letterbox(seen, spec)
    if spec.blur_sigma_px > 0:
        fitted = blur(fitted, spec.blur_sigma_px)
    return np.ascontiguousarray(fitted)


def blur(pixels: Pixels, sigma_px: float) -> Pixels:
    """Smooth a picture by a Gaussian."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma_px), dtype=np.uint8)


def _crop(pixels: Pixels, spec: InputSpec) -> Pixels:
    """Cut the largest centred window of the input's shape, then resize it."""
    height, width = pixels.shape[:2]
    scale = min(width / spec.width_px, height / spec.height_px)
    window_width = max(1, round(spec.width_px * scale))
    window_height = max(1, round(spec.height_px * scale))
    left, top = (width - window_width) // 2, (height - window_height) // 2
    window = pixels[top : top + window_height, left : left + window_width]
    return _resize(window, spec.width_px, spec.height_px)


def _letterbox(pixels: Pixels, spec: InputSpec) -> Pixels:
    """Resize so that all of the picture fits, centred on the fill colour."""
    height, width = pixels.shape[:2]
    scale = min(spec.width_px / width, spec.height_px / height)
    inner_width = min(spec.width_px, max(1, round(width * scale)))
    inner_height = min(spec.height_px, max(1, round(height * scale)))
    canvas = np.empty((spec.height_px, spec.width_px, 3), np.uint8)
    canvas[:] = spec.fill
    left, top = (spec.width_px - inner_width) // 2, (spec.height_px - inner_height) // 2
    canvas[top : top + inner_height, left : left + inner_width] = _resize(pixels, inner_width, inner_height)
    return canvas


def _resize(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    """Area average when shrinking, since bilinear sampling would skip pixels; bilinear when growing."""
    height, width = pixels.shape[:2]
    if (width, height) == (width_px, height_px):
        return pixels
    shrinks = width_px <= width and height_px <= height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width_px, height_px), interpolation=method), dtype=np.uint8)
