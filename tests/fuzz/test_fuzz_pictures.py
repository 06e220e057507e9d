from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from tests.fuzz.harness import fuzzed, mutated, survive
from waste_edge.imaging.image_files import MAX_KEPT_MEGAPIXELS, read_picture

PIXELS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8))


def encoded(file_format: str, mode: str = "RGB", **options: object) -> bytes:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    if file_format in ("JPEG", "PNG", "WEBP", "TIFF"):
        options["exif"] = exif
    PIXELS.convert(mode).save(stream, file_format, **options)
    return stream.getvalue()


GOODS = [
    encoded("JPEG"),
    encoded("JPEG", "CMYK"),
    encoded("JPEG", progressive=True),
    encoded("PNG"),
    encoded("PNG", "RGBA"),
    encoded("PNG", "P", transparency=3),
    encoded("PNG", "I;16") if hasattr(Image, "core") else encoded("PNG", "L"),
    encoded("WEBP", lossless=True),
    encoded("WEBP"),
    encoded("BMP"),
    encoded("GIF", "P"),
    encoded("PPM"),
    encoded("TIFF"),
    encoded("TIFF", "L"),
    encoded("TIFF", compression="tiff_deflate"),
    encoded("TIFF", compression="tiff_lzw"),
    encoded("TIFF", "1", compression="group4"),
    *([encoded("AVIF")] if features.check("avif") else []),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures") / "a.jpg"


@fuzzed("picture", 0.22, content=mutated(GOODS))
def test_pictures(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    pixels = survive("picture", lambda: read_picture(place))
    if isinstance(pixels, np.ndarray):
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert pixels.shape[0] * pixels.shape[1] <= MAX_KEPT_MEGAPIXELS * 1_000_000 + 40_000
