"""The crop: square, from the full resolution, never past the frame, and the same for every user."""

from __future__ import annotations

import numpy as np
import pytest

from tests.item.scenes import ground, placed, plate
from waste_edge.imaging.preprocess import Region, View
from waste_edge.item import Ground, ItemRegion, crop_item, find_item
from waste_edge.item.crop import PLAIN, square_around
from waste_edge.rendering.backgrounds import Background

TRAY = ground(Background.TRAY)


def region(left: float, top: float, right: float, bottom: float, shape: tuple[int, int] = (240, 320)) -> ItemRegion:
    mask = np.zeros(shape, np.bool_)
    mask[round(top * shape[0]) : round(bottom * shape[0]), round(left * shape[1]) : round(right * shape[1])] = True
    box = Region(left=left, top=top, right=right, bottom=bottom)
    return ItemRegion(box, mask, float(mask.mean()), False, (box,))


def test_the_margin_is_a_share_of_the_longer_side() -> None:
    left, top, width, height = square_around(TRAY, region(0.25, 0.4, 0.5, 0.6), 0.15)
    assert (width, height) == (208, 208)  # 160 px and 24 on each side
    assert (left + width / 2, top + height / 2) == (240, 240)


def test_near_the_edge_the_square_is_shifted_inside() -> None:
    left, top, width, height = square_around(TRAY, region(0.0, 0.7, 0.25, 1.0), 0.3)
    assert (left, top + height, width) == (0, 480, 256)


def test_a_long_item_loses_its_margin_before_the_crop_leaves_the_frame() -> None:
    assert square_around(TRAY, region(0.2, 0.4, 0.85, 0.6), 0.3)[2:] == (480, 480)


@pytest.mark.parametrize("surround", ["keep", "plain"])
def test_an_item_longer_than_the_frame_is_high_is_filled_up(surround: str) -> None:
    view = View(kind="item", margin=0.1, surround=surround)  # type: ignore[arg-type]
    crop = crop_item(TRAY, region(0.0, 0.45, 1.0, 0.55), view)
    assert crop.shape == (640, 640, 3)
    assert (crop[80:-80] == TRAY).all() or surround == "plain"
    assert len(np.unique(crop[:60].reshape(-1, 3), axis=0)) == 1
    if surround == "plain":
        assert tuple(crop[0, 0]) == PLAIN


def test_kept_surroundings_are_the_frames_own_pixels() -> None:
    crop = crop_item(TRAY, region(0.25, 0.4, 0.5, 0.6), View(kind="item", margin=0.15))
    assert (crop == TRAY[136:344, 136:344]).all()


def test_a_plain_surround_hides_the_ground_and_nothing_of_the_item() -> None:
    one = placed(ground(Background.WOOD), plate((60, 90, 160)), 0.5, 0.5, 200)
    found = find_item(one.frames[0], Ground(one.empty))
    assert found is not None
    crop = crop_item(one.frames[0], found, View(kind="item", margin=0.3, surround="plain"))
    plain = (crop == PLAIN).all(axis=2)
    item = (np.abs(crop.astype(int) - (60, 90, 160)) < 12).all(axis=2)
    assert (plain | item).mean() > 0.97
    assert item.sum() > 0.95 * one.mask.sum()


def test_a_bundle_of_the_whole_picture_gets_it() -> None:
    assert crop_item(TRAY, region(0.25, 0.4, 0.5, 0.6), View()) is TRAY


@pytest.mark.parametrize("box", [(0.0, 0.0, 1.0, 1.0), (0.999, 0.999, 1.0, 1.0), (0.0, 0.5, 0.004, 0.51)])
@pytest.mark.parametrize("shape", [(61, 97, 3), (480, 640, 3), (3, 5, 3)])
def test_every_crop_is_square_and_not_empty(
    box: tuple[float, float, float, float], shape: tuple[int, int, int]
) -> None:
    frame = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for surround in ("keep", "plain"):
        view = View(kind="item", surround=surround)  # type: ignore[arg-type]
        crop = crop_item(frame, region(*box), view)
        assert crop.shape[0] == crop.shape[1] > 0


@pytest.mark.parametrize("margin", [-0.1, 1.5])
def test_an_impossible_margin_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        View(kind="item", margin=margin)
