"""Scoring a network in torch, through the same preprocessing and metrics as a bundle.

`RunPredictor` answers for a picture, a text, or both: the run's own predictions, and those of its member models.

`model_of_run` makes a run a model to be measured and compared.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from waste_edge.dataset import Dataset, Part, Photo, open_dataset
from waste_edge.dataset.folders import open_table
from waste_edge.errors import DataError, RunError
from waste_edge.evaluation.comparison.models import Keys, Model, size_in_words
from waste_edge.evaluation.evaluate import Outputs, PartChoice, Progress, choose_photos, truth_of, without_progress
from waste_edge.evaluation.report.content import Epoch, Facts
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_JSON_BYTES
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.metrics.classification import Scores, score, softmax
from waste_edge.training.input_pipeline.inputs import InputReader, Inputs, run_network
from waste_edge.training.networks import count_macs, count_parameters
from waste_edge.training.recipe import Recipe
from waste_edge.training.runs import WEIGHTS_NAME, Run, open_run


def predict(
    network: nn.Module,
    reader: InputReader,
    photos: Sequence[Photo],
    progress: Progress = without_progress,
    batch: int = 32,
) -> Outputs:
    """Logits (N, C) and features (N, F) of a network in evaluation mode, photos read as a device would."""
    device = next((one.device for one in network.parameters()), torch.device("cpu"))
    logits: list[NDArray[np.float32]] = []
    features: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(photos), batch):
            answer = run_network(network, reader.read(photos[start : start + batch]).to(device))
            logits.append(answer[0].float().cpu().numpy())
            features.append(answer[1].float().cpu().numpy())
            progress(min(start + batch, len(photos)), len(photos))
    return Outputs(np.concatenate(logits), np.concatenate(features))


def predict_logits(
    network: nn.Module, photos: Sequence[Photo], spec: InputSpec, progress: Progress = without_progress, batch: int = 32
) -> NDArray[np.float32]:
    """Logits (N, C) of a network for pictures in evaluation mode."""
    return predict(network, InputReader(spec), photos, progress, batch).logits


def answers_of_run(run: Run, photos: Sequence[Photo], progress: Progress = without_progress) -> Outputs:
    """Predict photos with a run, whatever its network reads."""
    return predict(run.as_trained(), run.reader(), photos, progress)


def timed_call_of_run(run: Run, photo: Photo) -> Callable[[], object]:
    """One answer of a run's float network to a prepared photo on one thread, to be timed.

    Not of the network under INT8 rounding: imitating that costs time which no deployed network takes.
    """
    inputs, network = run.reader().read([photo]), run.network.cpu()

    def call() -> object:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                return run_network(network, inputs)
        finally:
            torch.set_num_threads(threads)

    return call


def macs_of_run(run: Run) -> int:
    """Multiply-accumulates of one answer of a run to a picture; 0 for a model that reads text."""
    spec = run.info.recipe.input
    return count_macs(run.network, spec.height_px, spec.width_px) if spec and run.tokenize is None else 0


def validate(
    network: nn.Module,
    reader: InputReader,
    dataset: Dataset,
    photos: Sequence[Photo],
    progress: Progress = without_progress,
    batch: int = 32,
) -> tuple[Scores, float]:
    """All scores of a network on some of a dataset's photos, and its mean cross entropy there."""
    network.eval()
    truth = truth_of(photos, dataset.labels)
    probabilities = softmax(predict(network, reader, photos, progress, batch).logits)
    loss = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean()
    return score(probabilities, truth, dataset.labels), float(loss)


def evaluate_run(run: Path, data: Path, part: PartChoice, progress: Progress) -> tuple[Scores, str]:
    """Score a run on a folder of photographs.

    Args:
        run: the run's folder.
        data: labelled photographs.
        part: `auto` is the run's own validation part if these are the run's own data, else all pictures.
        progress: called with pictures done and their total.

    Returns:
        The scores, and in a sentence which pictures they were taken on.

    Raises:
        RunError, DataError: see `open_run` and `open_dataset`; also a part without pictures.
    """
    opened = open_run(run)
    info = opened.info
    dataset = open_dataset(data, info.labels, info.recipe.labels)
    photos, protocol = choose_photos(dataset, part, info.recipe.split, info.data_fingerprint)
    batch = scored_at_once(info.recipe)
    return validate(opened.as_trained(), opened.reader(), dataset, photos, progress, batch)[0], protocol


def scored_at_once(recipe: Recipe) -> int:
    """Choose the scoring batch size: no more than the training's, for the memory's sake."""
    return min(32, recipe.fit.batch_size) if recipe.fit else 32


