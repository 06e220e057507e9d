from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from waste_edge.rendering import outliers, textures
from waste_edge.rendering.canvas import Bytes, Rng
from waste_edge.rendering.held_out import CHOOSING, JUDGING, Family, Painter
from waste_edge.rendering.outliers import render_held_out_outlier, render_outlier
from waste_edge.rendering.textures import paint_texture

Paint = Callable[[Rng, int, int], Bytes]


FAMILIES = {"choosing": CHOOSING, "judging": JUDGING}
PAINTERS = [painter for family in FAMILIES.values() for painter in (*family.surfaces, *family.materials)]


def strange(rng: Rng, width_px: int, height_px: int) -> Bytes:
    return render_held_out_outlier(rng, width_px, height_px, JUDGING)


def test_no_kind_is_of_both_families() -> None:
    assert len(set(PAINTERS)) == len(PAINTERS)


@pytest.mark.parametrize("paint", [JUDGING.paint, JUDGING.fill, CHOOSING.paint, CHOOSING.fill, strange])
def test_the_same_generator_draws_the_same_and_another_one_something_else(paint: Paint) -> None:
    first, again, other = (paint(np.random.default_rng(seed), 64, 48) for seed in (7, 7, 8))
    assert (first.shape, first.dtype) == ((48, 64, 3), np.uint8)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda painter: painter.__name__)
def test_every_kind_is_a_picture_that_shows_something(painter: Painter) -> None:
    for seed in range(12):
        picture = painter(np.random.default_rng(seed), 96, 72)
        assert picture.shape == (72, 96, 3)
        assert np.isfinite(picture).all()
        assert np.clip(picture, 0, 1).std() > 0.005, seed


def refuse(*arguments: object) -> Bytes:
    raise AssertionError("a kind of the other side")


def test_training_draws_no_held_out_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Family, "paint", refuse)
    monkeypatch.setattr(Family, "fill", refuse)
    drawn = [render_outlier(np.random.default_rng(seed), 32, 32) for seed in range(60)]
    assert all(picture.shape == (32, 32, 3) for picture in drawn), "and nothing of the other side was asked for"


def test_judging_draws_no_kind_of_training_but_the_boards_that_known_items_lie_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outliers, "paint_texture", refuse)
    monkeypatch.setattr(outliers, "_FILLINGS", (refuse,))
    monkeypatch.setattr(textures, "_TEXTURES", ((refuse, 1.0),))
    drawn = [strange(np.random.default_rng(seed), 48, 48) for seed in range(60)]
    assert all(picture.shape == (48, 48, 3) for picture in drawn), "and nothing of the other side was asked for"


@pytest.mark.parametrize(
    ("paint", "next_numbers"),
    [
        (paint_texture, [0.430628, 0.311796, 0.631094, 0.535644, 0.138576, 0.10903, 0.022851, 0.456368]),
        (render_outlier, [0.732425, 0.467096, 0.340431, 0.217349, 0.817594, 0.425245, 0.148928, 0.525489]),
    ],
)
def test_what_training_draws_takes_the_same_chances_as_ever(paint: Paint, next_numbers: list[float]) -> None:
    """Else a recipe's views are others, and its figures cannot be had again."""
    generators = [np.random.default_rng([3, seed]) for seed in range(8)]
    for generator in generators:
        paint(generator, 40, 30)
    assert [round(generator.random(), 6) for generator in generators] == next_numbers
