"""A camera frame: pixels that are always RGB, and when they were seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (H, W, 3), RGB


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture from a camera.

    Attributes:
        pixels: uint8 (H, W, 3), RGB.
        captured_ns: monotonic clock at capture, in nanoseconds.
        name: where it came from, for messages: a file's path, or empty.
    """

    pixels: Pixels
    captured_ns: int
    name: str = ""

    def __post_init__(self) -> None:
        require_pixels(self.pixels)

    @property
    def width_px(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        return int(self.pixels.shape[0])


def require_pixels(pixels: Pixels) -> None:
    """Raise ValueError unless `pixels` is a non-empty uint8 (H, W, 3) array."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"expected non-empty uint8 pixels (H, W, 3), got {pixels.dtype} {pixels.shape}")


def rgb_from_bgr(pixels: Pixels) -> Pixels:
    """OpenCV's and picamera2's "RGB888" byte order (B, G, R) to RGB; (H, W, 3) to (H, W, 3)."""
    require_pixels(pixels)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def rgb_from_yuv420(planes: NDArray[np.uint8], width_px: int, height_px: int) -> Pixels:
    """Planar YUV420 (I420) to RGB, dropping the row padding that camera stacks add.

    Args:
        planes: uint8 (height * 3 / 2, stride), stride >= width; luma rows, then U, then V, whose rows
            lie two to a stride.
        width_px: picture width, even.
        height_px: picture height, even.

    Returns:
        uint8 (height_px, width_px, 3), RGB.
    """
    rows = _require_planes(planes, width_px, height_px)
    stride = planes.shape[1]
    if stride == width_px:  # no padding to drop: no copy either
        return np.asarray(cv2.cvtColor(planes[:rows], cv2.COLOR_YUV2RGB_I420), dtype=np.uint8)
    packed = np.empty((rows, width_px), np.uint8)
    packed[:height_px] = planes[:height_px, :width_px]
    chroma = planes[height_px:rows].reshape(-1, stride // 2)
    packed[height_px:].reshape(-1, width_px // 2)[:] = chroma[:, : width_px // 2]
    return np.asarray(cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_I420), dtype=np.uint8)


def rgb_from_nv12(planes: NDArray[np.uint8], width_px: int, height_px: int) -> Pixels:
    """NV12 to RGB, dropping the row padding that camera stacks add.

    Args:
        planes: uint8 (height * 3 / 2, stride), stride >= width; luma rows, then rows of U and V in turns.
        width_px: picture width, even.
        height_px: picture height, even.

    Returns:
        uint8 (height_px, width_px, 3), RGB.
    """
    rows = _require_planes(planes, width_px, height_px)
    return np.asarray(cv2.cvtColor(planes[:rows, :width_px], cv2.COLOR_YUV2RGB_NV12), dtype=np.uint8)


def _require_planes(planes: NDArray[np.uint8], width_px: int, height_px: int) -> int:
    """Compute the rows of luma and colour together; raises ValueError if they are not there."""
    if width_px % 2 or height_px % 2 or width_px < 2 or height_px < 2:
        raise ValueError(f"YUV needs an even width and height, got {width_px}x{height_px}")
    rows = height_px * 3 // 2
    if planes.dtype != np.uint8 or planes.ndim != 2 or planes.shape[0] < rows or planes.shape[1] < width_px:
        raise ValueError(f"expected uint8 planes of at least ({rows}, {width_px}), got {planes.shape}")
    return rows
