"""Composed scenes: the same seed gives the same bytes, the truth is true, and only what is said varies."""

from __future__ import annotations

import numpy as np
import pytest

from tests.item.scenes import STEADY, ground, scene
from waste_edge.item.compose import SceneRanges, compose, fit_ground
from waste_edge.rendering.backgrounds import Background
from waste_edge.rendering.items.sprites import render_item


def test_a_seed_repeats_a_scene_to_the_bit() -> None:
    first, second = (scene("metal", Background.TRAY, 7, SceneRanges(frames=2)) for _ in range(2))
    assert (first.empty == second.empty).all()
    assert all((a == b).all() for a, b in zip(first.frames, second.frames, strict=True))
    other = scene("metal", Background.TRAY, 8)
    assert not (first.empty == other.empty).all()


def test_only_the_item_and_its_shadow_change_the_view() -> None:
    ranges = SceneRanges(exposure_step=0, balance_step=0, noise=(0, 0), jpeg=None, shadow=(0, 0))
    one = scene("cardboard", Background.WOOD, 1, ranges)
    changed = (one.empty != one.frames[0]).any(axis=2)
    assert (changed & ~one.mask).mean() < 0.01
    assert changed[one.mask].mean() > 0.9


def test_sizes_and_places_are_as_the_station_says() -> None:
    for seed in range(12):
        one = scene("metal", Background.POSTER, seed, STEADY)
        assert one.box.left >= 0.005
        assert one.box.right <= 0.995
        longest = max((one.box.right - one.box.left) * 640, (one.box.bottom - one.box.top) * 480) / 480
        assert 0.25 < longest < 0.65 * 1.3


def test_a_transparent_sprite_is_refused() -> None:
    with pytest.raises(ValueError, match="transparent"):
        compose(np.zeros((20, 20, 4), np.uint8), ground(Background.TRAY), np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(30, 30), (256, 341), (2000, 300)])
def test_a_ground_of_any_shape_fills_the_view(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert fit_ground(picture, 640, 480, np.random.default_rng(1)).shape == (480, 640, 3)


def test_a_view_with_several_frames_differs_in_noise_alone() -> None:
    rng = np.random.default_rng(0)
    ranges = SceneRanges(frames=2, noise=(2, 2), jpeg=None)
    one = compose(render_item("glass", rng, 200), ground(Background.WOOD), rng, ranges)
    difference = one.frames[0].astype(float) - one.frames[1]
    assert abs(difference.mean()) < 0.1
    assert 2.0 < difference.std() < 3.5
