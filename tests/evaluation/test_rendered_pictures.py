from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waste_edge.dataset import Photo
from waste_edge.evaluation.rendered_pictures import HEIGHT_PX, WIDTH_PX, on_shifted_backgrounds, outlier_pictures
from waste_edge.rendering.canvas import Bytes, Rng


def blue_floor(rng: Rng, width_px: int, height_px: int) -> Bytes:
    floor = np.zeros((height_px, width_px, 3), np.uint8)
    floor[..., 2] = rng.integers(200, 220)
    return floor


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    """A red disc on a light board, and a picture without a board."""
    rows, columns = np.mgrid[0:120, 0:160]
    board = np.full((120, 160, 3), (215, 210, 205), np.uint8)
    board[np.hypot(rows - 60, columns - 80) < 35] = (170, 20, 20)
    noise = np.random.default_rng(0).integers(0, 90, (120, 160, 3), dtype=np.uint8)
    found = []
    for name, pixels in (("disc", board), ("noise", noise)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        found.append(Photo(tmp_path / f"{name}.png", f"red/{name}.png", "red", "group:7", "a disc", "val"))
    return found


def test_strangers_are_drawn_alike_each_time_and_are_of_no_label() -> None:
    first, again = outlier_pictures(blue_floor, 3), outlier_pictures(blue_floor, 3)
    assert [photo.key for photo in first] == ["unknown:0", "unknown:1", "unknown:2"]
    assert {photo.label for photo in first} == {"unknown"}
    pictures = [photo.pixels() for photo in first]
    assert all(np.array_equal(one.pixels(), picture) for one, picture in zip(again, pictures, strict=True))
    assert {picture.shape for picture in pictures} == {(HEIGHT_PX, WIDTH_PX, 3)}
    assert not np.array_equal(pictures[0], pictures[1])
    assert pictures[0].std(axis=(0, 1)).min() > 0, "a camera has seen them"


def test_an_item_elsewhere_is_on_another_floor_and_still_its_photographs(photos: list[Photo]) -> None:
    calls: list[tuple[int, int]] = []
    (moved,) = on_shifted_backgrounds(photos, blue_floor, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]
    named = [(one.key, one.label, one.group, one.text, one.part) for one in (moved, photos[0])]
    assert named[0] == named[1]
    pixels = moved.pixels()
    assert pixels.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert np.array_equal(pixels, on_shifted_backgrounds(photos, blue_floor)[0].pixels())
    red = (pixels[..., 0] > 120) & (pixels[..., 2] < 90)
    blue = (pixels[..., 2] > 150) & (pixels[..., 0] < 30)
    assert red.mean() > 0.05
    assert blue.mean() > 0.3
    assert (red | blue).mean() > 0.8, "of the board nothing is left but its shade"
