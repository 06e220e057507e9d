"""What a JPEG of several scans costs: found from its markers, before a pixel is decoded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waste_edge.errors import PictureError
from waste_edge.files.limits import MAX_JPEG_SCANS
from waste_edge.imaging import image_files
from waste_edge.imaging.image_files import read_picture
from waste_edge.imaging.jpeg import JpegCost, jpeg_cost

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8))
SOF0 = b"\xff\xc0\x00\x11\x08\x00\x28\x00\x40\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"  # 64x40, 4:2:0
SCAN_OF_ONE = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00data\xff\x00\xff\xd0data"


def encoded(**options: object) -> bytes:
    stream = io.BytesIO()
    NOISE.save(stream, "JPEG", **options)
    return stream.getvalue()


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    content = encoded(progressive=True)
    start = content.rindex(b"\xff\xda")
    scan = content[start:-2]
    return content[:start] + scan * (count - content.count(b"\xff\xda") + 1) + content[-2:]


def cost_of(place: Path, content: bytes) -> JpegCost:
    place.write_bytes(content)
    with place.open("rb") as stream:
        return jpeg_cost(stream)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(), JpegCost(1, 0)),
        (encoded(progressive=True, subsampling=0), JpegCost(10, 2 * 3 * 64 * 40)),
        (encoded(progressive=True, subsampling=2), JpegCost(10, 2 * 64 * 40 * 3 // 2)),
        (with_scans(25), JpegCost(25, 2 * 64 * 40 * 3 // 2)),
        (b"\xff\xd8" + SOF0 + SCAN_OF_ONE * 3 + b"\xff\xd9", JpegCost(3, 2 * 64 * 40 * 3 // 2)),
        (b"\xff\xd8\xff", JpegCost(0, 0)),
        (b"\xff\xd8\xff\xc2\x00\x03\x08\xff\xda", JpegCost(1, 0)),
    ],
    ids=["baseline", "whole colour", "half colour", "many scans", "a scan a component", "cut", "no frame"],
)
def test_scans_and_coefficients_are_counted(tmp_path: Path, content: bytes, expected: JpegCost) -> None:
    assert cost_of(tmp_path / "a.jpg", content) == expected


def test_a_jpeg_of_ordinary_scans_is_read_and_one_of_too_many_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(progressive=True))
    assert read_picture(path).shape == (40, 64, 3)
    path.write_bytes(with_scans(MAX_JPEG_SCANS + 1))
    with pytest.raises(PictureError, match="41 scans"):
        read_picture(path)


def test_coefficients_count_as_memory_even_where_the_picture_is_decoded_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "MAX_KEPT_MEGAPIXELS", 0.001)  # an eighth: 160 bytes
    monkeypatch.setattr(image_files, "MAX_DECODED_BYTES", 10_000)
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(subsampling=0))
    assert read_picture(path).shape[2] == 3
    path.write_bytes(encoded(subsampling=0, progressive=True))
    with pytest.raises(PictureError, match="baseline JPEG"):
        read_picture(path)
