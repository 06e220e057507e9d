"""Batches from a stock: every epoch other views, changed anew.

`gather_views` makes or opens the stock of a recipe and its pictures, `batches_of` gives its batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from waste_edge.dataset import Dataset, Photo
from waste_edge.dataset.looking import cores
from waste_edge.evaluation.evaluate import without_progress
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.distributed import ProcessGroup, local_world_size
from waste_edge.training.input_pipeline.inputs import nothing
from waste_edge.training.input_pipeline.views import Batch
from waste_edge.training.recipe import AugmentSpec, Recipe, StockSpec
from waste_edge.training.seeding import mixed_seed
from waste_edge.training.train_options import OtherSources
from waste_edge.training.view_cache.augmentation import BatchAugmentation
from waste_edge.training.view_cache.store import ViewCache, open_stock
from waste_edge.training.view_cache.view_maker import ViewMaker, subjects_of

FIRST_PROBE_EPOCH = 1000  # from this epoch on are those views that no training epoch shows
_ROOM = 0.4  # share of a GPU's memory that the views may take; else they stay on disk


@dataclass(frozen=True)
class Sampling:
    """Settings of how batches are drawn.

    Attributes:
        batch_size: views of a batch.
        seed: of the draw.
        shard: this process's number among so many, which divide each epoch.
    """

    batch_size: int
    seed: int
    shard: tuple[int, int] = (0, 1)


class ViewCacheBatches:
    """Batches of an epoch; the same epoch gives the same ones, on the same kind of device.

    Each view of an epoch is one of a subject's, at random: photographs and things without a label in the shares that
    the recipe says, so that a picture with many views does not weigh more. With `augment.view_sets` the views of so
    many epochs are kept in memory and come in turn, in the same batches and another order.
    """

    def __init__(
        self,
        stock: ViewCache,
        spec: StockSpec,
        augment: AugmentSpec,
        target: InputSpec,
        sampling: Sampling,
        device: torch.device,
    ) -> None:
        """See the recipe."""
        self._index, self._spec, self._augment, self._target = stock.index, spec, augment, target
        self._batch_size, self._seed, self._shard = sampling.batch_size, sampling.seed, sampling.shard
        self._device = device
        self._views = _on_device(stock.views, device)
        self._labels = np.array(stock.index.labels)
        self._first = np.array(stock.index.first)
        self._known, self._strange = np.flatnonzero(self._labels >= 0), np.flatnonzero(self._labels < 0)
        share = spec.strange_share if len(self._strange) else 0.0
        total = spec.per_epoch or round(len(self._known) / (1 - share))
        self._counts = (total - round(total * share), round(total * share))
        self._epoch = 0
        self.sets = augment.view_sets
        self._kept: dict[tuple[int, int], Tensor] = {}
        self._shown = self._known[:0]

    def set_epoch(self, epoch: int) -> None:
        """From 1; 0 is for what comes before the first."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Steps of an epoch: whole batches only, but one at least."""
        return max(1, sum(self._counts) // self._shard[1] // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        epoch, _ = self.turn(self._epoch, 0)
        rng = np.random.default_rng(mixed_seed(self._seed, epoch, 7))
        subjects = self._drawn(rng)
        numbers = self._first[subjects] + rng.integers(self._first[subjects + 1] - self._first[subjects])
        rank, size = self._shard
        own = slice(rank, None, size)
        self._shown, numbers = subjects[own], numbers[own]
        for step in self._order():
            part = slice(step * self._batch_size, (step + 1) * self._batch_size)
            truth = torch.from_numpy(self._labels[self._shown[part]])
            rows = nothing(len(truth))
            yield Batch(self._changed(epoch, step, numbers[part]), rows, rows, truth, list(range(len(numbers))[part]))

    def turn(self, epoch: int, number: int) -> tuple[int, int]:
        """Return which view is shown: of another epoch, if it has been made for that already."""
        again = self.sets and epoch < FIRST_PROBE_EPOCH
        return ((epoch - 1) % self.sets + 1 if again else epoch), number

    def name(self, number: int) -> str:
        """Name the picture that a view of the present epoch was made of."""
        return self._index.names[int(self._shown[number])]

    def subjects(self) -> int:
        """Count the pictures, drawn ones among them, of which there are views."""
        return len(self._labels)

    def _order(self) -> NDArray[np.int64]:
        """The epoch's batches; where views come again, each time in another order."""
        steps = np.arange(len(self))
        return np.random.default_rng(mixed_seed(self._seed, self._epoch, 9)).permutation(steps) if self.sets else steps

    def _changed(self, epoch: int, step: int, numbers: NDArray[np.int64]) -> Tensor:
        """The views changed, uint8 (B, 3, H, W)."""
        kept = self._kept.get((epoch, step))
        if kept is not None:
            return kept
        generator = torch.Generator(self._device).manual_seed(mixed_seed(self._seed, epoch, 8, self._shard[0], step))
        change = BatchAugmentation(self._augment, self._target.height_px, self._target.width_px, generator)
        changed = change(self._read(numbers)).round().to(torch.uint8)
        if self.sets and epoch < FIRST_PROBE_EPOCH:
            self._kept[epoch, step] = changed
        return changed

    def _drawn(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The epoch's subjects, shuffled."""
        labels = self._labels[self._known]
        counts = np.bincount(labels)[labels]
        known = _weighted(self._known, counts.astype(np.float64) ** -self._spec.balance, self._counts[0], rng)
        strange = _weighted(self._strange, np.ones(len(self._strange)), self._counts[1], rng)
        return rng.permutation(np.concatenate([known, strange]))

    def _read(self, numbers: NDArray[np.int64]) -> Tensor:
        if isinstance(self._views, Tensor):
            return self._views[torch.from_numpy(numbers).to(self._device)]
        return torch.from_numpy(self._views[np.sort(numbers)][np.argsort(np.argsort(numbers))])


def _weighted(
    subjects: NDArray[np.int64], weights: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw `count` subjects by weight, each about as often as its share: whole times first, the rest at random."""
    if not count:
        return subjects[:0]
    wanted = weights / weights.sum() * count
    times = np.floor(wanted).astype(np.int64)
    rest = wanted - times
    left = count - int(times.sum())
    if left:
        times[rng.choice(len(subjects), left, replace=False, p=rest / rest.sum())] += 1
    return np.repeat(subjects, times)


def _on_device(views: NDArray[np.uint8], device: torch.device) -> Tensor | NDArray[np.uint8]:
    """The views in a GPU's memory if they fit; else the array, which reads from disk."""
    if device.type != "cuda" or views.nbytes > _ROOM * torch.cuda.get_device_properties(device).total_memory:
        return views
    held = torch.empty(views.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(views), 1024):
        held[start : start + 1024] = torch.from_numpy(views[start : start + 1024].copy()).to(device)
    return held


def gather_views(
    spec: StockSpec,
    dataset: Dataset,
    training: Sequence[Photo],
    teaching: OtherSources,
    folder: Path,
    process_group: ProcessGroup,
) -> ViewCache:
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
    maker = ViewMaker(spec, grounds)
    if not process_group.is_main_process:
        process_group.wait()
    stock = open_stock(folder, maker, subjects, cores() // local_world_size(), without_progress)
    if process_group.is_main_process:
        process_group.wait()
    return stock


def batches_of(recipe: Recipe, stock: ViewCache, device: torch.device, process_group: ProcessGroup) -> ViewCacheBatches:
    """A stock's batches as a recipe with a [stock] part says."""
    assert recipe.stock is not None
    fit = recipe.trained
    sampling = Sampling(fit.batch_size, fit.seed, (process_group.rank, process_group.size))
    return ViewCacheBatches(stock, recipe.stock, recipe.augment, recipe.sees, sampling, device)
