"""Common parts of the models that are put together from several networks.

Members are trained into sub-folders of the model's run, or taken from finished runs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from waste_edge.dataset import Dataset
from waste_edge.errors import ConfigError, DataError, RunError
from waste_edge.files.atomic import folder_in_one_piece
from waste_edge.training.loop.checkpoint import CHECKPOINT_NAME
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import Recipe
from waste_edge.training.runs import RUN_NAME, Run, open_run
from waste_edge.training.train_request import TrainRequest

# The parts of a recipe that change or add training views, which nothing but a network is trained on.
OF_VIEWS = ("augment", "rendered", "backgrounds", "strangers")
_BEFORE_THE_FIRST_EPOCH = {"split.csv", "encoder"}  # what a training that was killed so early leaves


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


def member(request: TrainRequest, name: str, recipe: Recipe | None, dataset: Dataset) -> Run:
    """The member of this name: the run given for it, copied in, or one trained now, or resumed.

    It is trained on the split and the labels of the model it belongs to, whatever its own recipe says.

    Args:
        recipe: the member's own; None if a run is given.
        dataset: what the order's data hold, for a run that is given.

    Raises:
        ConfigError, DataError, RunError, PictureError, UserError: see `fit`; a given run does not go with the data.
    """
    folder = request.out / name
    if name in request.members or recipe is None:
        return _taken(request, request.members[name], folder, dataset)
    if (folder / RUN_NAME).is_file():  # trained before the training as a whole was stopped
        return open_run(folder)
    resume = (folder / CHECKPOINT_NAME).is_file()
    if not resume and folder.is_dir() and {path.name for path in folder.iterdir()} <= _BEFORE_THE_FIRST_EPOCH:
        shutil.rmtree(folder)
    recipe = msgspec.structs.replace(recipe, split=request.recipe.split, labels=request.recipe.labels)
    with request.watch(recipe) as watcher:
        fit(recipe, request.data, folder, watcher, resume=resume)
    return open_run(folder)


def _taken(request: TrainRequest, given: Path, folder: Path, dataset: Dataset) -> Run:
    run = open_run(given)
    _check_taken(request, run, dataset)
    if folder.exists():
        copied = open_run(folder)
        if copied.info.weights_sha256 != run.info.weights_sha256:
            raise RunError(f"{folder}: is not a copy of {given}; choose another --out")
        return copied
    with folder_in_one_piece(folder) as place:
        shutil.copytree(given, place, dirs_exist_ok=True)
    return open_run(folder)


def _check_taken(request: TrainRequest, run: Run, dataset: Dataset) -> None:
    info = run.info
    if tuple(info.labels) != dataset.labels:
        raise RunError(
            f"{run.folder}: its labels ({', '.join(info.labels)}) are not the data's ({', '.join(dataset.labels)}); "
            "train it on these data"
        )
    if info.data_fingerprint != dataset.fingerprint():
        raise RunError(f"{run.folder}: was trained on other data than {request.data}; train it on these")
    if info.recipe.split != request.recipe.split:
        raise RunError(
            f"{run.folder}: was trained with another [split] than recipe {request.recipe.name!r} has, so it has seen "
            "pictures that this one would validate or test on; train it with the same"
        )
