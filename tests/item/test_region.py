"""The item's region under everything that light, cameras and items do; each case has a known truth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.item.scenes import STEADY, ground, noisy, overlap, placed, plate, scene
from waste_edge.imaging.frames import Pixels, rgb_from_yuv420
from waste_edge.imaging.preprocess import Region, cut
from waste_edge.item import Ground, find_item, in_frame
from waste_edge.item import region as region_module
from waste_edge.item.compose import Camera, SceneRanges, photograph
from waste_edge.rendering.backgrounds import Background
from waste_edge.rendering.items.sprites import ITEM_LABELS

GREY = ground(Background.POSTER)


@pytest.mark.parametrize("style", [Background.TRAY, Background.WOOD, Background.CONCRETE, Background.SPECKLED])
def test_items_of_every_label_are_found_where_they_lie(style: Background) -> None:
    scenes = [scene(label, style, seed) for seed, label in enumerate(ITEM_LABELS)]
    overlaps = [overlap(find_item(one.frames[0], Ground(one.empty)), one.mask) for one in scenes]
    assert np.median(overlaps) > 0.85
    assert min(overlaps) > 0.6


def test_nothing_is_found_where_nothing_lies() -> None:
    for style in (Background.TRAY, Background.WOOD, Background.SPECKLED):
        surface = ground(style)
        empty, later = noisy(surface, 3, 1), noisy(surface, 3, 2)
        assert find_item(later, Ground(empty)) is None


def test_an_exposure_step_and_a_white_balance_step_are_not_the_item() -> None:
    one = scene("metal", Background.WOOD)
    rng = np.random.default_rng(0)
    for factors in ((1.25, 1.25, 1.25), (0.75, 0.75, 0.75), (1.12, 1.0, 0.9)):
        after = photograph(one.frames[0], Camera(factors), rng)
        assert overlap(find_item(after, Ground(one.empty)), one.mask) > 0.8, factors
        without = photograph(one.empty, Camera(factors), rng)
        assert find_item(without, Ground(one.empty)) is None, factors


def test_slow_light_is_followed_and_the_item_is_still_found() -> None:
    one = scene("paper", Background.TRAY)
    kept = Ground(one.empty)
    for minute in range(60):
        kept.follow(photograph(one.empty, Camera((1 - 0.005 * minute,) * 3), np.random.default_rng(minute)), 0.3)
    dusk = photograph(one.frames[0], Camera((0.7, 0.7, 0.7)), np.random.default_rng(0))
    assert abs(float(kept.look.mean()) / float(Ground(one.empty).look.mean()) - 0.7) < 0.03
    assert overlap(find_item(dusk, kept), one.mask) > 0.75


def test_noise_and_jpeg_blocks_are_not_the_item() -> None:
    ranges = SceneRanges(exposure_step=0, balance_step=0, noise=(6, 6), jpeg=(35, 40))
    overlaps = []
    for seed in range(5):
        one = scene("plastic", Background.WOOD, seed, ranges)
        overlaps.append(overlap(find_item(one.frames[0], Ground(one.empty)), one.mask))
    assert np.median(overlaps) > 0.8


def test_a_soft_shadow_is_not_the_item() -> None:
    item = plate((180, 60, 40))
    for shadow in (0.2, 0.4):
        one = placed(GREY, item, 0.5, 0.5, 200, shadow)
        assert overlap(find_item(one.frames[0], Ground(one.empty)), one.mask) > 0.85, shadow


def test_a_soft_reflection_on_a_glossy_tray_is_not_the_item() -> None:
    one = placed(ground(Background.TRAY), plate((40, 70, 160)), 0.4, 0.5, 180)
    glow = np.zeros(GREY.shape[:2], np.float32)
    cv2.circle(glow, (470, 240), 60, 0.25, cv2.FILLED)
    lit = 1 + cv2.GaussianBlur(glow, (0, 0), 25) * ~one.mask
    shining = np.asarray(np.clip(one.frames[0] * lit[..., None], 0, 255), np.uint8)
    assert overlap(find_item(shining, Ground(one.empty)), one.mask) > 0.85


def test_a_plain_sheet_of_the_grounds_colour_a_little_darker_is_found_by_its_outline() -> None:
    surface = np.full((480, 640, 3), 170, np.uint8)
    one = placed(noisy(surface, 1, 1), plate((140, 140, 140)), 0.5, 0.5, 220)
    assert overlap(find_item(noisy(one.frames[0], 1, 2), Ground(one.empty)), one.mask) > 0.9


def test_a_ground_as_bright_as_the_item_shows_it_by_its_colour() -> None:
    surface = np.full((480, 640, 3), (150, 150, 150), np.uint8)
    one = placed(noisy(surface, 1, 1), plate((185, 140, 120)), 0.5, 0.5, 220)
    grey = cv2.cvtColor(np.array([[[185, 140, 120]]], np.uint8), cv2.COLOR_RGB2GRAY)
    assert abs(int(grey[0, 0]) - 150) <= 2
    assert overlap(find_item(noisy(one.frames[0], 1, 2), Ground(one.empty)), one.mask) > 0.9


def test_a_transparent_bottle_is_whole_though_the_ground_shines_through() -> None:
    bottle = plate((210, 225, 230), 240, 110)
    bottle[12:-12, 14:-60, 3] = 12  # clear but for its rim and cap
    bottle[:, -40:, :3] = (30, 60, 190)
    one = placed(ground(Background.WOOD), bottle, 0.5, 0.5, 240)
    filled = one.mask.copy()
    left, top = int(one.box.left * 640), int(one.box.top * 480)
    filled[top : int(one.box.bottom * 480), left : int(one.box.right * 640)] = True
    found = find_item(noisy(one.frames[0], 1, 3), Ground(one.empty))
    assert found is not None
    assert len(found.parts) == 1
    assert overlap(found, filled) > 0.85


@pytest.mark.parametrize("colour", [(235, 232, 225), (70, 60, 50)])
def test_an_item_that_covers_90_percent_of_the_view_is_not_taken_for_the_light(colour: tuple[int, int, int]) -> None:
    one = placed(noisy(ground(Background.CONCRETE), 1, 0), plate(colour, 610, 454), 0.5, 0.5, 610)
    assert one.mask.mean() > 0.89
    found = find_item(noisy(one.frames[0], 1, 1), Ground(one.empty))
    assert overlap(found, one.mask) > 0.9


def test_it_is_told_when_the_item_reaches_beyond_the_view() -> None:
    inside = placed(GREY, plate((30, 120, 60)), 0.5, 0.5, 200)
    across = placed(GREY, plate((30, 120, 60)), 0.05, 0.5, 200)
    found_inside, found_across = (find_item(one.frames[0], Ground(one.empty)) for one in (inside, across))
    assert found_inside is not None
    assert not found_inside.touches_edge
    assert found_across is not None
    assert found_across.touches_edge
    assert found_across.box.left == 0


def gravel(contrast: float) -> Pixels:
    grains = noisy(ground(Background.CONCRETE), contrast, 3)[::4, ::4]
    return np.asarray(cv2.resize(grains, (640, 480), interpolation=cv2.INTER_LINEAR), np.uint8)


@pytest.mark.parametrize("brighter", [-14, -6, 0, 10])
def test_most_of_a_plain_thing_as_bright_as_a_textured_ground_is_found(brighter: int) -> None:
    surface = gravel(15)
    red, green, blue = (int(level) + brighter for level in surface.mean(axis=(0, 1)))
    one = placed(surface, plate((red, green, blue)), 0.5, 0.5, 200)
    assert overlap(find_item(noisy(one.frames[0], 2, 1), Ground(one.empty)), one.mask) > 0.75


@pytest.mark.parametrize("side", [300, 400])
def test_a_large_plain_thing_and_its_shadow_on_a_textured_ground_are_told_apart(side: float) -> None:
    surface = gravel(15)
    red, green, blue = (int(level) - 14 for level in surface.mean(axis=(0, 1)))
    one = placed(surface, plate((red, green, blue)), 0.5, 0.5, side, 0.3)
    assert overlap(find_item(noisy(one.frames[0], 2, 1), Ground(one.empty)), one.mask) > 0.75


def test_noise_all_over_a_changed_view_is_no_lost_texture() -> None:
    ratio = noisy(np.full((120, 160), 100, np.uint8), 4, 1)
    assert not region_module._rough(ratio, np.full((120, 160), 255, np.uint8)).any()


@pytest.mark.parametrize("noise", [0, 4])
def test_a_shadow_on_a_textured_ground_is_not_the_item(noise: float) -> None:
    one = placed(gravel(25), plate((180, 60, 40)), 0.5, 0.5, 200, 0.4)
    assert overlap(find_item(noisy(one.frames[0], noise, 1), Ground(one.empty)), one.mask) > 0.85


def test_a_shadow_in_the_corners_around_a_round_thing_is_not_the_item() -> None:
    disc = plate((60, 90, 160), 200, 200)
    disc[cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), 99, 1, cv2.FILLED) == 0] = 0
    one = placed(GREY, disc, 0.5, 0.5, 160, 0.4)
    assert overlap(find_item(one.frames[0], Ground(one.empty)), one.mask) > 0.88


def test_things_that_lie_apart_are_parts_largest_first() -> None:
    first = placed(GREY, plate((180, 40, 40)), 0.25, 0.5, 180)
    both = placed(first.frames[0], plate((40, 40, 180)), 0.75, 0.5, 120)
    found = find_item(both.frames[0], Ground(GREY))
    assert found is not None
    assert len(found.parts) == 2
    assert found.parts[0].left < 0.4 < 0.6 < found.parts[1].left
    largest = found.only(0)
    assert largest.box == found.parts[0]
    assert overlap(largest, first.mask) > 0.9


def test_looking_at_a_part_of_the_view_finds_what_looking_at_all_of_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = placed(GREY, plate((40, 40, 180), 300, 3), 0.4, 0.5, 300)  # at an angle, a few pixels thick
    both = placed(wire.frames[0], plate((216, 206, 186), 60, 60), 0.9, 0.9, 50)  # pale on pale, far from the wire
    scenes = [scene(label, style, 7) for label in ITEM_LABELS for style in (Background.TRAY, Background.WOOD)]
    scenes += [wire, both, placed(GREY, plate((30, 120, 60)), 0.05, 0.5, 200)]
    scenes += [placed(gravel(15), plate((120, 118, 112)), 0.5, 0.5, side, 0.3) for side in (200, 400)]
    parts = [find_item(one.frames[0], Ground(one.empty)) for one in scenes]
    sizes = []

    def all_of_it(look: Pixels, expected: Pixels, level: int) -> tuple[slice, slice]:
        rows, columns = window(look, expected, level)
        sizes.append((rows.stop - rows.start) * (columns.stop - columns.start) / (look.shape[0] * look.shape[1]))
        return slice(0, look.shape[0]), slice(0, look.shape[1])

    window = region_module._window
    monkeypatch.setattr(region_module, "_window", all_of_it)
    for one, part in zip(scenes, parts, strict=True):
        whole = find_item(one.frames[0], Ground(one.empty))
        assert (part is None) == (whole is None)
        if part is not None and whole is not None:
            assert len(part.parts) == len(whole.parts)
            assert np.logical_xor(part.mask, whole.mask).sum() <= 0.02 * whole.mask.sum()
    assert np.median(sizes) < 0.6


def test_an_item_on_top_of_another_is_told_from_the_layer_below() -> None:
    below = placed(GREY, plate((150, 110, 70), 300, 220), 0.5, 0.5, 320)
    above = placed(below.frames[0], plate((60, 90, 160)), 0.55, 0.5, 130)
    assert overlap(find_item(above.frames[0], Ground(below.frames[0])), above.mask) > 0.9


@pytest.mark.parametrize(("width", "height"), [(641, 479), (320, 240), (1280, 720), (97, 61), (480, 640)])
def test_any_size_of_frame_will_do(width: int, height: int) -> None:
    surface = ground(Background.WOOD, 0, width, height)
    one = placed(surface, plate((60, 90, 160)), 0.5, 0.5, 0.4 * min(width, height))
    found = find_item(one.frames[0], Ground(one.empty))
    assert overlap(found, one.mask) > 0.8
    assert found is not None
    assert found.mask.shape[1] <= 320


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 40), (8, 8), (640, 6), (9, 9)])
def test_a_view_of_a_few_pixels_is_no_fault(width: int, height: int) -> None:
    empty = np.full((height, width, 3), 200, np.uint8)
    found = find_item(np.full((height, width, 3), 20, np.uint8), Ground(empty))
    assert (found is not None) == (min(width, height) > 8)


def test_a_ground_that_followed_the_light_is_one_made_anew() -> None:
    one = placed(gravel(25), plate((180, 60, 40)), 0.5, 0.5, 200)
    later = np.asarray(one.empty * 0.8, np.uint8)
    kept = Ground(one.empty)
    find_item(one.frames[0], kept)
    kept.follow(later, 1.0)
    seen = np.asarray(one.frames[0] * 0.8, np.uint8)
    found, anew = find_item(seen, kept), find_item(seen, Ground(kept.look))
    assert found is not None
    assert anew is not None
    np.testing.assert_array_equal(found.mask, anew.mask)


def test_a_frame_of_yuv420_planes_will_do() -> None:
    one = placed(GREY, plate((180, 60, 40)), 0.5, 0.5, 200)
    empty, seen = (
        rgb_from_yuv420(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420), np.uint8), 640, 480)
        for pixels in (one.empty, one.frames[0])
    )
    assert overlap(find_item(seen, Ground(empty)), one.mask) > 0.9


def test_a_region_of_interest_is_cut_from_both_and_its_box_put_back_into_the_frame() -> None:
    one = placed(GREY, plate((180, 60, 40)), 0.6, 0.6, 160)
    looked_at = Region(left=0.25, top=0.25, right=1.0, bottom=1.0)
    found = find_item(cut(one.frames[0], looked_at), Ground(cut(one.empty, looked_at)))
    assert found is not None
    box = in_frame(found.box, looked_at)
    for side in ("left", "top", "right", "bottom"):
        assert getattr(box, side) == pytest.approx(getattr(one.box, side), abs=0.01)


def test_a_camera_that_shakes_by_a_pixel_has_not_found_an_item() -> None:
    surface = ground(Background.SPECKLED)
    moved = np.roll(surface, 1, axis=1)
    assert find_item(moved, Ground(surface)) is None


def test_a_frame_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="640x300"):
        find_item(GREY[:300], Ground(GREY))


def test_the_same_frame_gives_the_same_region() -> None:
    one = scene("glass", Background.WOOD, 3, STEADY)
    first, second = (find_item(one.frames[0], Ground(one.empty)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.box == second.box
    assert (first.mask == second.mask).all()