@dataclass(frozen=True, eq=False)
class RunPrediction:
    """RunPrediction of one model.

    Attributes:
        labels: as many as logits; a member of a cascade has others than the whole.
        logits: float32 (C,).
        probabilities: float64 (C,).
    """

    labels: tuple[str, ...]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]

    @property
    def label(self) -> str:
        """Most probable label."""
        return self.labels[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """Probability of the most probable label."""
        return float(self.probabilities.max())


class RunPredictor:
    """A run to be asked: its networks in evaluation mode, and what they read."""

    def __init__(self, run: Run) -> None:
        self._labels = tuple(run.info.labels)
        self._network = run.as_trained()
        self._members = {name: (tuple(member.info.labels), member.as_trained()) for name, member in run.members.items()}
        self._reader = run.reader()
        reads = getattr(self._network, "reads", ("pixels",))
        self.looks = "pixels" in reads
        self.reads_text = "tokens" in reads

    def predict(self, pixels: Pixels | None, text: str) -> tuple[RunPrediction, dict[str, RunPrediction]]:
        """The model's answer, and each member's by name.

        Args:
            pixels: uint8 (H, W, 3) RGB; None for a model of text alone.
            text: not looked at by a model of pictures alone.
        """
        inputs = self._reader.inputs([] if pixels is None else [pixels], [text])
        members = {name: _prediction(network, labels, inputs) for name, (labels, network) in self._members.items()}
        return _prediction(self._network, self._labels, inputs), members


def _prediction(network: nn.Module, labels: tuple[str, ...], inputs: Inputs) -> RunPrediction:
    with torch.inference_mode():
        logits = run_network(network, inputs)[0][0].float().numpy()
    return RunPrediction(labels, logits, softmax(logits[None])[0])


def model_of_run(folder: Path, name: str) -> Model:
    """Open a run's folder as a model.

    Raises:
        RunError: see `open_run`.
    """
    run = open_run(folder)
    info = run.info
    return Model(
        name=name,
        role="student" if info.teacher else "run",
        engine="torch, under INT8 rounding" if info.ranges else "torch",
        recipe=info.recipe.name,
        kind=_without_chance(run),
        identity=info.weights_sha256,
        teacher=info.teacher,
        labels=tuple(info.labels),
        label_map=info.recipe.labels,
        fingerprint=info.data_fingerprint,
        split=info.recipe.split,
        facts=Facts(
            size_bytes=sum(path.stat().st_size for path in folder.rglob(WEIGHTS_NAME)),
            parameters=count_parameters(run.network),
            macs=macs_of_run(run),
            input=size_in_words(info.recipe.input),
        ),
        artifact=None,
        calibration=None,
        training=tuple(_read_epochs(folder / "metrics.jsonl")),
        predict=partial(answers_of_run, run),
        timed=partial(timed_call_of_run, run),
        parts_of=lambda dataset: _written_parts(folder / "split.csv"),
        run=run,
        domains=info.domains,
    )


def _without_chance(run: Run) -> str:
    """A recipe and the teacher's name, without what differs between seeds and folds: equal for runs to be folded."""
    recipe = msgspec.to_builtins(run.info.recipe)
    for part, key in (("fit", "seed"), ("split", "seed"), ("split", "fold")):
        if recipe[part]:
            recipe[part].pop(key, None)
    teacher = run.info.teacher.partition(" sha256:")[0]
    return msgspec.json.encode([recipe, teacher, run.info.labels]).decode()


def _written_parts(path: Path) -> Keys:
    """The split that a run wrote down."""
    found: dict[Part, set[str]] = {"train": set(), "val": set(), "test": set()}
    try:
        for row in csv.DictReader(open_table(path)):
            found[msgspec.convert(row["part"], Part)].add(row["file"])
    except (DataError, KeyError, csv.Error, msgspec.ValidationError) as error:
        raise RunError(f"{path}: missing or damaged ({error!r}); it says which pictures the run has seen") from error
    return {part: frozenset(keys) for part, keys in found.items()}


def _read_epochs(path: Path) -> list[Epoch]:
    """The epochs of `metrics.jsonl`, whatever else its lines hold; none if a run keeps no such file."""
    if not path.is_file():
        return []
    try:
        lines = msgspec.json.Decoder().decode_lines(read_bounded(path, MAX_JSON_BYTES))
        return [Epoch(epoch=line["epoch"], loss=line["loss"], val_accuracy=line.get("val_accuracy")) for line in lines]
    except (OSError, msgspec.DecodeError, KeyError, AttributeError, TypeError) as error:
        raise RunError(f"{path}: damaged ({error!r}); the training's curves cannot be drawn") from error
