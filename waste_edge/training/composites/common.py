"""Common parts of the models that are put together from several networks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from waste_edge.dataset import Dataset, Part, Photo
from waste_edge.errors import ConfigError, DataError
from waste_edge.files.resources import commit_of_code
from waste_edge.metrics.classification import Scores
from waste_edge.training.recipe import Recipe
from waste_edge.training.runs import RunInfo, library_versions

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


def info_of(
    recipe: Recipe,
    data: Path,
    dataset: Dataset,
    parts: Mapping[Part, Sequence[Photo]],
    begun: tuple[str, str],
    weights_sha256: str,
    libraries: Sequence[str],
    seconds: float,
    scores: Mapping[Part, Scores],
    members: dict[str, str] | None = None,
) -> RunInfo:
    """`run.json` of a model put together from others.

    Args:
        begun: what it started from, in words, and the SHA-256 of that.
        libraries: that shaped it, besides those of every run.
        scores: by the part that they were taken on.
    """
    return RunInfo(
        schema=1,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=recipe,
        labels=list(dataset.labels),
        data=data.resolve().name,
        data_fingerprint=dataset.fingerprint(),
        grouped=dataset.grouped,
        pictures={part: len(photos) for part, photos in parts.items()},
        rendered_pictures=0,
        initial_weights=begun[0],
        initial_weights_sha256=begun[1],
        teacher="",
        weights_sha256=weights_sha256,
        libraries=library_versions() | library_versions(tuple(libraries)),
        commit=commit_of_code(),
        seconds=round(seconds, 1),
        scores=scores.get("val"),
        test_scores=scores.get("test"),
        members=members or {},
    )


def alone(recipe: Recipe) -> None:
    """Raise ConfigError if torchrun started several processes."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"recipe {recipe.name!r}: a {recipe.kind} is put together by one process; start it without torchrun"
        )
