"""Draped cloth and heaps of fruit: any size, repeatable, with folds and roundness, and no white paper among them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from waste_edge.rendering.canvas import Floats
from waste_edge.rendering.outliers import _FILLINGS, _dyed, drape, heap


@pytest.mark.parametrize("paint", [drape, heap])
@pytest.mark.parametrize("size", [(70, 50), (48, 48)])
def test_a_stuff_repeats_for_a_seed_and_has_the_asked_shape(
    paint: Callable[..., Floats], size: tuple[int, int]
) -> None:
    for seed in range(6):
        first, again = (paint(np.random.default_rng(seed), *size) for _ in range(2))
        assert (first.shape, first.dtype) == ((size[1], size[0], 3), np.float32)
        assert np.isfinite(first).all()
        assert np.array_equal(first, again)
        assert 0.02 < np.clip(first, 0, 1).mean() < 1


def test_cloth_has_light_and_shade_even_where_it_is_plain() -> None:
    for seed in range(8):
        cloth = np.clip(drape(np.random.default_rng(seed), 128, 128), 0, 1)
        light = cloth.mean(axis=2) / cloth.mean()
        assert np.percentile(light, 95) - np.percentile(light, 5) > 0.15


def test_fruit_is_round_brighter_within_than_at_its_edge() -> None:
    for seed in range(8):
        picture = np.clip(heap(np.random.default_rng(seed), 160, 160), 0, 1)
        assert (picture.max(axis=2) < 0.2).mean() > 0.01, "dark gaps between"
        assert (picture.max(axis=2) > 0.3).mean() > 0.15


def test_no_cloth_is_dyed_like_paper_or_foil() -> None:
    rng = np.random.default_rng(0)
    for colour in (_dyed(rng) for _ in range(200)):
        assert np.ptp(colour) > 0.12 or colour.mean() < 0.2


def test_strangers_are_made_of_them() -> None:
    assert {drape, heap} <= set(_FILLINGS)
