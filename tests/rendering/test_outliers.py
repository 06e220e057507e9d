"""Views of what belongs to no label."""

from __future__ import annotations

import numpy as np
import pytest

from waste_edge.rendering import outliers
from waste_edge.rendering.outliers import EMPTY_SHARE, outlier_sprite, render_outlier


@pytest.mark.parametrize("size", [(96, 96), (120, 72)])
def test_a_view_repeats_for_a_seed_and_has_the_asked_shape(size: tuple[int, int]) -> None:
    for seed in range(8):
        first, again = (render_outlier(np.random.default_rng(seed), *size) for _ in range(2))
        assert (first.shape, first.dtype) == ((size[1], size[0], 3), np.uint8)
        assert np.array_equal(first, again)


def test_views_vary() -> None:
    views = [render_outlier(np.random.default_rng(seed), 64, 64).astype(float) for seed in range(10)]
    differences = [np.abs(a - b).mean() for i, a in enumerate(views) for b in views[:i]]
    assert min(differences) > 3


def test_a_part_of_the_views_is_the_empty_place(monkeypatch: pytest.MonkeyPatch) -> None:
    marker = np.full((48, 48, 3), 77, np.uint8)
    monkeypatch.setattr(outliers, "_ground", lambda rng, width_px, height_px: (rng.random(), marker)[1].copy())
    empty = [np.array_equal(render_outlier(np.random.default_rng(seed), 48, 48), marker) for seed in range(200)]
    assert np.mean(empty) == pytest.approx(EMPTY_SHARE, abs=0.08)


def test_a_thing_is_solid_has_a_soft_edge_and_stays_in_its_square() -> None:
    for seed in range(12):
        sprite = outlier_sprite(np.random.default_rng(seed), 96)
        assert (sprite.shape, sprite.dtype) == ((96, 96, 4), np.uint8)
        alpha = sprite[..., 3]
        assert 0.05 < (alpha > 127).mean() < 0.9
        assert ((alpha > 0) & (alpha < 255)).any()
        assert alpha[48, 48] == 255, "its middle is the square's"
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert (border > 127).mean() < 0.2
        assert sprite[alpha > 127][:, :3].std() > 1
