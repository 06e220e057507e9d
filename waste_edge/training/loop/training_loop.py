"""The one training loop: for pictures, text and both, with and without a teacher, on one process or several."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from waste_edge.dataset import Dataset, Photo
from waste_edge.errors import UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.metrics.classification import Scores
from waste_edge.training.distillation.losses import Objective, Outputs
from waste_edge.training.distillation.teachers import Teachers
from waste_edge.training.distributed import OtherProcessError, ProcessGroup
from waste_edge.training.evaluation.evaluate import scored_at_once, validate
from waste_edge.training.input_pipeline.batches import Shuffle, make_batches, mixed, mixing
from waste_edge.training.input_pipeline.inputs import InputReader, Inputs
from waste_edge.training.input_pipeline.views import Batch, TrainingViews
from waste_edge.training.loop.checkpoint import (
    CHECKPOINT_NAME,
    CheckpointState,
    EpochLine,
    load_checkpoint,
    save_checkpoint,
)
from waste_edge.training.loop.fine_tuning import Anchor, FrozenOutputs, remembers
from waste_edge.training.loop.plots import plot_curves
from waste_edge.training.loop.schedule import LearningRate, make_optimizer
from waste_edge.training.networks import normalize
from waste_edge.training.networks.efficientnet import EfficientNetLite
from waste_edge.training.quantization_aware.fake_quantization import FakeQuantized, TrainedRange, float_network
from waste_edge.training.recipe import FitSpec, Recipe
from waste_edge.training.runs import save_weights
from waste_edge.training.seeding import seed_epoch
from waste_edge.training.view_cache.batches import ViewCacheBatches

METRICS_NAME, CURVES_NAME = "metrics.jsonl", "curves.png"


class TrainingListener(Protocol):
    """Listener to a training's progress: a progress bar, a test."""

    def warn(self, sentence: str) -> None:
        """Report a warning before the first accuracy."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """One batch is done, or looked at again after a stop; `epoch` and `step` count from 1."""

    def epoch(self, epoch: int, loss: float, scores: Scores | None) -> None:
        """One epoch is done; `scores` on the validation part if there is one."""


class LoggingWatcher:
    """Tells of a training through the logger `waste_edge.training`: for programs, where nobody sees a progress bar."""

    def __init__(self, name: str) -> None:
        self._name, self._log = name, logging.getLogger("waste_edge.training")

    def __enter__(self) -> LoggingWatcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def warn(self, sentence: str) -> None:
        """Log at WARNING."""
        self._log.warning("%s: %s", self._name, sentence)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Log at DEBUG."""
        self._log.debug("%s: epoch %d, step %d of %d: loss %.3f", self._name, epoch, step, steps, loss)

    def epoch(self, epoch: int, loss: float, scores: Scores | None) -> None:
        """Log at INFO."""
        accuracy = "" if scores is None else f", validation accuracy {scores.accuracy:.1%}"
        self._log.info("%s: epoch %d: loss %.3f%s", self._name, epoch, loss, accuracy)


@dataclass(frozen=True, eq=False)
class Job:
    """Inputs of the training loop; `fingerprint` tells it from every other job."""

    recipe: Recipe
    network: nn.Module
    objective: Objective
    teachers: Teachers | None
    views: TrainingViews | ViewCacheBatches
    reader: InputReader
    dataset: Dataset
    validation: list[Photo]
    device: torch.device
    fingerprint: str

    @property
    def fit(self) -> FitSpec:
        return self.recipe.trained


@dataclass
class _State:
    """Progress of the training."""

    lines: list[EpochLine] = field(default_factory=list)
    best_epoch: int = 0
    least_loss: float = math.inf
    scores: Scores | None = None
    ranges: list[TrainedRange] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Trained:
    """Result of a training: metrics of the kept weights, and the total time."""

    scores: Scores | None
    ranges: list[TrainedRange]
    seconds: float


