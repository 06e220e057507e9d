"""Batches of views, and the workers that read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler
from torchvision.transforms import v2

from waste_edge.dataset.looking import cores
from waste_edge.errors import DataError
from waste_edge.training.distributed import ProcessGroup, local_world_size
from waste_edge.training.input_pipeline.views import Batch, TrainingViews
from waste_edge.training.recipe import AugmentSpec, FitSpec


class Shuffle(DistributedSampler[Any]):
    """Sampler of this process's views of an epoch in its order, each as (epoch, number): see `TrainingViews`."""

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for number in super().__iter__():
            yield self.epoch, number


def make_batches(views: TrainingViews, spec: FitSpec, process_group: ProcessGroup) -> tuple[DataLoader[Batch], Shuffle]:
    """Build the data loader, and the shuffle that has to be told of each epoch.

    Raises:
        DataError: there are too few pictures for so many processes.
    """
    shuffle = Shuffle(views, process_group.size, process_group.rank, shuffle=True, seed=spec.seed)
    if len(shuffle) < 2:
        raise DataError(
            f"{len(views)} pictures to train on in {process_group.size} processes: each needs 2; start fewer"
        )
    workers = min(spec.workers, cores() // local_world_size())
    loader: DataLoader[Batch] = DataLoader(
        views,  # type: ignore[arg-type]
        spec.batch_size,
        sampler=shuffle,
        collate_fn=views.collate,
        # A last batch of one picture would have no variance for batch norm to divide by.
        drop_last=len(shuffle) % spec.batch_size == 1,
        num_workers=workers,
        persistent_workers=workers > 0,  # they keep the pictures they decoded
        worker_init_fn=_alone,
        # Of its own: it draws once for each set of workers, and a resumed training makes one set more.
        generator=torch.Generator().manual_seed(spec.seed),
    )
    views.share_room(max(1, workers) * local_world_size())
    return loader, shuffle


def mixing(spec: AugmentSpec, classes: int) -> nn.Module | None:
    """mixup or CutMix on whole batches, giving shares of labels."""
    kinds: list[nn.Module] = []
    if spec.mixup:
        kinds.append(v2.MixUp(alpha=spec.mixup, num_classes=classes))
    if spec.cutmix:
        kinds.append(v2.CutMix(alpha=spec.cutmix, num_classes=classes))
    return v2.RandomChoice(kinds) if kinds else None


def mixed(pixels: Tensor, truth: Tensor, classes: int, mixing: nn.Module | None) -> tuple[Tensor, Tensor]:
    """A batch with shares of labels (B, C): mixed where there is a label, equal shares where there is none.

    Args:
        pixels: (B, 3, H, W).
        truth: label indices (B,), -1 for no label.
        classes: C.
        mixing: see `mixing`; None mixes nothing.
    """
    known = truth >= 0
    shares = torch.full((len(truth), classes), 1 / classes, device=truth.device)
    if not known.any():
        return pixels, shares
    shares[known] = functional.one_hot(truth[known], classes).to(shares.dtype)
    if mixing:
        seen, shares[known] = mixing(pixels[known], truth[known])
        pixels = pixels.clone(memory_format=torch.channels_last)
        pixels[known] = seen
    return pixels, shares


def _alone(_worker: int) -> None:
    """OpenCV's threads do not survive the fork that makes a worker."""
    cv2.setNumThreads(0)
