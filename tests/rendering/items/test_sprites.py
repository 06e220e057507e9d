"""Sprites: what they promise about shape, transparency, repeatability and looks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from waste_edge.rendering.items.sprites import ITEM_LABELS, PAINTERS, Painter, render_item
from waste_edge.rendering.scene import extent

EVERY_PAINTER = [(label, painter) for label in ITEM_LABELS for painter in dict.fromkeys(PAINTERS[label])]


def test_labels_are_the_six_of_the_taxonomy() -> None:
    assert ITEM_LABELS == ("cardboard", "glass", "metal", "paper", "plastic", "trash")
    assert tuple(PAINTERS) == ITEM_LABELS


@pytest.mark.parametrize("label", ITEM_LABELS)
def test_same_seed_same_sprite_and_another_seed_another(label: str) -> None:
    first, again, other = (render_item(label, np.random.default_rng(seed), 96) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("label", "painter"), EVERY_PAINTER, ids=[f"{label}-{painter.__name__}" for label, painter in EVERY_PAINTER]
)
def test_every_kind_of_item_fills_its_square_without_touching_the_border(label: str, painter: Painter) -> None:
    for seed in range(4):
        sprite = render_item(label, np.random.default_rng(seed), 96, painter)
        assert sprite.shape == (96, 96, 4)
        assert sprite.dtype == np.uint8
        alpha = sprite[..., 3]
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert border.mean() < 6, "the item is cut off by its square"
        assert 0.5 < extent(sprite, 0.0) < 1.0
        assert 0.03 < (alpha > 24).mean() < 0.9
        assert sprite[alpha > 24][:, :3].std() > 4, "nothing but one flat colour"


@pytest.mark.parametrize("size_px", [16, 33, 300])
def test_any_size_works(size_px: int) -> None:
    for index, label in enumerate(ITEM_LABELS):
        assert render_item(label, np.random.default_rng(index), size_px).shape == (size_px, size_px, 4)


def test_glass_and_clear_plastic_let_the_background_through() -> None:
    jar = next(painter for painter in PAINTERS["glass"] if painter.__name__ == "jar")
    can = next(painter for painter in PAINTERS["metal"] if painter.__name__ == "can")

    def see_through(label: str, painter: Painter) -> float:
        alpha = render_item(label, np.random.default_rng(1), 128, painter)[..., 3]
        return float(((alpha > 24) & (alpha < 200)).sum() / (alpha > 24).sum())

    assert see_through("glass", jar) > 0.2
    assert see_through("metal", can) < 0.06


def test_an_unknown_label_is_refused_with_the_known_ones_named() -> None:
    with pytest.raises(ValueError, match=r"'styrofoam'.*cardboard, glass, metal, paper, plastic, trash"):
        render_item("styrofoam", np.random.default_rng(0), 64)


def test_a_tiny_sprite_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        render_item("glass", np.random.default_rng(0), 8)


def _statistics(label: str, seed: int) -> NDArray[np.float64]:
    """A handful of plain measurements of one sprite: colour, saturation, transparency, roughness, area."""
    sprite = render_item(label, np.random.default_rng([seed, 77]), 96).astype(np.float64) / 255
    inside = sprite[..., 3] > 0.1
    rgb = sprite[inside][:, :3]
    saturation = rgb.max(axis=1) - rgb.min(axis=1)
    rough = np.abs(np.diff(sprite[..., :3].mean(axis=2), axis=0))[inside[1:]]
    warmth = rgb[:, 0].mean() - rgb[:, 2].mean()
    spread = [rgb.std(), saturation.std(), rough.mean(), np.quantile(rough, 0.9)]
    return np.array([*rgb.mean(axis=0), warmth, saturation.mean(), *spread, sprite[inside][:, 3].mean(), inside.mean()])


def test_labels_can_be_told_apart_by_simple_statistics() -> None:
    known = {label: np.stack([_statistics(label, seed) for seed in range(24)]) for label in ITEM_LABELS}
    scale = np.concatenate(list(known.values())).std(axis=0)
    hits = []
    for label in ITEM_LABELS:
        for seed in range(100, 112):
            sample = _statistics(label, seed)
            # Nearest neighbour: a class has several quite different kinds of item.
            distance = {name: np.abs((rows - sample) / scale).sum(axis=1).min() for name, rows in known.items()}
            hits.append(min(distance, key=lambda name: distance[name]) == label)
    assert np.mean(hits) > 0.5, "chance would be 0.17"


def test_cardboard_is_brown_and_paper_is_light() -> None:
    def mean_rgb(label: str) -> NDArray[np.float64]:
        sprites = [render_item(label, np.random.default_rng([seed, 3]), 64) for seed in range(12)]
        means = [sprite[sprite[..., 3] > 200][:, :3].mean(axis=0) for sprite in sprites]
        return np.asarray(np.median(np.stack(means), axis=0), dtype=np.float64)

    cardboard, paper = mean_rgb("cardboard"), mean_rgb("paper")
    assert cardboard[0] > cardboard[1] > cardboard[2]
    assert cardboard[0] - cardboard[2] > 35
    assert paper.mean() > 130
    assert np.ptp(paper) < 30
