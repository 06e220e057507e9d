"""Scores of a classifier: numpy only, since a run on a workstation and a bundle on a board are scored alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from waste_edge.strict import Strict

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]


class LabelScore(Strict, frozen=True):
    """One label's row of the per-class table; all but `support` in 0..1."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


class Scores(Strict, frozen=True):
    """How well a classifier did on a set of pictures.

    Attributes:
        pictures: how many were scored.
        accuracy: share whose most probable label is right.
        accuracy_low, accuracy_high: its 95 % Wilson interval.
        macro_f1: mean F1 over labels that occur.
        ece: expected calibration error, 15 equal bins.
        rejected: share that the bundle's thresholds would call unknown.
        labels: the per-class table, in the model's label order.
        confusion: rows are true labels, columns predicted ones, in the model's label order.
    """

    pictures: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float
    ece: float
    rejected: float
    labels: list[LabelScore]
    confusion: list[list[int]]


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities over the last axis of `logits / temperature`, in float64."""
    scaled = np.asarray(logits, np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def confusion_matrix(truth: Integers, predicted: Integers, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): rows true, columns predicted."""
    counts = np.bincount(np.asarray(truth) * classes + np.asarray(predicted), minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927); 95 % by default. (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = share + z * z / (2 * trials)
    margin = z * float(np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)))
    scale = 1 + z * z / trials
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


def expected_calibration_error(probabilities: Floats, truth: Integers, bins: int = 15) -> float:
    """Mean |accuracy - confidence| over equal confidence bins, weighted by their size (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for index in range(bins):
        inside = bin_of == index
        if inside.any():
            error += inside.mean() * abs(float(right[inside].mean()) - float(confidence[inside].mean()))
    return float(error)


def fit_temperature(logits: Floats, truth: Integers) -> float:
    """The temperature of least negative log likelihood (Guo et al. 2017), by golden-section search.

    Args:
        logits: (N, C).
        truth: (N,) label indices.

    Returns:
        A temperature between 0.1 and 10.
    """

    def loss(log_temperature: float) -> float:
        probabilities = softmax(logits, float(np.exp(log_temperature)))
        return -float(np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean())

    low, high = float(np.log(0.1)), float(np.log(10.0))
    golden = (np.sqrt(5.0) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def score(
    probabilities: Floats, truth: Integers, labels: Sequence[str], rejected: NDArray[np.bool_] | None = None
) -> Scores:
    """All scores of one classifier on one set of pictures.

    Args:
        probabilities: (N, C), N at least 1.
        truth: (N,) indices into `labels`.
        labels: the model's own, in output order.
        rejected: (N,) what the thresholds would call unknown; None for a model without thresholds.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, len(labels))
    right, total = int(np.trace(confusion)), len(truth)
    low, high = wilson_interval(right, total)
    rows = [_label_score(confusion, index, label) for index, label in enumerate(labels)]
    return Scores(
        pictures=total,
        accuracy=right / total,
        accuracy_low=low,
        accuracy_high=high,
        macro_f1=float(np.mean([row.f1 for row in rows if row.support])),
        ece=expected_calibration_error(probabilities, truth),
        rejected=0.0 if rejected is None else float(np.mean(rejected)),
        labels=rows,
        confusion=confusion.tolist(),
    )


def _label_score(confusion: NDArray[np.int64], index: int, label: str) -> LabelScore:
    hits, support = int(confusion[index, index]), int(confusion[index].sum())
    named = int(confusion[:, index].sum())
    precision, recall = hits / named if named else 0.0, hits / support if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return LabelScore(label=label, precision=precision, recall=recall, f1=f1, support=support)
