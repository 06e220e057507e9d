"""Training by any recipe: one network, or a model put together from others."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from waste_edge.errors import ConfigError
from waste_edge.plugins import resolve
from waste_edge.training.distributed import crew
from waste_edge.training.loop.fit import fit
from waste_edge.training.runs import RunInfo
from waste_edge.training.train_request import Order

Trainer = Callable[[Order], RunInfo]


def train(order: Order) -> RunInfo:
    """Train what the order's recipe describes and leave a run in its `out`.

    Raises:
        ConfigError, DataError, RunError, PictureError: one line naming what is wrong.
        UserError: see `fit`.
    """
    with crew() as together:
        composite = order.recipe.composite
        if composite is None:
            return _fit_network(order)
        if together.size > 1:
            raise ConfigError(
                f"recipe {order.recipe.name!r} is a {order.recipe.kind}, put together from others; with torchrun "
                "train these on their own"
            )
        return cast(Trainer, resolve(composite.trainer))(order)


def _fit_network(order: Order) -> RunInfo:
    order.check_members(())
    with order.watch(order.recipe) as watcher:
        return fit(
            order.recipe,
            order.data,
            order.out,
            watcher,
            order.weights,
            order.teachers,
            order.start,
            order.resume,
            order.extra,
        )
