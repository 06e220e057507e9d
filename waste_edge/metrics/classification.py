"""Scores of a classifier: numpy only, since a run on a workstation and a bundle on a board are scored alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from waste_edge.files.strict import Strict

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
    """Classification scores on a set of pictures.

    Attributes:
        pictures: how many were scored.
        accuracy: share whose most probable label is right.
        accuracy_low, accuracy_high: its 95 % Wilson interval.
        macro_f1: mean F1 over labels that occur.
        ece: expected calibration error, 15 equal bins.
        rejected: share that the bundle's thresholds would call unknown.
        labels: the per-class table, in the model's label order.
        confusion: rows are true labels, columns predicted ones, in the model's label order.
        weighted_f1: mean F1 weighted by how often each label occurs; None in files from before it was counted.
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
    weighted_f1: float | None = None


class Disagreement(Strict, frozen=True):
    """One picture that two classifiers answer differently, with each one's probability of its own answer."""

    picture: str
    truth: str
    reference: str
    reference_probability: float
    answer: str
    answer_probability: float


class Comparison(Strict, frozen=True):
    """A classifier against the reference it should stand for, on the same pictures.

    Attributes:
        pictures: how many both were asked about.
        reference_accuracy, accuracy: shares that are right.
        drop_points: 100 * (reference_accuracy - accuracy); negative if the classifier is the better one.
        drop_low_points, drop_high_points: its 95 % interval for paired answers, see `paired_interval`.
        agreement: share of pictures with the same best label.
        recall_change_points: by label that occurs, 100 * (recall - the reference's recall).
        worst: the disagreements the two are surest of, surest first.
    """

    pictures: int
    reference_accuracy: float
    accuracy: float
    drop_points: float
    drop_low_points: float
    drop_high_points: float
    agreement: float
    recall_change_points: dict[str, float]
    worst: list[Disagreement]


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


def paired_interval(
    first_right: NDArray[np.bool_], second_right: NDArray[np.bool_], z: float = 1.959964
) -> tuple[float, float]:
    """Interval of the difference of two shares on the same pictures, first minus second; 95 % by default.

    Method 10 of Newcombe, Statistics in Medicine 17, 2635-2650 (1998): the Wilson limits of both shares,
    squared, added, and corrected for how the two go together. Unlike the plain Wald interval it
    has a width even where the two never differ.

    Args:
        first_right, second_right: (N,) whether each classifier was right; N at least 1.

    Returns:
        Its lower and upper end, in -1..1.
    """
    total = len(first_right)
    both, neither = int((first_right & second_right).sum()), int((~first_right & ~second_right).sum())
    first, second = int(first_right.sum()), int(second_right.sum())
    (low1, high1), (low2, high2) = wilson_interval(first, total, z), wilson_interval(second, total, z)
    product = float(first) * (total - first) * second * (total - second)
    together = float(both) * neither - float(first - both) * (second - both)
    if together > 0:
        together = max(together - total / 2, 0.0)
    phi = together / float(np.sqrt(product)) if product else 0.0
    share1, share2 = first / total, second / total

    def reach(of_first: float, of_second: float) -> float:
        return float(np.sqrt(max(of_first**2 - 2 * phi * of_first * of_second + of_second**2, 0.0)))

    difference = share1 - share2
    return difference - reach(share1 - low1, high2 - share2), difference + reach(high1 - share1, share2 - low2)


def compare(
    reference: Floats, answers: Floats, truth: Integers, labels: Sequence[str], pictures: Sequence[str], worst: int = 10
) -> Comparison:
    """Hold a classifier against its reference.

    Args:
        reference, answers: logits (N, C) for the same pictures, N at least 1.
        truth: (N,) indices into `labels`.
        labels: the model's own, in output order.
        pictures: (N,) what to call each picture.
        worst: how many disagreements to name.
    """
    expected, given = reference.argmax(axis=1), answers.argmax(axis=1)
    before, after = expected == truth, given == truth
    low, high = paired_interval(before, after)
    recalls = {
        label: 100 * float(after[truth == index].mean() - before[truth == index].mean())
        for index, label in enumerate(labels)
        if (truth == index).any()
    }
    return Comparison(
        pictures=len(truth),
        reference_accuracy=float(before.mean()),
        accuracy=float(after.mean()),
        drop_points=100 * (int(before.sum()) - int(after.sum())) / len(truth),  # exact, since it meets a limit
        drop_low_points=100 * low,
        drop_high_points=100 * high,
        agreement=float((expected == given).mean()),
        recall_change_points=recalls,
        worst=_disagreements(softmax(reference), softmax(answers), truth, labels, pictures)[:worst],
    )


def _disagreements(
    reference: Floats, answers: Floats, truth: Integers, labels: Sequence[str], pictures: Sequence[str]
) -> list[Disagreement]:
    """Every picture with two answers, those first where the less sure of the two is surest."""
    expected, given = reference.argmax(axis=1), answers.argmax(axis=1)
    sureness = np.minimum(reference.max(axis=1), answers.max(axis=1))
    differing = [int(index) for index in np.argsort(-sureness, kind="stable") if expected[index] != given[index]]
    return [
        Disagreement(
            picture=pictures[index],
            truth=labels[truth[index]],
            reference=labels[expected[index]],
            reference_probability=round(float(reference[index].max()), 4),
            answer=labels[given[index]],
            answer_probability=round(float(answers[index].max()), 4),
        )
        for index in differing
    ]


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


def fit_temperature(logits: Floats, truth: Integers, weights: Floats | None = None) -> float:
    """The temperature of least negative log likelihood (Guo et al. 2017), by golden-section search.

    Args:
        logits: (N, C).
        truth: (N,) label indices.
        weights: (N,), what each picture counts; all alike if None.

    Returns:
        A temperature between 0.1 and 10.
    """

    def loss(log_temperature: float) -> float:
        probabilities = softmax(logits, float(np.exp(log_temperature)))
        of_truth = np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)
        return -float(np.average(np.log(of_truth), weights=weights))

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
        weighted_f1=sum(row.f1 * row.support for row in rows) / total,
    )


def _label_score(confusion: NDArray[np.int64], index: int, label: str) -> LabelScore:
    hits, support = int(confusion[index, index]), int(confusion[index].sum())
    named = int(confusion[:, index].sum())
    precision, recall = hits / named if named else 0.0, hits / support if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return LabelScore(label=label, precision=precision, recall=recall, f1=f1, support=support)
