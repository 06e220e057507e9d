"""Surfaces that may lie behind an item: any size, repeatable, of many kinds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from waste_edge.rendering import textures
from waste_edge.rendering.canvas import Floats
from waste_edge.rendering.textures import crumbs, grain, outline, paint_texture, random_colour, weave

PAINTERS = [paint for paint, _ in textures._TEXTURES]


@pytest.mark.parametrize("size", [(48, 48), (90, 64), (33, 100)])
def test_a_surface_repeats_for_a_seed_and_has_the_asked_shape(size: tuple[int, int]) -> None:
    for seed in range(12):
        first, again = (paint_texture(np.random.default_rng(seed), *size) for _ in range(2))
        assert (first.shape, first.dtype) == ((size[1], size[0], 3), np.uint8)
        assert np.array_equal(first, again)


def test_surfaces_differ_in_colour_and_in_detail() -> None:
    surfaces = [paint_texture(np.random.default_rng(seed), 64, 64).astype(float) for seed in range(40)]
    means = np.array([one.mean(axis=(0, 1)) for one in surfaces])
    assert np.ptp(means, axis=0).min() > 120
    contrasts = np.array([one.std() for one in surfaces])
    assert contrasts.min() < 6
    assert contrasts.max() > 40


@pytest.mark.parametrize("paint", PAINTERS, ids=lambda paint: paint.__name__.strip("_"))
def test_every_kind_fills_the_view_with_colours(paint: Callable[..., Floats]) -> None:
    for seed in range(4):
        picture = paint(np.random.default_rng(seed), 70, 50)
        assert (picture.shape, picture.dtype) == ((50, 70, 3), np.float32)
        assert np.isfinite(picture).all()
        assert 0.02 < np.clip(picture, 0, 1).mean() <= 1


@pytest.mark.parametrize("paint", [weave, grain, crumbs])
def test_stuff_has_a_structure(paint: Callable[..., Floats]) -> None:
    for seed in range(4):
        picture = np.clip(paint(np.random.default_rng(seed), 96, 96), 0, 1) * 255
        assert picture.std(axis=(0, 1)).max() > 3, "one flat colour"


@pytest.mark.parametrize("corners", [3, 5, 8])
def test_an_outline_is_a_closed_shape_of_the_asked_size_round_the_origin(corners: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        spots = outline(rng, 40.0, corners)
        assert (spots.dtype, spots.shape[1]) == (np.float32, 2)
        assert len(spots) == (corners if corners < 7 else 48)
        reach = np.hypot(*spots.T).max()
        assert 8 < reach < 32


def test_colours_are_in_range_and_mostly_muted() -> None:
    rng = np.random.default_rng(0)
    colours = np.array([random_colour(rng) for _ in range(300)])
    assert 0 <= colours.min() < colours.max() <= 1
    vividness = np.ptp(colours, axis=1)
    assert np.median(vividness) < 0.25
    assert vividness.max() > 0.4
