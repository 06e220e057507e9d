"""From a recipe and its pictures to the batches of a stock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from waste_edge.dataset import Dataset, Photo
from waste_edge.evaluation.evaluate import without_progress
from waste_edge.training.distributed import ProcessGroup, local_world_size
from waste_edge.training.input_pipeline.batches import cores
from waste_edge.training.recipe import Recipe, StockSpec
from waste_edge.training.stock.batches import Sampling, StockBatches
from waste_edge.training.stock.making import Maker, subjects_of
from waste_edge.training.stock.store import Stock, open_stock
from waste_edge.training.teaching import Teaching


def gather_stock(
    spec: StockSpec,
    dataset: Dataset,
    training: Sequence[Photo],
    teaching: Teaching,
    folder: Path,
    process_group: ProcessGroup,
) -> Stock:
    """The stock of these pictures; its views are made if `folder` has not got them, by all cores.

    Args:
        spec: which views.
        dataset: whose labels are learnt.
        training: its training part.
        teaching: pictures of other sources.
        folder: keeps the views.
        process_group: its main process makes them.
    """
    photos = [*training, *teaching.known]
    subjects = subjects_of([(one, dataset.label_index(one)) for one in photos], teaching.strange, spec.drawn)
    grounds = tuple(one.path for one in teaching.strange if one.path and spec.grounds and one.label == spec.grounds)
    maker = Maker(spec, grounds)
    if not process_group.is_main_process:
        process_group.wait()
    stock = open_stock(folder, maker, subjects, cores() // local_world_size(), without_progress)
    if process_group.is_main_process:
        process_group.wait()
    return stock


def batches_of(recipe: Recipe, stock: Stock, device: torch.device, process_group: ProcessGroup) -> StockBatches:
    """A stock's batches as a recipe with a [stock] part says."""
    assert recipe.stock is not None
    fit = recipe.trained
    sampling = Sampling(fit.batch_size, fit.seed, (process_group.rank, process_group.size))
    return StockBatches(stock, recipe.stock, recipe.augment, recipe.sees, sampling, device)
