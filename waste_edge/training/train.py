"""Training by any recipe: one network, or a model put together from others."""

from __future__ import annotations

from waste_edge.errors import ConfigError
from waste_edge.training.distributed import process_group
from waste_edge.training.loop.fit import fit
from waste_edge.training.runs import RunInfo
from waste_edge.training.train_request import TrainRequest


def train(request: TrainRequest) -> RunInfo:
    """Train what the order's recipe describes and leave a run in its `out`.

    Raises:
        ConfigError, DataError, RunError, PictureError: one line naming what is wrong.
        UserError: see `fit`.
    """
    with process_group() as together:
        if together.size > 1 and request.recipe.kind != "network":
            raise ConfigError(
                f"recipe {request.recipe.name!r} is a {request.recipe.kind}, put together from others; with torchrun "
                "train these on their own"
            )
        return _TRAINERS[request.recipe.kind](request)


def _network(request: TrainRequest) -> RunInfo:
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
            request.extra,
        )


def _probe(request: TrainRequest) -> RunInfo:
    from waste_edge.training.composites.probe import fit_probe

    return fit_probe(request)


def _weighted_fusion(request: TrainRequest) -> RunInfo:
    from waste_edge.training.composites.weighted_fusion import fit_weighted_fusion

    return fit_weighted_fusion(request)


def _cascade(request: TrainRequest) -> RunInfo:
    from waste_edge.training.composites.cascade import fit_cascade

    return fit_cascade(request)


_TRAINERS = {"network": _network, "probe": _probe, "weighted_fusion": _weighted_fusion, "cascade": _cascade}
