"""Two real runs in miniature, trained once, and pictures of nothing they know."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from waste_edge.dataset import SplitSpec
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.metrics.classification import Scores
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import AugmentSpec, DistillSpec, FitSpec, ModelSpec, Recipe
from waste_edge.training.runs import open_run

RECIPE = Recipe(
    name="mini",
    model=ModelSpec(architecture="mobilenet_v1", width=0.25, dropout=0.0),
    input=InputSpec(width_px=16, height_px=16),
    fit=FitSpec(epochs=2, batch_size=4, learning_rate=5e-3, warmup_epochs=0.1),
    augment=AugmentSpec(min_area=0.8, colour_jitter=0.1),
)


class Silent:
    """A watcher that watches nothing."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None: ...

    def epoch(self, epoch: int, loss: float, scores: Scores | None) -> None: ...

    def warn(self, sentence: str) -> None: ...


def recipe(seed: int = 0, split: SplitSpec | None = None, epochs: int = 2) -> Recipe:
    fitting = msgspec.structs.replace(RECIPE.fit, seed=seed, epochs=epochs)
    return msgspec.structs.replace(RECIPE, fit=fitting, split=split or SplitSpec(seed=0, val_fraction=0.2))


@pytest.fixture(scope="session")
def teacher(colour_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "teacher"
    fit(recipe(), colour_photos, folder, Silent())
    return folder


@pytest.fixture(scope="session")
def student(colour_photos: Path, teacher: Path) -> Path:
    folder = teacher.parent / "student"
    taught = msgspec.structs.replace(recipe(seed=1, epochs=1), distill=DistillSpec())
    fit(taught, colour_photos, folder, Silent(), teachers=[open_run(teacher)])
    return folder


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Pictures that show none of the colours."""
    folder = tmp_path / "strange"
    (folder / "deep").mkdir(parents=True)
    generator = np.random.default_rng(5)
    for index in range(6):
        noise = generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / ("deep" if index % 2 else "") / f"{index}.png")
    return folder
