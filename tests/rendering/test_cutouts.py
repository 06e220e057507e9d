"""Items cut out of photographs on a plain board, and put on another ground."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from waste_edge.imaging.frames import Pixels
from waste_edge.rendering.cutouts import Cutout, change_ground, cut_out, put_down
from waste_edge.rendering.items.sprites import render_item
from waste_edge.rendering.scene import Background, compose, paint_background

OPAQUE = ("cardboard", "metal", "paper", "trash")  # glass and clear plastic show the board through them


class Shot(NamedTuple):
    """A picture of an item on a board, (H, W, 3), and where the item truly is, (H, W)."""

    pixels: Pixels
    item: NDArray[np.bool_]


def shot(label: str, seed: int, width_px: int = 192, height_px: int = 256) -> Shot:
    rng = np.random.default_rng(seed)
    board = paint_background(Background.POSTER, rng, width_px, height_px)
    sprite = render_item(label, rng, 200)
    white = sprite.copy()
    white[..., :3] = 255

    def placed(ground: Pixels, what: Pixels) -> Pixels:
        return compose(ground, what, (0.5, 0.5), 0.8, 30.0, np.random.default_rng(seed))

    return Shot(placed(board, sprite), placed(np.zeros_like(board), white)[..., 0] > 127)


def where(cutout: Cutout, pixels: Pixels) -> NDArray[np.bool_]:
    """The cutout's item at the picture's own size."""
    return np.asarray(cv2.resize(cutout.cover, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 127)


def overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((first & second).sum() / (first | second).sum())


@pytest.mark.parametrize("label", OPAQUE)
def test_an_item_on_a_plain_board_is_found(label: str) -> None:
    found = []
    for seed in range(4):
        one = shot(label, seed)
        cutout = cut_out(one.pixels)
        assert cutout is not None
        assert set(np.unique(cutout.cover)) == {0, 255}
        assert cutout.cover.shape == (128, 96)
        assert cutout.board is not None
        assert np.abs(cutout.board - np.median(one.pixels[~one.item], axis=0)).max() < 40
        found.append(overlap(where(cutout, one.pixels), one.item))
    assert np.median(found) > 0.85
    assert min(found) > 0.8


def test_it_is_found_at_any_size_and_always_alike() -> None:
    one = shot("paper", 1, 384, 512)
    first, again = cut_out(one.pixels), cut_out(one.pixels.copy())
    assert first is not None
    assert again is not None
    assert np.array_equal(first.cover, again.cover)
    assert overlap(where(first, one.pixels), one.item) > 0.85
    small = cut_out(np.asarray(cv2.resize(one.pixels, (96, 128), interpolation=cv2.INTER_AREA), np.uint8))
    assert small is not None
    assert overlap(small.cover > 127, first.cover > 127) > 0.95


@pytest.mark.parametrize("colour", [(175, 125, 75), (60, 62, 66), (40, 110, 60)], ids=["cardboard", "dark", "green"])
def test_a_picture_without_a_board_is_all_item(colour: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).normal(0, 12, (150, 200, 3))
    near = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    cutout = cut_out(near)
    assert cutout is not None
    assert cutout.board is None
    assert cutout.cover.shape == (96, 128)
    assert cutout.cover.min() == 255


def test_an_empty_board_and_a_speck_are_not_taken_for_items() -> None:
    board = paint_background(Background.POSTER, np.random.default_rng(2), 128, 128)
    assert cut_out(board) is None
    board[60:66, 60:66] = 20
    assert cut_out(board) is None


def test_changing_the_ground_changes_it_and_keeps_the_item() -> None:
    green = np.zeros((256, 192, 3), np.uint8)
    green[..., 1] = 200
    for label, seed in (("cardboard", 0), ("metal", 2), ("trash", 0)):
        one = shot(label, seed)
        cutout = cut_out(one.pixels)
        assert cutout is not None
        made = change_ground(one.pixels, cutout, green)
        assert (made.shape, made.dtype) == (one.pixels.shape, np.uint8)
        inside, outside = depth(where(cutout, one.pixels))
        assert np.abs(made[inside].astype(int) - one.pixels[inside]).max() <= 1
        assert made[outside][:, [0, 2]].max() == 0
        assert made[outside][:, 1].min() >= 0.3 * 200 - 1, "a shadow darkens it, and no more"
        assert np.array_equal(made, change_ground(one.pixels, cutout, green))


def test_the_ground_gets_the_items_shadow_and_is_not_lit_otherwise() -> None:
    one = shot("cardboard", 0)
    cutout = cut_out(one.pixels)
    assert cutout is not None
    grey = np.full_like(one.pixels, 200)
    made = change_ground(one.pixels, cutout, grey)[~where(cutout, one.pixels)].mean(axis=1)
    assert np.median(made) == pytest.approx(200, rel=0.1)
    assert made.min() < 0.8 * 200


def depth(item: NDArray[np.bool_], margin_px: int = 7) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Well within the item, and well outside."""
    ones = np.ones((2 * margin_px + 1, 2 * margin_px + 1), np.uint8)
    plane = item.astype(np.uint8)
    return cv2.erode(plane, ones) > 0, cv2.dilate(plane, ones) == 0


