"""Speed of training here: a step in each precision, or `train` against a bare PyTorch loop.

    python -m waste_edge.training.loop.step_time RECIPE                   milliseconds of a step, by precision
    python -m waste_edge.training.loop.step_time RECIPE --data photos     pictures a second, train and bare loop

With --data both loops train the recipe's network on the same views in the same batches: `train`'s own loop with all
that it does (schedule, averages, losses, what it tells), and one that has a DataLoader, forward, loss, backward and
AdamW and nothing else. They take turns, an epoch each, so that what else the machine does meets both. What limits them
is measured beside them: decoding a picture, making a view of a decoded one, and a step on pixels that are there.
"""

from __future__ import annotations

import argparse
import copy
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from waste_edge.dataset import group_near_duplicates, open_dataset, split_to_train
from waste_edge.errors import UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import Strict, to_json
from waste_edge.metrics.classification import Scores
from waste_edge.training.distributed import ProcessGroup
from waste_edge.training.input_pipeline.batches import Shuffle
from waste_edge.training.input_pipeline.views import Batch, TrainingViews
from waste_edge.training.loop.fit import Material, gather_job
from waste_edge.training.loop.initialization import starting_network
from waste_edge.training.loop.training_loop import Job, TrainingLoop
from waste_edge.training.networks import build_network, normalize
from waste_edge.training.networks.layers import channels_last
from waste_edge.training.recipe import Recipe, read_recipe
from waste_edge.training.train_options import OtherSources, TrainOptions

_WARM_UP, _LABELS = 2, 6


class Rate(Strict, frozen=True, kw_only=True):
    """Speed of one thing, medians of the rounds.

    Attributes:
        per_s: pictures a second of wall time.
        per_cpu_s: pictures a second of processor time, which other load on the machine changes less.
    """

    per_s: float
    per_cpu_s: float


class Throughput(Strict, frozen=True, kw_only=True):
    """Record of one comparison.

    Attributes:
        created: date and time, UTC.
        command: that made it.
        machine: what it ran on, and its load average.
        recipe, batch_size, workers, threads: what was trained, and how.
        pictures: in an epoch, rendered ones among them.
        rounds: epochs of each loop, after one that is not counted.
        train, bare: both loops.
        ratio, cpu_ratio: median over rounds of `train` to `bare` in the same round, by wall and by processor time.
        decode, views, step: what limits them, each alone.
    """

    created: str
    command: str
    machine: str
    recipe: str
    batch_size: int
    workers: int
    threads: int
    pictures: int
    rounds: int
    train: Rate
    bare: Rate
    ratio: float
    cpu_ratio: float
    decode: Rate
    views: Rate
    step: Rate


