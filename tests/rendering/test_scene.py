"""Whole views: backgrounds, putting items down, and the camera."""

from __future__ import annotations

import numpy as np
import pytest

from waste_edge.rendering.items.sprites import ITEM_LABELS, render_item
from waste_edge.rendering.scene import (
    Background,
    CameraEffects,
    camera_effects,
    compose,
    extent,
    paint_background,
    render_view,
)

DISC = np.zeros((64, 64, 4), np.uint8)
_rows, _columns = np.mgrid[0:64, 0:64]
DISC[np.hypot(_rows - 31.5, _columns - 31.5) < 30] = (200, 30, 30, 255)


@pytest.mark.parametrize("style", list(Background))
def test_every_background_fills_the_view_and_repeats(style: Background) -> None:
    first, again = (paint_background(style, np.random.default_rng(4), 90, 64) for _ in range(2))
    assert first.shape == (64, 90, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert 5 < first.mean() < 250


@pytest.mark.parametrize("label", ITEM_LABELS)
def test_a_view_repeats_for_a_seed_and_has_the_asked_shape(label: str) -> None:
    first, again, other = (render_view(label, np.random.default_rng(seed), 120, 90) for seed in (2, 2, 3))
    assert first.shape == (90, 120, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_views_of_one_label_vary() -> None:
    views = [render_view("metal", np.random.default_rng(seed), 64, 64).astype(float) for seed in range(6)]
    differences = [np.abs(a - b).mean() for i, a in enumerate(views) for b in views[:i]]
    assert min(differences) > 5


def test_a_view_refuses_unknown_labels_and_tiny_sizes() -> None:
    with pytest.raises(ValueError, match="cardboard, glass"):
        render_view("wood", np.random.default_rng(0), 64, 64)
    with pytest.raises(ValueError, match="at least 32"):
        render_view("glass", np.random.default_rng(0), 64, 20)


def test_compose_puts_the_item_where_it_was_asked_and_shades_the_ground() -> None:
    ground = np.full((100, 160, 3), 180, np.uint8)
    before, sprite = ground.copy(), DISC.copy()
    view = compose(ground, sprite, (0.25, 0.5), 0.5, 30.0, np.random.default_rng(0))
    assert np.array_equal(ground, before)
    assert np.array_equal(sprite, DISC)
    red = (view[..., 0].astype(int) - view[..., 1]) > 100
    rows, columns = np.nonzero(red)
    assert abs(columns.mean() + 0.5 - 40) < 1
    assert abs(rows.mean() + 0.5 - 50) < 1
    assert abs(np.ptp(rows) + 1 - 0.5 * 100 * 60 / 64) < 3
    assert (view[~red] < 178).any(), "no shadow beside the item"
    assert np.abs(view[:, 130:].astype(int) - 180).max() <= 2, "shadow far from the item"


def test_compose_can_put_an_item_outside_the_view() -> None:
    ground = np.full((60, 80, 3), 120, np.uint8)
    view = compose(ground, DISC, (3.0, 0.5), 0.6, 0.0, np.random.default_rng(0))
    assert np.array_equal(view, ground)


def test_extent_follows_the_turn_of_a_long_item() -> None:
    bar = np.zeros((100, 100, 4), np.uint8)
    bar[5:95, 48:52] = 255
    assert extent(bar, 0.0) == pytest.approx(0.9, abs=0.02)
    assert extent(bar, 45.0) == pytest.approx(0.9 * 0.707, abs=0.04)
    assert extent(np.zeros_like(bar), 0.0) == 0.0


@pytest.mark.parametrize("label", ITEM_LABELS)
def test_turned_sprites_keep_clean_edges(label: str) -> None:
    """Straight alpha must not bleed black from the transparent part into the outline."""
    sprite = render_item(label, np.random.default_rng(8), 96)
    sprite[..., :3][sprite[..., 3] > 0] = 255
    white = np.full((120, 120, 3), 255, np.uint8)
    view = compose(white, sprite, (0.5, 0.5), 0.8, 33.0, np.random.default_rng(0))
    bare = compose(
        white, sprite[..., :4] * np.array([1, 1, 1, 0], np.uint8), (0.5, 0.5), 0.8, 33.0, np.random.default_rng(0)
    )
    assert bare.min() == 255
    assert view.min() > 60


def test_camera_without_faults_changes_nothing() -> None:
    picture = render_item("paper", np.random.default_rng(0), 64)[..., :3].copy()
    assert np.array_equal(camera_effects(picture, np.random.default_rng(0), CameraEffects(noise=0.0)), picture)


def test_camera_faults_do_what_they_say() -> None:
    grey = np.full((80, 80, 3), 120, np.uint8)

    def shot(**faults: float) -> np.ndarray:
        return camera_effects(grey, np.random.default_rng(1), CameraEffects(**({"noise": 0.0} | faults))).astype(float)  # type: ignore[arg-type]

    assert shot(exposure=1.2).mean() == pytest.approx(144, abs=1)
    assert shot(vignette=0.4)[0, 0, 0] < 80 < 118 < shot(vignette=0.4)[40, 40, 0]
    assert 2.0 < shot(noise=3.0).std() < 4.0
    warm = camera_effects(grey, np.random.default_rng(1), CameraEffects(white_balance=(1.1, 1.0, 0.9), noise=0.0))
    assert warm[0, 0, 0] > warm[0, 0, 1] > warm[0, 0, 2]
