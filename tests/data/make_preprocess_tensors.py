"""Makes `preprocess_tensors.npz`: what the network must be given for odd frames, computed without OpenCV.

    python -m tests.data.make_preprocess_tensors

Frames come from integer formulas, so that every machine has the same ones and none need be stored. Colour, area and
linear resampling are float64 NumPy written from the definitions in docs/bundle.md and preprocess.py's docstrings;
nothing of `waste_edge` computes here but the names of the specs. The test that compares is
tests/imaging/test_preprocess_parity.py.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waste_edge.imaging.preprocess import InputSpec

TENSORS = Path(__file__).with_name("preprocess_tensors.npz")
SPECS = {
    "crop": InputSpec(width_px=48, height_px=48),
    "letterbox": InputSpec(width_px=56, height_px=40, resize="letterbox", fill=(10, 128, 250)),
    "blurred": InputSpec(width_px=40, height_px=40, blur_sigma_px=1.0),
}

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class OddFrame:
    """What a camera hands over: `raw` in its own layout, `width_px` and `height_px` of the picture in it."""

    layout: str  # "rgb", "bgr" or "yuv420"
    raw: Bytes
    width_px: int
    height_px: int


def frames() -> dict[str, OddFrame]:
    """Every odd frame by name, the same on every machine."""
    sizes = {"portrait": (97, 131), "1:4": (40, 160), "4:1": (200, 50), "1080p": (1920, 1080), "160x120": (160, 120)}
    made = {name: OddFrame("rgb", _picture(*size), *size) for name, size in {**sizes, "1x1": (1, 1)}.items()}
    made["bgr"] = OddFrame("bgr", _picture(75, 61), 75, 61)
    made["yuv420"] = OddFrame("yuv420", _planes(130, 98, padding=30), 130, 98)
    return made


def rgb_of(frame: OddFrame) -> Floats:
    """The frame's colours from 0 to 255, float64 (H, W, 3) RGB, not rounded."""
    if frame.layout == "rgb":
        return frame.raw.astype(np.float64)
    if frame.layout == "bgr":
        return frame.raw[:, :, [2, 1, 0]].astype(np.float64)
    width, height = frame.width_px, frame.height_px
    stride, colours = frame.raw.shape[1], np.empty((height, width, 3))
    chroma = frame.raw.reshape(-1)[height * stride :].reshape(-1, stride // 2)
    # ITU-R BT.601, studio range: luma 16 to 235, colour differences 16 to 240 about 128; one pair for 2x2 pixels.
    y = (frame.raw[:height, :width] - 16.0) * 255 / 219
    blue, red = (
        (chroma[start : start + height // 2, : width // 2] - 128.0).repeat(2, 0).repeat(2, 1) * 255 / 224
        for start in (0, height // 2)
    )
    colours[..., 0] = y + 1.402 * red
    colours[..., 1] = y - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587
    colours[..., 2] = y + 1.772 * blue
    return np.clip(colours, 0, 255)


def tensor_of(frame: OddFrame, spec: InputSpec) -> Bytes:
    """The network's input, uint8 (spec.height_px, spec.width_px, 3): region, resize, blur, rounded once at the end."""
    picture = rgb_of(frame)
    height, width = picture.shape[:2]
    if spec.resize == "crop":
        scale = min(width / spec.width_px, height / spec.height_px)
        keep_w, keep_h = max(1, round(spec.width_px * scale)), max(1, round(spec.height_px * scale))
        left, top = (width - keep_w) // 2, (height - keep_h) // 2
        fitted = _resample(picture[top : top + keep_h, left : left + keep_w], spec.width_px, spec.height_px)
    else:
        scale = min(spec.width_px / width, spec.height_px / height)
        inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
        fitted = np.full((spec.height_px, spec.width_px, 3), spec.fill, np.float64)
        left, top = (spec.width_px - inner_w) // 2, (spec.height_px - inner_h) // 2
        fitted[top : top + inner_h, left : left + inner_w] = _resample(picture, inner_w, inner_h)
    if spec.blur_sigma_px > 0:
        fitted = _along(_along(fitted, 0, _bell(spec.blur_sigma_px)), 1, _bell(spec.blur_sigma_px))
    return np.rint(fitted).astype(np.uint8)


def _resample(picture: Floats, width: int, height: int) -> Floats:
    """Means over areas when neither side grows, else linear between pixel centres."""
    shrinks = width <= picture.shape[1] and height <= picture.shape[0]
    one_axis = _mean_of_areas if shrinks else _between_centres
    return _along(_along(picture, 0, one_axis(height)), 1, one_axis(width))


def _along(values: Floats, axis: int, change: Callable[[Floats], Floats]) -> Floats:
    return np.apply_along_axis(change, axis, values)


def _mean_of_areas(target: int) -> Callable[[Floats], Floats]:
    """Integrate the staircase of pixels, read the integral at the target's edges, divide by the distance."""

    def change(line: Floats) -> Floats:
        integral = np.concatenate([[0.0], np.cumsum(line)])
        edges = np.linspace(0, len(line), target + 1)
        return np.diff(np.interp(edges, np.arange(len(line) + 1), integral)) * target / len(line)

    return change


def _between_centres(target: int) -> Callable[[Floats], Floats]:
    """Linear interpolation where the target's pixel centres lie, flat beyond the outermost centres."""

    def change(line: Floats) -> Floats:
        centres = (np.arange(target) + 0.5) * len(line) / target
        return np.interp(centres, np.arange(len(line)) + 0.5, line)

    return change


def _bell(sigma: float) -> Callable[[Floats], Floats]:
    """A Gaussian over three sigma either way, mirrored at the borders without repeating the outermost pixel."""
    reach = math.ceil(3 * sigma)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))

    def change(line: Floats) -> Floats:
        return np.convolve(np.pad(line, reach, mode="reflect"), weights / weights.sum(), mode="valid")

    return change


def _picture(width: int, height: int) -> Bytes:
    """Soft ramps, hard edges and grain, uint8 (height, width, 3), in integer arithmetic only."""
    y, x, channel = np.indices((height, width, 3), dtype=np.int64)
    ramps = (x * (3 + channel) * 97 // max(1, width) + y * 151 // max(1, height) + 40 * channel) % 256
    edges = 90 * (((x + 2 * y) // 13 + channel) % 2)
    return ((ramps + edges + _grain(x, y, channel) % 24) % 256).astype(np.uint8)


def _planes(width: int, height: int, padding: int) -> Bytes:
    """Planar YUV420 as a camera stack lays it out: padded rows, U and V rows two to a stride."""
    stride = width + padding
    row, column = np.indices((height * 3 // 2, stride), dtype=np.int64)
    planes = (_grain(row, column, 3) % 256).astype(np.uint8)  # garbage, which must not be seen
    y, x = np.indices((height, width), dtype=np.int64)
    planes[:height, :width] = 16 + (x * 2 + y + 60 * ((x // 17 + y // 11) % 2) + _grain(x, y, 5) % 9) % 220
    chroma = planes[height:].reshape(height, stride // 2)  # a view: U's rows, then V's
    v, u = np.indices((height // 2, width // 2), dtype=np.int64)
    chroma[: height // 2, : width // 2] = 64 + (u * 2 + v) % 128
    chroma[height // 2 :, : width // 2] = 64 + (u + 3 * v + 50) % 128
    return planes


def _grain(*coordinates: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """A number from 0 to 65535 that looks random, from multiplications that no machine does otherwise."""
    mixed = sum(value * prime for value, prime in zip(coordinates, (7919, 104_729, 1_299_709), strict=True))
    return np.asarray((mixed * 2_654_435_761 >> 7) % 65_536)


def main() -> None:
    """Write the tensors beside this script."""
    tensors = {f"{name}.{spec}": tensor_of(f, SPECS[spec]) for name, f in frames().items() for spec in SPECS}
    packed = io.BytesIO()
    np.savez_compressed(packed, **tensors)
    TENSORS.write_bytes(packed.getvalue())
    print(f"{TENSORS}: {len(tensors)} tensors, {len(packed.getvalue()):,} bytes")


if __name__ == "__main__":
    main()