def marked(width_px: int, height_px: int) -> tuple[Pixels, Cutout]:
    """A pink disc of a quarter of the width on a light board, and its true cutout."""
    rows, columns = np.mgrid[0:height_px, 0:width_px]
    scale = 96 / min(width_px, height_px)
    small_rows, small_columns = np.mgrid[0 : round(height_px * scale), 0 : round(width_px * scale)]
    disc = np.hypot(rows + 0.5 - height_px / 2, columns + 0.5 - width_px / 2) < width_px / 4
    cover = np.hypot(small_rows + 0.5 - height_px * scale / 2, small_columns + 0.5 - width_px * scale / 2)
    pixels = np.full((height_px, width_px, 3), 220, np.uint8)
    pixels[disc] = (255, 0, 255)
    board = np.full(3, 220, np.float32)
    return pixels, Cutout(np.where(cover < width_px * scale / 4, 255, 0).astype(np.uint8), board)


def pink(picture: Pixels) -> NDArray[np.bool_]:
    return np.asarray((picture[..., 0] > 180) & (picture[..., 1] < 90) & (picture[..., 2] > 180))


def test_put_down_items_lie_within_the_ground_at_many_sizes_turns_and_places() -> None:
    pixels, cutout = marked(192, 256)
    ground = np.zeros((160, 160, 3), np.uint8)
    ground[..., 1] = 180
    sizes, places = [], []
    for seed in range(25):
        made = put_down(pixels, cutout, ground, np.random.default_rng(seed))
        assert (made.shape, made.dtype) == (ground.shape, np.uint8)
        assert np.array_equal(made, put_down(pixels, cutout, ground, np.random.default_rng(seed)))
        rows, columns = np.nonzero(pink(made))
        sizes.append(np.sqrt(len(rows) * 4 / np.pi) / 160)
        places.append((columns.mean() / 160, rows.mean() / 160))
        assert not pink(made).all()
        light = made[..., 0] > 60
        assert (light & ~pink(made)).mean() < 0.06, "the board came along"
    assert min(sizes) < 0.5 < 0.85 < max(sizes)
    assert np.ptp(np.array(places), axis=0).min() > 0.1
    assert np.all((np.array(places) > 0.12) & (np.array(places) < 0.88))


def test_put_down_keeps_what_is_on_the_item_turned_and_mirrored() -> None:
    pixels, cutout = marked(200, 200)
    pixels[70:130, 60:90] = (0, 0, 255)  # blue to the left
    pixels[60:75, 85:115] = (255, 255, 0)  # yellow above
    ground = np.zeros((160, 160, 3), np.uint8)
    angles, hands = [], []
    for seed in range(20):
        made = put_down(pixels, cutout, ground, np.random.default_rng(seed)).astype(int)
        blue = np.argwhere((made[..., 2] > 150) & (made[..., 0] < 80)).mean(axis=0)
        yellow = np.argwhere((made[..., 0] > 150) & (made[..., 2] < 80)).mean(axis=0)
        middle = np.argwhere(pink(made.astype(np.uint8))).mean(axis=0)
        angles.append(np.degrees(np.arctan2(*(yellow - middle))))
        hands.append(float(np.linalg.det(np.stack([blue - middle, yellow - middle]))) > 0)
    assert set(hands) == {True, False}
    assert np.std(angles) > 30


@pytest.mark.parametrize("side_px", [96, 200, 900])
def test_cover_and_picture_lie_over_one_another(side_px: int) -> None:
    """On a photograph of any size: half a pixel of the small cover is many of the large picture."""
    pixels, cutout = marked(side_px, side_px)
    made = change_ground(pixels, cutout, np.zeros_like(pixels)).astype(float)
    light = made.sum(axis=2)
    rows, columns = np.mgrid[0:side_px, 0:side_px] + 0.5
    assert (light * rows).sum() / light.sum() == pytest.approx(side_px / 2, abs=0.002 * side_px)
    assert (light * columns).sum() / light.sum() == pytest.approx(side_px / 2, abs=0.002 * side_px)
    fringe = (made.min(axis=2) > 40).mean()
    assert fringe < 0.02, "the board came along"


def test_a_large_photograph_is_averaged_not_skipped() -> None:
    pixels, cutout = marked(1600, 1600)
    stripes = np.indices((1600, 1600))[1] // 2 % 2 == 0  # 2 pixels wide: a tenth of the size, they are one grey
    item = pink(pixels)
    pixels[item & stripes] = 0
    ground = np.zeros((160, 160, 3), np.uint8)
    for seed in range(6):
        made = put_down(pixels, cutout, ground, np.random.default_rng(seed))
        inside, _ = depth(made[..., 0] > 40, 4)
        assert made[inside][:, 0].std() < 20, "sampled here and there, it would be black or pink"
        assert made[inside][:, 0].mean() == pytest.approx(128, abs=8)


def test_a_picture_that_is_all_item_gets_a_ground_round_it() -> None:
    pixels = np.full((120, 90, 3), (200, 30, 30), np.uint8)
    whole = Cutout(np.full((128, 96), 255, np.uint8), None)
    ground = np.full((100, 100, 3), (10, 10, 200), np.uint8)
    shares = []
    for seed in range(12):
        made = put_down(pixels, whole, ground, np.random.default_rng(seed))
        red = (made[..., 0] > 150).mean()
        shares.append(red)
        untouched = (made == ground[0, 0]).all(axis=2).mean()
        assert red + untouched > 0.85, "no shadow where there was no board"
    assert min(shares) > 0.1
    assert max(shares) < 0.99
