from pathlib import Path

import numpy as np
import pytest
import torch

from waste_edge.dataset import open_dataset
from waste_edge.errors import ConfigError
from waste_edge.preprocess import InputSpec
from waste_edge.training.recipe import AugmentSpec, RenderedSpec
from waste_edge.training.views import TrainingViews, augmentation, render_views

TARGET = InputSpec(width_px=32, height_px=24)


@pytest.mark.parametrize(
    "spec",
    [
        AugmentSpec(min_area=1.0, flip=False, colour_jitter=0.0),
        AugmentSpec(rotation_deg=30.0, colour_jitter=0.5, erase_probability=1.0),
    ],
    ids=["plain", "everything"],
)
def test_augmented_views_have_the_inputs_size_and_are_eight_bit(spec: AugmentSpec) -> None:
    torch.manual_seed(0)
    picture = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8)
    view = augmentation(spec, TARGET)(picture)
    assert view.shape == (3, 24, 32)
    assert view.dtype == torch.uint8


def test_photographs_come_first_and_rendered_views_after(colour_photos: Path) -> None:
    dataset = open_dataset(colour_photos)
    drawn = [(np.full((40, 40, 3), 200, np.uint8), 2)]
    plain = augmentation(AugmentSpec(min_area=1.0, flip=False, colour_jitter=0.0), TARGET)
    views = TrainingViews(dataset, dataset.photos, drawn, plain)
    assert len(views) == len(dataset.photos) + 1
    pixels, label = views[0]
    assert (tuple(pixels.shape), label) == ((3, 24, 32), dataset.label_index(dataset.photos[0]))
    last, label = views[len(views) - 1]
    assert label == 2
    assert bool((last == 200).all())


def test_rendered_views_are_the_same_for_the_same_seed() -> None:
    spec = RenderedSpec(views_per_label=2, seed=5)
    first, second = (render_views(spec, ["glass", "metal"], 64) for _ in range(2))
    assert [label for _, label in first] == [0, 0, 1, 1]
    for (a, _), (b, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0][0], first[1][0])


def test_a_label_that_cannot_be_drawn_is_named() -> None:
    with pytest.raises(ConfigError, match=r"rendered.views_per_label: cannot draw textile"):
        render_views(RenderedSpec(views_per_label=1), ["glass", "textile"], 64)
    assert render_views(RenderedSpec(), ["textile"], 64) == []