def step_seconds(recipe: Recipe, precision: str, compiled: bool, steps: int) -> float:
    """The fastest of some steps (forward, backward, update) on random pixels: what others do here only adds to it."""
    if recipe.model is None:
        raise SystemExit(f"recipe {recipe.name!r} has no [model] part")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = channels_last(build_network(recipe.model, _LABELS).to(device))
    trained: nn.Module = torch.compile(network) if compiled else network  # type: ignore[assignment]
    optimizer = torch.optim.AdamW(network.parameters())
    shape = (recipe.trained.batch_size, 3, recipe.sees.height_px, recipe.sees.width_px)
    pixels = torch.rand(shape, device=device).contiguous(memory_format=torch.channels_last)
    truth = torch.zeros(shape[0], dtype=torch.int64, device=device)
    seconds = []
    for _ in range(_WARM_UP + steps):
        began = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = trained(pixels)[0]
        loss = functional.cross_entropy(logits.float(), truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        float(loss.detach())  # waits for a GPU
        seconds.append(time.perf_counter() - began)
    return min(seconds[_WARM_UP:])


class _Quiet:
    """A watcher that says nothing."""

    def warn(self, sentence: str) -> None:
        """Ignore it."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Ignore it."""

    def epoch(self, epoch: int, loss: float, scores: Scores | None) -> None:
        """Ignore it."""


def compare_with_bare(recipe: Recipe, data: Path, rounds: int, most: int, command: str) -> Throughput:
    """Train a recipe by our loop and by a bare one, an epoch each in turn.

    Args:
        recipe: of one network on pictures, without a stock of views.
        data: photographs.
        rounds: epochs of each that are counted.
        most: photographs of an epoch, at most.
        command: for the record.

    Raises:
        UserError: the recipe is of another kind.
        DataError, PictureError: see `fit`.
    """
    with tempfile.TemporaryDirectory() as folder:
        job = _job(recipe, data, Path(folder), most)
        views = job.views
        assert isinstance(views, TrainingViews)
        loop = TrainingLoop(job, Path(folder), _Quiet(), ProcessGroup())
        bare = _Bare(job, views)
        spent: dict[str, list[_Spent]] = {"train": [], "bare": []}
        for epoch in range(1, rounds + 2):
            turns: dict[str, Callable[[int], object]] = {"train": loop.one_epoch, "bare": bare.epoch}
            for name in turns if epoch % 2 else reversed(turns):
                spent[name].append(_timed(partial(turns[name], epoch)))
        pairs = list(zip(spent["train"][1:], spent["bare"][1:], strict=True))  # the first one decodes
        steps = len(bare.loader)
        seen = min(steps * recipe.trained.batch_size, len(views))
        some = list(range(min(len(job.dataset.photos), len(views), 96)))
        alone = {
            "decode": [_timed(lambda: [job.dataset.photos[n].pixels() for n in some]) for _ in range(3)],
            "views": [_timed(partial(_make_views, views, at, some)) for at in range(900, 903)],
            "step": [_timed(bare.step_again) for _ in range(2 * rounds)],
        }
        size = {"decode": len(some), "views": len(some), "step": recipe.trained.batch_size}
        rates = {name: _rate(size[name], found) for name, found in alone.items()}
        return Throughput(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=command,
            machine=f"{_processor()}, load average {os.getloadavg()[0]:.0f}",
            recipe=recipe.name,
            batch_size=recipe.trained.batch_size,
            workers=recipe.trained.workers,
            threads=torch.get_num_threads(),
            pictures=seen,
            rounds=rounds,
            train=_rate(seen, [one for one, _ in pairs]),
            bare=_rate(seen, [one for _, one in pairs]),
            ratio=round(median(other.wall_s / own.wall_s for own, other in pairs), 3),
            cpu_ratio=round(median(other.cpu_s / own.cpu_s for own, other in pairs), 3),
            **rates,
        )


def _make_views(views: TrainingViews, epoch: int, numbers: Sequence[int]) -> None:
    for number in numbers:
        views[epoch, number]


@dataclass(frozen=True)
class _Spent:
    """Seconds that something took."""

    wall_s: float
    cpu_s: float


def _timed(run: Callable[[], object]) -> _Spent:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    run()
    return _Spent(time.perf_counter() - wall_s, time.process_time() - cpu_s)


def _rate(pictures: int, spent: Sequence[_Spent]) -> Rate:
    wall_s, cpu_s = median(one.wall_s for one in spent), median(one.cpu_s for one in spent)
    return Rate(per_s=round(pictures / wall_s, 1), per_cpu_s=round(pictures / cpu_s, 1))


def _job(recipe: Recipe, data: Path, folder: Path, most: int) -> Job:
    """Prepare what `train` would, of so many photographs, evenly chosen."""
    if recipe.composite is not None or recipe.stock is not None or recipe.input is None:
        raise UserError(
            f"recipe {recipe.name!r}: expected one network on pictures, without a stock; take another recipe"
        )
    dataset = group_near_duplicates(open_dataset(data, label_map=recipe.labels))
    parts = split_to_train(data, dataset, recipe.split)
    parts["train"] = parts["train"][:: max(1, len(parts["train"]) // most)][:most]
    begun = starting_network(recipe, dataset.labels, None, None)
    return gather_job(
        recipe, begun, (), Material(dataset, parts, OtherSources(), TrainOptions(), folder), ProcessGroup()
    )


class _Bare:
    """A loop as in any introduction to PyTorch, on the views and in the batches of ours."""

    def __init__(self, job: Job, views: TrainingViews) -> None:
        fit = job.fit
        self._network, self._smoothing, self._device = copy.deepcopy(job.network), fit.label_smoothing, job.device
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), fit.learning_rate, weight_decay=fit.weight_decay
        )
        self._shuffle = Shuffle(views, 1, 0, shuffle=True, seed=fit.seed)
        self.loader: DataLoader[Batch] = DataLoader(
            views,  # type: ignore[arg-type]
            fit.batch_size,
            sampler=self._shuffle,
            collate_fn=views.collate,
            drop_last=len(self._shuffle) % fit.batch_size == 1,
            num_workers=fit.workers,
            persistent_workers=fit.workers > 0,
        )
        self._last: Batch | None = None

    def epoch(self, epoch: int) -> None:
        """Train one epoch."""
        self._shuffle.set_epoch(epoch)
        self._network.train()
        for batch in self.loader:
            self._step(batch)
            self._last = batch

    def step_again(self) -> None:
        """Train on the last batch once more."""
        assert self._last is not None
        self._step(self._last)

    def _step(self, batch: Batch) -> None:
        pixels = normalize(batch.pixels).to(self._device).contiguous(memory_format=torch.channels_last)
        logits = self._network(pixels)[0]
        loss = functional.cross_entropy(logits, batch.truth.to(self._device), label_smoothing=self._smoothing)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        loss.item()


def in_words(found: Throughput) -> Iterator[str]:
    """Tell of a comparison, a line a thing."""
    how = f"batches of {found.batch_size}, {found.threads} threads, {found.workers} workers"
    yield f"{found.recipe}, {how}; {found.machine}"
    for name in ("train", "bare", "decode", "views", "step"):
        rate: Rate = getattr(found, name)
        yield f"  {name:6} {rate.per_s:8.1f} pictures/s, {rate.per_cpu_s:8.1f} a second of CPU"
    yield f"train to bare: {found.ratio:.3f} by wall time, {found.cpu_ratio:.3f} by CPU time"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name}, {os.cpu_count()} cores{gpu}, torch {torch.__version__}"


