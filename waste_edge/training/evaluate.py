"""Scoring a network in torch, through the same preprocessing and metrics as a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from waste_edge.dataset import Dataset, Photo, open_dataset
from waste_edge.engines.evaluate import PartChoice, Progress, choose_photos, truth_of, without_progress
from waste_edge.metrics import Scores, score, softmax
from waste_edge.preprocess import InputSpec, prepare
from waste_edge.training.networks import normalize
from waste_edge.training.runs import open_run


def predict_logits(
    network: nn.Module, photos: Sequence[Photo], spec: InputSpec, progress: Progress = without_progress, batch: int = 32
) -> NDArray[np.float32]:
    """Logits (N, C) of a network in evaluation mode, photos read and prepared as a device would."""
    device = next(network.parameters()).device
    answers: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(photos), batch):
            pixels = np.stack([prepare(p.pixels(), spec) for p in photos[start : start + batch]])
            x = normalize(torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device))
            answers.append(network(x)[0].float().cpu().numpy())
            progress(min(start + batch, len(photos)), len(photos))
    return np.concatenate(answers)


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
