"""Scoring a network in torch, through the same preprocessing and metrics as a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from waste_edge.dataset import Dataset, Photo, open_dataset
from waste_edge.engines.evaluate import Outputs, PartChoice, Progress, choose_photos, truth_of, without_progress
from waste_edge.metrics import Scores, score, softmax
from waste_edge.preprocess import InputSpec, prepare
from waste_edge.training.networks import count_macs, normalize
from waste_edge.training.runs import Run, open_run


def inputs_of(photos: Sequence[Photo], spec: InputSpec, device: torch.device) -> tuple[Tensor, ...]:
    """What a network is called with for these photos, read and prepared as a device would."""
    pixels = np.stack([prepare(photo.pixels(), spec) for photo in photos])
    return (normalize(torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device)),)


def predict_outputs(
    network: nn.Module, photos: Sequence[Photo], spec: InputSpec, progress: Progress = without_progress, batch: int = 32
) -> Outputs:
    """Logits (N, C) and pooled features (N, F) of a network in evaluation mode."""
    device = next(network.parameters()).device
    logits: list[NDArray[np.float32]] = []
    features: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(photos), batch):
            some = network(*inputs_of(photos[start : start + batch], spec, device))
            logits.append(some[0].float().cpu().numpy())
            features.append(some[1].float().cpu().numpy())
            progress(min(start + batch, len(photos)), len(photos))
    return Outputs(np.concatenate(logits), np.concatenate(features))


def predict_logits(
    network: nn.Module, photos: Sequence[Photo], spec: InputSpec, progress: Progress = without_progress, batch: int = 32
) -> NDArray[np.float32]:
    """Logits (N, C) of a network in evaluation mode, photos read and prepared as a device would."""
    return predict_outputs(network, photos, spec, progress, batch).logits


def answers_of_run(run: Run, photos: Sequence[Photo], progress: Progress = without_progress) -> Outputs:
    """What a run says to photos: the one way to ask it, whatever its network reads."""
    return predict_outputs(run.as_trained(), photos, run.info.recipe.input, progress)


def timed_call_of_run(run: Run, photo: Photo) -> Callable[[], object]:
    """One answer of a run's float network to a prepared photo on one thread, to be timed.

    Not of the network under INT8 rounding: imitating that costs time which no deployed network takes.
    """
    inputs = inputs_of([photo], run.info.recipe.input, torch.device("cpu"))
    network = run.network.cpu()

    def call() -> object:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                return network(*inputs)
        finally:
            torch.set_num_threads(threads)

    return call


def macs_of_run(run: Run) -> int:
    """Multiply-accumulates of one answer of a run."""
    spec = run.info.recipe.input
    return count_macs(run.network, spec.height_px, spec.width_px)


def score_network(
    network: nn.Module,
    dataset: Dataset,
    photos: Sequence[Photo],
    spec: InputSpec,
    progress: Progress = without_progress,
) -> Scores:
    """All scores of a network on some of a dataset's photos."""
    truth = truth_of(photos, dataset.labels)
    return score(softmax(predict_logits(network, photos, spec, progress)), truth, dataset.labels)


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
    dataset = open_dataset(data, info.labels)
    photos, protocol = choose_photos(dataset, part, info.recipe.split, info.data_fingerprint)
    return score_network(opened.as_trained(), dataset, photos, info.recipe.input, progress), protocol