def main() -> int:
    """Print the speed of training here; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a recipe with a [model]")
    parser.add_argument("--steps", type=int, default=10, help="steps of each precision")
    parser.add_argument("--compile", action="store_true", help="also torch.compile the network")
    parser.add_argument("--data", type=Path, help="photographs: compare train with a bare loop on them")
    parser.add_argument("--rounds", type=int, default=7, help="epochs of each loop")
    parser.add_argument("--pictures", type=int, default=256, help="photographs of an epoch")
    parser.add_argument("--out", type=Path, help="record of the comparison to write (JSON)")
    given = parser.parse_args()
    try:
        recipe = read_recipe(given.recipe)
        if given.data:
            command = f"python -m waste_edge.training.loop.step_time {given.recipe} --data photos"
            found = compare_with_bare(recipe, given.data, given.rounds, given.pictures, command)
            print(*in_words(found), sep="\n")
            if given.out:
                write_atomically(given.out, to_json(found))
            return 0
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    kinds = [("fp32", False), ("bf16", False), *([("fp32", True)] if given.compile else [])]
    for precision, compiled in kinds:
        milliseconds = 1000 * step_seconds(recipe, precision, compiled, given.steps)
        print(f"{recipe.name}: {precision}{', compiled' if compiled else ''}: {milliseconds:.0f} ms a step")
    return 0


if __name__ == "__main__":
    sys.exit(main())
