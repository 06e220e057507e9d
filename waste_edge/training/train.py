"""Training by any recipe: one network, or a model put together from others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from waste_edge.errors import ConfigError
from waste_edge.plugins import resolve
from waste_edge.training.distributed import process_group
from waste_edge.training.loop.fit import fit
from waste_edge.training.runs import RunInfo
from waste_edge.training.train_request import TrainRequest

Trainer = Callable[[TrainRequest], RunInfo]


def train(request: TrainRequest) -> RunInfo:
    """Train what the order's recipe describes and leave a run in its `out`.

    Raises:
        ConfigError, DataError, RunError, PictureError: one line naming what is wrong.
        UserError: see `fit`.
    """
    with process_group() as together:
        composite = request.recipe.composite
        if composite is None:
            return _fit_network(request)
        if together.size > 1:
            raise ConfigError(
                f"recipe {request.recipe.name!r} is a {request.recipe.kind}, put together from others; with torchrun "
                "train these on their own"
            )
        return cast(Trainer, resolve(composite.trainer))(request)


def _fit_network(request: TrainRequest) -> RunInfo:
    request.check_members(())
    with request.watch(request.recipe) as watcher:
        return fit(
            request.recipe,
            request.data,
            request.out,
            watcher,
            request.weights,
            request.teachers,
            request.start,
            request.resume,
            replace(request.extra, bar=request.bar),
        )
