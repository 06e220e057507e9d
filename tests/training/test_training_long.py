"""Training on real photographs. `make test-long` runs this; it takes several minutes on two cores."""

from pathlib import Path

import msgspec
import pytest

from tests.training.loop.test_fit import Silent
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import read_recipe


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_three_epochs_on_real_photographs_learn_most_of_it(shared: Path, tmp_path: Path) -> None:
    recipe = read_recipe("student_mobilenet_v1_025")
    short = msgspec.structs.replace(recipe, fit=msgspec.structs.replace(recipe.fit, epochs=3))
    weights = shared / "weights" / "mobilenetv1_025-imagenet.safetensors"
    info = fit(short, shared / "data" / "trashnet", tmp_path / "run", Silent(), weights)
    assert info.scores is not None
    assert info.scores.pictures == 404
    assert info.scores.accuracy > 0.68
