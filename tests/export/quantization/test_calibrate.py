from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_photos
from waste_edge.dataset import Dataset, SplitSpec, open_dataset, split
from waste_edge.errors import DataError
from waste_edge.export.quantization.calibrate import check_not_blank, choose_calibration
from waste_edge.export.recipe import ExportRecipe

RECIPE = ExportRecipe(name="static_wi8_ai8", calibration_pictures=12)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(write_photos(tmp_path / "photos", {"red": 20, "green": 20, "blue": 10}))


def test_training_pictures_only_the_labels_in_turn(dataset: Dataset) -> None:
    parts = split(dataset, SplitSpec(val_fraction=0.3, test_fraction=0.2))
    held_out = [*parts["val"], *parts["test"]]
    chosen = choose_calibration(dataset, parts["train"], held_out, RECIPE)
    assert len(chosen) == 12
    assert not {photo.key for photo in chosen} & {photo.key for photo in held_out}
    assert [sum(photo.label == label for photo in chosen) for label in dataset.labels] == [4, 4, 4]


def test_a_picture_of_the_evaluation_part_is_refused(dataset: Dataset) -> None:
    parts = split(dataset, SplitSpec(val_fraction=0.3))
    smuggled = [*parts["train"], parts["val"][3]]
    with pytest.raises(DataError, match=f"{parts['val'][3].path.name}: .*in the evaluation part"):
        choose_calibration(dataset, smuggled, parts["val"], RECIPE)


def test_another_view_of_an_evaluation_object_is_refused(dataset: Dataset) -> None:
    parts = split(dataset, SplitSpec(val_fraction=0.3))
    from dataclasses import replace

    twin = replace(parts["train"][0], group=parts["val"][0].group)
    with pytest.raises(DataError, match="it \\(or its object\\) is in the evaluation part"):
        choose_calibration(dataset, [twin, *parts["train"][1:]], parts["val"], RECIPE)


@pytest.mark.parametrize(("black", "refused"), [(0, False), (2, False), (3, True), (4, True)])
def test_a_black_calibration_set_is_refused(dataset: Dataset, black: int, refused: bool) -> None:
    generator = np.random.default_rng(0)
    dark = [generator.integers(0, 3, (8, 8, 3)).astype(np.uint8) for _ in range(black)]
    light = [generator.integers(0, 255, (8, 8, 3)).astype(np.uint8) for _ in range(4 - black)]
    photos = dataset.photos[:4]
    if not refused:
        check_not_blank([*dark, *light], photos)
        return
    with pytest.raises(DataError, match=f"and {black - 1} more of 4 calibration pictures show a single colour"):
        check_not_blank([*dark, *light], photos)
