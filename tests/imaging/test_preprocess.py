"""`prepare` against an independent implementation in floating point: areas and triangles, as matrices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from waste_edge.errors import ConfigError
from waste_edge.imaging.frames import Frame, rgb_from_bgr, rgb_from_yuv420
from waste_edge.imaging.preprocess import InputSpec, Region, cut, prepare

Floats = NDArray[np.float64]

SIZES = [  # width, height
    pytest.param(1, 1, id="1x1"),
    pytest.param(2, 3, id="2x3"),
    pytest.param(40, 160, id="1:4"),
    pytest.param(160, 40, id="4:1"),
    pytest.param(97, 131, id="portrait"),
    pytest.param(160, 120, id="160x120"),
    pytest.param(160, 160, id="as the input"),
    pytest.param(320, 320, id="twice the input"),
    pytest.param(333, 257, id="odd"),
    pytest.param(1920, 1080, id="1080p"),
]
CROP = InputSpec(width_px=160, height_px=160)
LETTERBOX = InputSpec(width_px=160, height_px=160, resize="letterbox", fill=(10, 20, 30))
WIDE_CROP = InputSpec(width_px=96, height_px=64)
WIDE_LETTERBOX = InputSpec(width_px=96, height_px=64, resize="letterbox")


def area_matrix(source: int, target: int) -> Floats:
    """(target, source): each target cell averages the source cells it covers."""
    edges = np.arange(target + 1) * source / target
    cells = np.arange(source)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights = np.clip(overlap, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def triangle_matrix(source: int, target: int) -> Floats:
    """(target, source): linear between the centres of source cells, flat beyond the outermost."""
    centres = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    return np.clip(1 - np.abs(centres[:, None] - np.arange(source)), 0, None)


def resized(pixels: Floats, width: int, height: int) -> Floats:
    shrinks = width <= pixels.shape[1] and height <= pixels.shape[0]
    matrix = area_matrix if shrinks else triangle_matrix
    rows, columns = matrix(pixels.shape[0], height), matrix(pixels.shape[1], width)
    return np.einsum("hi,iwc->hwc", rows, np.einsum("wj,ijc->iwc", columns, pixels))


def reference(pixels: NDArray[np.uint8], spec: InputSpec) -> Floats:
    picture, (height, width) = pixels.astype(np.float64), pixels.shape[:2]
    if spec.resize == "crop":
        factor = min(width / spec.width_px, height / spec.height_px)
        keep = max(1, round(spec.width_px * factor)), max(1, round(spec.height_px * factor))
        left, top = (width - keep[0]) // 2, (height - keep[1]) // 2
        return resized(picture[top : top + keep[1], left : left + keep[0]], spec.width_px, spec.height_px)
    factor = min(spec.width_px / width, spec.height_px / height)
    inner = max(1, round(width * factor)), max(1, round(height * factor))
    page = np.ones((spec.height_px, spec.width_px, 1)) * np.array(spec.fill, np.float64)
    left, top = (spec.width_px - inner[0]) // 2, (spec.height_px - inner[1]) // 2
    page[top : top + inner[1], left : left + inner[0]] = resized(picture, *inner)
    return page


def some_picture(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(width * 10_000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("spec", [CROP, LETTERBOX, WIDE_CROP, WIDE_LETTERBOX], ids=["crop", "letterbox", "wc", "wl"])
def test_agrees_with_the_reference(width: int, height: int, spec: InputSpec) -> None:
    pixels = some_picture(width, height)
    got = prepare(pixels, spec)
    assert got.shape == (spec.height_px, spec.width_px, 3)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    assert np.abs(got - reference(pixels, spec)).max() <= 1.0


def test_a_region_is_the_cut_picture() -> None:
    pixels = some_picture(200, 100)
    region = Region(left=0.25, top=0.1, right=0.75, bottom=0.9)
    assert np.array_equal(cut(pixels, region), pixels[10:90, 50:150])
    assert np.array_equal(prepare(pixels, CROP, region), prepare(pixels[10:90, 50:150], CROP))


@pytest.mark.parametrize("region", [Region(left=0.99), Region(right=0.001), Region(left=0.5, right=0.5001)])
def test_a_region_of_a_small_picture_keeps_a_pixel(region: Region) -> None:
    assert cut(some_picture(3, 3), region).shape[1] == 1


@pytest.mark.parametrize(
    "edges",
    [{"left": 0.5, "right": 0.5}, {"left": -0.1}, {"bottom": 1.1}, {"top": 0.9, "bottom": 0.1}, {"top": float("nan")}],
)
def test_an_impossible_region_is_refused(edges: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="region must satisfy"):
        Region(**edges)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"width_px": 0, "height_px": 8}, "input size"),
        ({"width_px": 8, "height_px": 4096}, "input size"),
        ({"width_px": 8, "height_px": 8, "fill": (0, 0, 256)}, "fill"),
        ({"width_px": 8, "height_px": 8, "blur_sigma_px": -1.0}, "blur_sigma_px"),
    ],
)
def test_an_impossible_input_is_refused(keys: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InputSpec(**keys)


def test_blur_is_a_gaussian() -> None:
    pixels = np.zeros((65, 65, 3), np.uint8)
    pixels[32, 32] = 255
    spec = InputSpec(width_px=65, height_px=65, blur_sigma_px=1.5)
    distance = np.arange(65) - 32.0
    bell = np.exp(-(distance**2) / (2 * 1.5**2))
    expected = 255 * np.outer(bell, bell) / np.outer(bell, bell).sum()
    assert np.abs(prepare(pixels, spec)[:, :, 0] - expected).max() <= 1.0


def test_bgr_is_turned_round() -> None:
    pixels = some_picture(5, 4)
    assert np.array_equal(rgb_from_bgr(pixels), np.stack([pixels[..., 2], pixels[..., 1], pixels[..., 0]], axis=-1))


@pytest.mark.parametrize(
    ("width", "height", "padding", "extra_rows"), [(64, 48, 0, 0), (62, 46, 2, 0), (160, 120, 32, 5), (2, 2, 62, 0)]
)
def test_yuv420_with_padding(width: int, height: int, padding: int, extra_rows: int) -> None:
    generator = np.random.default_rng(width)
    luma = generator.integers(16, 236, (height, width)).astype(np.uint8)
    blue, red = generator.integers(16, 241, (2, height // 2, width // 2)).astype(np.uint8)
    stride = width + padding
    planes = generator.integers(
        0, 256, (height * 3 // 2 + extra_rows, stride), dtype=np.uint8
    )  # garbage in the padding
    planes[:height, :width] = luma
    half_rows = planes[height : height * 3 // 2].reshape(height, stride // 2)
    half_rows[: height // 2, : width // 2] = blue
    half_rows[height // 2 :, : width // 2] = red
    y = 1.164 * (luma.astype(float) - 16)
    u, v = (np.repeat(np.repeat(plane.astype(float) - 128, 2, 0), 2, 1) for plane in (blue, red))
    expected = np.stack([y + 1.596 * v, y - 0.813 * v - 0.391 * u, y + 2.018 * u], axis=-1)
    assert np.abs(rgb_from_yuv420(planes, width, height) - np.clip(expected, 0, 255)).max() <= 1.0


@pytest.mark.parametrize(
    ("shape", "width", "height"), [((72, 64), 63, 48), ((71, 64), 64, 48), ((72, 60), 64, 48), ((3, 2), 2, 0)]
)
def test_impossible_yuv420_is_refused(shape: tuple[int, int], width: int, height: int) -> None:
    with pytest.raises(ValueError, match=r"YUV needs|expected uint8 planes"):
        rgb_from_yuv420(np.zeros(shape, np.uint8), width, height)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))],
)
def test_a_frame_holds_rgb_bytes(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="expected non-empty uint8 pixels"):
        Frame(pixels, captured_ns=0)


def test_a_frame_knows_its_size() -> None:
    frame = Frame(some_picture(7, 5), captured_ns=1)
    assert (frame.width_px, frame.height_px) == (7, 5)