class TrainingLoop:
    """Trains a job, epoch by epoch; after each one the checkpoint, the metrics and the curves are on disk."""

    def __init__(self, job: Job, out: Path, watcher: TrainingListener, process_group: ProcessGroup) -> None:
        self._job, self._out, self._watcher, self._process_group = job, out, watcher, process_group
        spec = job.fit
        self._loader, self._shuffle = _batches(job.views, spec, process_group)
        self._average = _average(job.network, spec.ema_decay)
        anchored = spec.l2_sp or spec.wise_ft < 1.0
        self._anchor = Anchor(float_network(job.network), spec) if anchored else None
        self._optimizer = make_optimizer(job.network, job.objective, spec)
        self._rate = LearningRate(self._optimizer, spec, len(self._loader))
        self._mixing = mixing(job.recipe.augment, len(job.dataset.labels))
        self._trained = process_group.wrap_ddp(torch.compile(job.network) if spec.compile else job.network)  # type: ignore[arg-type]
        self._objective = process_group.wrap_ddp(job.objective)
        self._frozen: FrozenOutputs | None = None
        if remembers(job.recipe, job.network, process_group.size):
            assert isinstance(job.network, EfficientNetLite)
            self._frozen = FrozenOutputs(job.network, job.fit.frozen_stages)
        self._state = _State()

    def run(self, resume: bool) -> Trained:
        """All epochs that are left; a training that was stopped before its first checkpoint begins again.

        Raises:
            RunError: a damaged checkpoint, or one of another job.
            UserError: the loss stopped being a number.
        """
        if resume and (self._out / CHECKPOINT_NAME).is_file():
            self._restore()
            self._recall()
        elif isinstance(self._job.network, FakeQuantized):
            self._job.network.observe(self._some_pixels(self._job.network.spec.observe_batches))
        for epoch in range(len(self._state.lines) + 1, self._job.fit.epochs + 1):
            if self._waited_long_enough():
                break
            began = time.monotonic()
            seed_epoch(self._job.fit.seed, epoch, self._process_group.rank)
            self._finish_epoch(epoch, self.one_epoch(epoch), began)
        return Trained(self._state.scores, self._state.ranges, self._state.seconds)

    def one_epoch(self, epoch: int) -> float:
        """One pass over the training views; returns the mean loss."""
        self._shuffle.set_epoch(epoch)
        job, steps, total = self._job, len(self._loader), 0.0
        job.network.train()
        if job.fit.freeze_batch_norm:
            for module in job.network.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        for step, batch in enumerate(self._loader, start=1):
            if isinstance(job.network, FakeQuantized):
                job.network.advance(epoch - 1 + (step - 1) / steps)
            loss = self._loss(batch, epoch)
            own = float(loss.detach())
            value = self._process_group.mean(own)
            if not math.isfinite(value):
                raise self._no_number(own, epoch, step, batch)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if job.fit.clip_norm:
                nn.utils.clip_grad_norm_([*job.network.parameters(), *job.objective.parameters()], job.fit.clip_norm)
            self._optimizer.step()
            if self._anchor:
                self._anchor.pull(float_network(job.network), self._optimizer)
            self._rate.step()
            if self._average:
                self._average.update_parameters(float_network(job.network))
            total += value
            self._watcher.step(epoch, step, steps, value)
        return total / steps

    def _loss(self, batch: Batch, epoch: int) -> Tensor:
        job = self._job
        inputs, truth = self._inputs(batch), batch.truth.to(job.device)
        if self._mixing or (truth < 0).any():
            pixels, truth = mixed(inputs.pixels, truth, len(job.dataset.labels), self._mixing)
            inputs = inputs._replace(pixels=pixels)
        with self._precision():
            teacher_outputs = self._teacher_outputs(inputs, batch, epoch)
            if self._frozen:
                logits, features = self._frozen(inputs.pixels, job.views.turn(epoch, batch.numbers[0]))
            else:
                reads = getattr(job.network, "reads", ("pixels",))
                logits, features = self._trained(*(getattr(inputs, name) for name in reads))
        loss: Tensor = self._objective((logits.float(), features.float()), truth, teacher_outputs)
        return loss

    def _teacher_outputs(self, inputs: Inputs, batch: Batch, epoch: int) -> Outputs | None:
        """Compute the teachers' outputs; for outliers they are uniform."""
        if self._job.teachers is None:
            return None
        logits, features = self._job.teachers.answer(inputs, self._known(batch, epoch))
        strange = batch.truth.to(logits.device) < 0
        return logits.masked_fill(strange[:, None], 0.0), features

    def _known(self, batch: Batch, epoch: int) -> list[tuple[int, int]]:
        """Get the keys by which a teacher knows these views again; empty if they never come again."""
        if not self._views_come_again:
            return []
        return [self._job.views.turn(epoch, number) for number in batch.numbers]

    @property
    def _views_come_again(self) -> bool:
        return bool(self._job.views.sets and not self._mixing)

    def _recall(self) -> None:
        """Recompute, after a stop, the teachers' outputs of views that come again, in the batches of that time.

        In other batches the last bits of an answer are others, and so would the training be.
        """
        done = self._state.lines[: self._job.views.sets]
        if self._job.teachers is None or not self._views_come_again:
            return
        self._watcher.warn(f"the teachers are asked again about the views of the first {len(done)} epochs")
        for epoch, line in enumerate(done, start=1):
            self._shuffle.set_epoch(epoch)
            for step, batch in enumerate(self._loader, start=1):
                with self._precision():
                    self._teacher_outputs(self._inputs(batch), batch, epoch)
                self._watcher.step(epoch, step, len(self._loader), line.loss)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._job.device.type, torch.bfloat16, enabled=self._job.fit.precision == "bf16")

    def _inputs(self, batch: Batch) -> Inputs:
        pixels = normalize(batch.pixels) if batch.pixels.ndim == 4 else batch.pixels
        return Inputs(pixels, batch.tokens, batch.mask).to(self._job.device)

    def _finish_epoch(self, epoch: int, loss: float, began: float) -> None:
        """Validate, keep what is to be kept, and put everything on disk; all processes agree on what follows."""
        state, spec = self._state, self._job.fit
        kept = self._kept()
        scores, val_loss = None, None
        if self._process_group.is_main_process and self._job.validation:
            batch = scored_at_once(self._job.recipe)
            scores, val_loss = validate(kept, self._job.reader, self._job.dataset, self._job.validation, batch=batch)
        if self._job.validation:
            val_loss = self._process_group.broadcast(val_loss if val_loss is not None else math.nan)
        rate = float(self._optimizer.param_groups[0]["lr"])
        self._rate.epoch(val_loss)
        better = val_loss is not None and val_loss < state.least_loss
        if better and val_loss is not None:
            state.least_loss, state.best_epoch = val_loss, epoch
        keep = better or spec.keep == "last" or epoch == 1
        if keep:
            state.scores = scores
            state.ranges = kept.trained_ranges() if isinstance(kept, FakeQuantized) else []
        seconds = round(time.monotonic() - began, 1)
        state.seconds += seconds
        accuracy = scores.accuracy if scores else None
        state.lines.append(EpochLine(epoch=epoch, loss=loss, val_loss=val_loss, val_accuracy=accuracy,
                                     learning_rate=rate, seconds=seconds))  # fmt: skip
        if self._process_group.is_main_process:
            if keep:
                save_weights(self._out, float_network(kept))
            self._write()
            self._watcher.epoch(epoch, loss, scores)
        self._process_group.wait()

    def _kept(self) -> nn.Module:
        """The network that is scored and kept: the weights' average if there is one, mixed with the first weights."""
        network: nn.Module = self._average.module if self._average else self._job.network
        return self._anchor.mixed(network) if self._anchor else network

    def _write(self) -> None:
        state = self._state
        text = "".join(f"{msgspec.json.encode(line).decode()}\n" for line in state.lines)
        write_atomically(self._out / METRICS_NAME, text)
        losses = [line.loss for line in state.lines]
        plot_curves(self._out / CURVES_NAME, self._job.recipe.name, losses, [one.val_accuracy for one in state.lines])
        progress = CheckpointState(
            job=self._job.fingerprint,
            lines=state.lines,
            schedule=self._rate.state(),
            best_epoch=state.best_epoch,
            least_loss=state.least_loss if math.isfinite(state.least_loss) else None,
            scores=state.scores,
            ranges=state.ranges,
            seconds=state.seconds,
        )
        save_checkpoint(self._out, progress, self._modules(), self._optimizer)

    def _restore(self) -> None:
        """Continue after the last finished epoch."""
        done = load_checkpoint(self._out, self._job.fingerprint, self._modules(), self._optimizer)
        self._rate.restore(done.schedule)
        least = math.inf if done.least_loss is None else done.least_loss
        self._state = _State(list(done.lines), done.best_epoch, least, done.scores, done.ranges, done.seconds)
        if isinstance(self._job.network, FakeQuantized):
            self._job.network.resume()

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"network": self._job.network, "objective": self._job.objective}
        if self._average:
            modules["average"] = self._average
        if self._anchor:
            modules["anchor"] = self._anchor.network
        return modules

    def _waited_long_enough(self) -> bool:
        patience = self._job.fit.stop_after
        return bool(patience and self._job.validation and len(self._state.lines) - self._state.best_epoch >= patience)

    def _some_pixels(self, batches: int) -> Iterator[Tensor]:
        """Pixels of the first batches of one pass."""
        for batch in islice(self._loader, batches):
            yield self._inputs(batch).pixels

    def _no_number(self, own: float, epoch: int, step: int, batch: Batch) -> Exception:
        if math.isfinite(own):
            return OtherProcessError("the loss of another process is no number")
        names = ", ".join(self._job.views.name(number) for number in batch.numbers[:3])
        return UserError(
            f"training stopped: the loss is {own} in epoch {epoch}, batch {step} ({names}, ...); "
            f"lower fit.learning_rate (now {self._job.fit.learning_rate}) or set fit.clip_norm = 1.0"
        )


def _batches(
    views: TrainingViews | ViewCacheBatches, spec: FitSpec, process_group: ProcessGroup
) -> tuple[DataLoader[Batch] | ViewCacheBatches, Shuffle | ViewCacheBatches]:
    """Build the data loader, and the shuffle that has to be told of each epoch."""
    return (views, views) if isinstance(views, ViewCacheBatches) else make_batches(views, spec, process_group)


def _average(network: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    return AveragedModel(float_network(network), multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]
