"""Common parts of the models that are put together from several networks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from waste_edge.dataset import Dataset
from waste_edge.errors import ConfigError, DataError
from waste_edge.training.recipe import Recipe

# The parts of a recipe that change or add training views, which nothing but a network is trained on.
OF_VIEWS = ("augment", "rendered", "backgrounds", "strangers")


def refuse_parts(recipe: Recipe, names: Sequence[str], remedy: str) -> None:
    """Raise ConfigError if a recipe has one of these parts, which its kind of model would ignore."""
    defaults = {field.name: field for field in msgspec.structs.fields(Recipe)}
    for name in names:
        field = defaults[name]
        nothing = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if getattr(recipe, name) != nothing:
            raise ConfigError(f"recipe {recipe.name!r}: [{name}] means nothing to a {recipe.kind}; {remedy}")


def check_pictures(recipe: Recipe, data: Path, dataset: Dataset) -> None:
    """Raise DataError unless every row of the data has a picture."""
    if not dataset.has_pictures:
        raise DataError(f"{data}: texts without pictures, and recipe {recipe.name!r} looks at pictures")


def alone(recipe: Recipe) -> None:
    """Raise ConfigError if torchrun started several processes."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"recipe {recipe.name!r}: a {recipe.kind} is put together by one process; start it without torchrun"
        )
