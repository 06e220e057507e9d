"""Training by any recipe: one network, or a model put together from others."""

from __future__ import annotations

from waste_edge.errors import ConfigError
from waste_edge.training.distributed import crew
from waste_edge.training.loop.fit import fit
from waste_edge.training.runs import RunInfo
from waste_edge.training.train_request import Order


def train(order: Order) -> RunInfo:
    """Train what the order's recipe describes and leave a run in its `out`.

    Raises:
        ConfigError, DataError, RunError, PictureError: one line naming what is wrong.
        UserError: see `fit`.
    """
    with crew() as together:
        if together.size > 1 and order.recipe.kind != "network":
            raise ConfigError(
                f"recipe {order.recipe.name!r} is a {order.recipe.kind}, put together from others; with torchrun "
                "train these on their own"
            )
        return _TRAINERS[order.recipe.kind](order)


def _network(order: Order) -> RunInfo:
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


def _probe(order: Order) -> RunInfo:
    from waste_edge.training.composites.probe import fit_probe

    return fit_probe(order)


def _weighted_fusion(order: Order) -> RunInfo:
    from waste_edge.training.composites.weighted_fusion import fit_weighted_fusion

    return fit_weighted_fusion(order)


def _cascade(order: Order) -> RunInfo:
    from waste_edge.training.composites.cascade import fit_cascade

    return fit_cascade(order)


_TRAINERS = {"network": _network, "probe": _probe, "weighted_fusion": _weighted_fusion, "cascade": _cascade}
