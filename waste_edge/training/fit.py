"""The one training loop, for teachers, students, with and without a teacher."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from waste_edge.dataset import Dataset, Part, Photo, group_near_duplicates, open_dataset, split
from waste_edge.errors import ConfigError, DataError, RunError, UserError
from waste_edge.files import write_atomically
from waste_edge.metrics import Scores
from waste_edge.training.evaluate import score_network
from waste_edge.training.fake_quantization import FakeQuantized, float_network
from waste_edge.training.losses import distillation_loss
from waste_edge.training.networks import normalize
from waste_edge.training.plots import plot_curves
from waste_edge.training.recipe import Recipe
from waste_edge.training.runs import (
    Run,
    RunInfo,
    channels_last,
    commit_of_code,
    library_versions,
    save_info,
    save_split,
    save_weights,
)
from waste_edge.training.start import check_start, starting_network
from waste_edge.training.views import TrainingViews, augmentation, render_views


class Watcher(Protocol):
    """Who is told how training goes: a progress bar, a test."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """One batch is done; `epoch` and `step` count from 1."""

    def epoch(self, epoch: int, loss: float, scores: Scores | None) -> None:
        """One epoch is done; `scores` on the validation part if there is one."""


@dataclass(frozen=True, eq=False)
class _Job:
    """What the loop needs, gathered."""

    recipe: Recipe
    network: nn.Module
    teacher: nn.Module | None
    views: TrainingViews
    dataset: Dataset
    validation: list[Photo]
    device: torch.device


def fit(
    recipe: Recipe,
    data: Path,
    out: Path,
    watcher: Watcher,
    weights: Path | None = None,
    teacher: Run | None = None,
    start: Run | None = None,
) -> RunInfo:
    """Train by a recipe and leave a run in `out`, with the last epoch's weights.

    The last epoch and not the best one is kept: choosing by validation accuracy would flatter it.

    Args:
        recipe: see `Recipe`; its `distill` part is used when a teacher is given.
        data: folder of labelled photographs.
        out: the run's folder; it must not hold a run already.
        watcher: told of every step and epoch.
        weights: safetensors file to start from.
        teacher: a finished run with the same labels.
        start: a finished run of the same network to go on from, instead of `weights`; a recipe with a
            `quantize_aware` part needs one.

    Raises:
        ConfigError, DataError, RunError, PictureError: one line naming what is wrong.
        UserError: the loss stopped being a number.
    """
    if out.exists() and any(out.iterdir()):
        raise RunError(f"{out}: is not empty; choose another --out or remove it first")
    started = time.monotonic()
    dataset = group_near_duplicates(open_dataset(data))
    _check_teacher(recipe, teacher, dataset)
    check_start(recipe, start, weights, dataset)
    _seed_everything(recipe.fit.seed)
    parts = split(dataset, recipe.split)
    if len(parts["train"]) < 2:
        raise DataError(f"{data}: {len(parts['train'])} pictures to train on; at least 2 are needed")
    network, initial, initial_sha256 = starting_network(recipe, len(dataset.labels), weights, start)
    job = _gather(recipe, network, teacher, dataset, parts)
    out.mkdir(parents=True, exist_ok=True)
    save_split(out, parts)
    scores = _train(job, out, watcher)
    info = RunInfo(
        schema=1,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=recipe,
        labels=list(dataset.labels),
        data=data.resolve().name,
        data_fingerprint=dataset.fingerprint(),
        grouped=dataset.grouped,
        pictures={part: len(photos) for part, photos in parts.items()},
        rendered_pictures=len(job.views) - len(parts["train"]),
        initial_weights=initial,
        initial_weights_sha256=initial_sha256,
        teacher=f"{teacher.info.recipe.name} sha256:{teacher.info.weights_sha256}" if teacher else "",
        weights_sha256=save_weights(out, float_network(network)),
        libraries=library_versions(),
        commit=commit_of_code(),
        seconds=round(time.monotonic() - started, 1),
        scores=scores,
        ranges=network.trained_ranges() if isinstance(network, FakeQuantized) else [],
    )
    save_info(out, info)
    return info


def _gather(
    recipe: Recipe, network: nn.Module, teacher: Run | None, dataset: Dataset, parts: dict[Part, list[Photo]]
) -> _Job:
    """Views and networks, these where they will be computed."""
    rendered = render_views(recipe.rendered, dataset.labels, _view_size(recipe))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return _Job(
        recipe,
        channels_last(network.to(device)),
        channels_last(teacher.network.to(device)).eval() if teacher else None,
        TrainingViews(dataset, parts["train"], rendered, augmentation(recipe.augment, recipe.input)),
        dataset,
        parts["val"],
        device,
    )


def _train(job: _Job, out: Path, watcher: Watcher) -> Scores | None:
    """All epochs; after each the checkpoint, a line of metrics and the curves are on disk."""
    spec = job.recipe.fit
    order = torch.Generator().manual_seed(spec.seed)
    # A last batch of one picture would have no variance for batch norm to divide by.
    uneven = len(job.views) % spec.batch_size == 1
    loader = DataLoader(job.views, spec.batch_size, shuffle=True, generator=order, drop_last=uneven)
    optimizer = torch.optim.AdamW(_parameter_groups(job.network, spec.weight_decay), lr=spec.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_then_cosine(job.recipe, len(loader)))
    lines: list[dict[str, object]] = []
    losses: list[float] = []
    accuracies: list[float | None] = []
    scores: Scores | None = None
    if isinstance(job.network, FakeQuantized):
        job.network.observe(_some_inputs(job, loader, job.network.spec.observe_batches))
    for epoch in range(1, spec.epochs + 1):
        began = time.monotonic()
        losses.append(_one_epoch(job, loader, optimizer, schedule, epoch, watcher))
        job.network.eval()
        scores = score_network(job.network, job.dataset, job.validation, job.recipe.input) if job.validation else None
        accuracies.append(scores.accuracy if scores else None)
        seconds = round(time.monotonic() - began, 1)
        lines.append({"epoch": epoch, "loss": losses[-1], "val_accuracy": accuracies[-1], "seconds": seconds})
        save_weights(out, float_network(job.network))
        write_atomically(out / "metrics.jsonl", "".join(f"{msgspec.json.encode(line).decode()}\n" for line in lines))
        plot_curves(out / "curves.png", job.recipe.name, losses, accuracies)
        watcher.epoch(epoch, losses[-1], scores)
    return scores


def _one_epoch(
    job: _Job,
    loader: DataLoader[tuple[Tensor, int]],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    epoch: int,
    watcher: Watcher,
) -> float:
    """One pass over the training views; returns the mean loss."""
    job.network.train()
    total = 0.0
    for step, (pixels, truth) in enumerate(loader, start=1):
        if isinstance(job.network, FakeQuantized):
            job.network.advance(epoch - 1 + (step - 1) / len(loader))
        x = _prepared(job, pixels)
        loss = _loss(job, x, truth.to(job.device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise UserError(
                f"training stopped: the loss is {value} in epoch {epoch}, batch {step}; "
                f"lower fit.learning_rate (now {job.recipe.fit.learning_rate})"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        total += value
        watcher.step(epoch, step, len(loader), value)
    return total / len(loader)


def _prepared(job: _Job, pixels: Tensor) -> Tensor:
    return normalize(pixels.to(job.device)).contiguous(memory_format=torch.channels_last)


def _some_inputs(job: _Job, loader: DataLoader[tuple[Tensor, int]], batches: int) -> Iterator[Tensor]:
    """Inputs of the first batches of one pass."""
    for pixels, _ in itertools.islice(loader, batches):
        yield _prepared(job, pixels)


def _loss(job: _Job, x: Tensor, truth: Tensor) -> Tensor:
    logits = job.network(x)[0]
    smoothing = job.recipe.fit.label_smoothing
    if job.teacher is None or job.recipe.distill is None:
        return functional.cross_entropy(logits, truth, label_smoothing=smoothing)
    with torch.no_grad():
        wisdom = job.teacher(x)[0]
    return distillation_loss(logits, wisdom, truth, job.recipe.distill, smoothing)


def _check_teacher(recipe: Recipe, teacher: Run | None, dataset: Dataset) -> None:
    if teacher is None:
        return
    if recipe.distill is None:
        raise ConfigError(f"recipe {recipe.name!r} has no [distill] part; add temperature and alpha, or use train")
    if tuple(teacher.info.labels) != dataset.labels:
        raise RunError(
            f"{teacher.folder}: the teacher's labels ({', '.join(teacher.info.labels)}) are not "
            f"the data's ({', '.join(dataset.labels)}); train a teacher on these data"
        )


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # torchvision and other libraries draw from the global generator
    torch.manual_seed(seed)


def _view_size(recipe: Recipe) -> int:
    """Rendered views are drawn larger than the input, as photographs are, so that crops of them are sharp."""
    return max(recipe.input.width_px, recipe.input.height_px) * 8 // 5


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels; none for biases and batch norm, which it would only harm."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    free = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _warmup_then_cosine(recipe: Recipe, steps_per_epoch: int) -> Callable[[int], float]:
    """From step to learning-rate factor: linear warm-up, then a cosine to zero (Loshchilov and Hutter 2017)."""
    total = recipe.fit.epochs * steps_per_epoch
    warmup = min(total, round(recipe.fit.warmup_epochs * steps_per_epoch))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = (step - warmup) / max(1, total - warmup)
        return 0.5 * (1 + math.cos(math.pi * progress))

    return factor
