"""ROC and precision-recall curves, one label against the rest, and reliability bins: numpy only, as `metrics` is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from waste_edge.files.strict import Strict
from waste_edge.metrics.classification import Floats, Integers

Flags = NDArray[np.bool_]


class LabelCurves(Strict, frozen=True):
    """One label against the rest: how well its probability alone finds its pictures.

    Attributes:
        label: whose probability is the score.
        auc: area under the ROC curve.
        average_precision: sum of precision times the step in recall (not the trapezoid, which flatters).
        false_positive_rate, true_positive_rate: the ROC curve, thinned for drawing; the areas are of the whole one.
        recall, precision: the precision-recall curve, thinned likewise.
    """

    label: str
    auc: float
    average_precision: float
    false_positive_rate: list[float]
    true_positive_rate: list[float]
    recall: list[float]
    precision: list[float]


class ReliabilityBin(Strict, frozen=True):
    """Pictures whose confidence lies in `low` to `high`; mean confidence and accuracy are 0 where there are none."""

    low: float
    high: float
    pictures: int
    confidence: float
    accuracy: float


def roc_curve(positive: Flags, scores: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rates from (0, 0) to (1, 1) as the threshold falls, equal scores in one step.

    Args:
        positive: (N,) which pictures should score high; at least one should and one should not.
        scores: (N,).
    """
    hits, named = _steps(positive, scores)
    return np.concatenate([[0.0], (named - hits) / (~positive).sum()]), np.concatenate([[0.0], hits / positive.sum()])


def precision_recall_curve(positive: Flags, scores: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall as the threshold falls, after the customary first point (1, 0); arguments as above."""
    hits, named = _steps(positive, scores)
    return np.concatenate([[1.0], hits / named]), np.concatenate([[0.0], hits / positive.sum()])


def area_under(x: Floats, y: Floats) -> float:
    """Area below a curve, by trapezoids; `x` must not fall."""
    return float(((x[1:] - x[:-1]) * (y[1:] + y[:-1])).sum() / 2)


def auroc(positive: Flags, scores: Floats) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, equal scores counting half."""
    return area_under(*roc_curve(positive, scores))


def average_precision(positive: Flags, scores: Floats) -> float:
    """Mean precision over the steps in recall, as scikit-learn counts it."""
    precision, recall = precision_recall_curve(positive, scores)
    return float(((recall[1:] - recall[:-1]) * precision[1:]).sum())


def one_against_rest(
    probabilities: Floats, truth: Integers, labels: Sequence[str], points: int = 200
) -> list[LabelCurves]:
    """Curves of every label that some pictures have and others have not, in the model's label order.

    Args:
        probabilities: (N, C).
        truth: (N,) indices into `labels`.
        labels: the model's own, in output order.
        points: at most so many of each curve are kept.
    """
    found = []
    for index, label in enumerate(labels):
        positive, scores = np.asarray(truth == index), probabilities[:, index]
        if positive.all() or not positive.any():
            continue
        fpr, tpr = roc_curve(positive, scores)
        precision, recall = precision_recall_curve(positive, scores)
        roc, pr = _thinned(len(fpr), points), _thinned(len(recall), points)
        found.append(
            LabelCurves(
                label=label,
                auc=area_under(fpr, tpr),
                average_precision=average_precision(positive, scores),
                false_positive_rate=_short(fpr[roc]),
                true_positive_rate=_short(tpr[roc]),
                recall=_short(recall[pr]),
                precision=_short(precision[pr]),
            )
        )
    return found


def macro_roc(
    probabilities: Floats, truth: Integers, labels: Sequence[str], points: int = 101
) -> tuple[list[float], list[float]]:
    """One curve for all labels: the mean true positive rate at each of `points` false positive rates.

    Empty lists where no label has both pictures that show it and others.
    """
    grid = np.linspace(0, 1, points)
    rates = []
    for index in range(len(labels)):
        positive = np.asarray(truth == index)
        if positive.any() and not positive.all():
            fpr, tpr = roc_curve(positive, probabilities[:, index])
            rates.append(np.interp(grid, fpr, tpr))
    if not rates:
        return [], []
    # The curve begins at (0, 0), then jumps to what is found without any false alarm.
    return [0.0, *_short(grid)], [0.0, *_short(np.mean(rates, axis=0))]


def reliability_bins(probabilities: Floats, truth: Integers, bins: int = 15) -> list[ReliabilityBin]:
    """The bins that `metrics.expected_calibration_error` sums over (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        ReliabilityBin(
            low=index / bins,
            high=(index + 1) / bins,
            pictures=int(inside.sum()),
            confidence=float(confidence[inside].mean()) if inside.any() else 0.0,
            accuracy=float(right[inside].mean()) if inside.any() else 0.0,
        )
        for index in range(bins)
        for inside in [bin_of == index]
    ]


def _steps(positive: Flags, scores: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At each distinct score, falling: how many positives score at least that, and how many do at all."""
    order = np.argsort(-np.asarray(scores), kind="stable")
    ordered = np.asarray(scores)[order]
    last_of_equals = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return positive[order].cumsum()[last_of_equals].astype(np.float64), last_of_equals + 1.0


def _thinned(count: int, points: int) -> NDArray[np.int64]:
    """Indices of at most `points` of `count`, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(points, count)).round().astype(np.int64))


def _short(values: Floats) -> list[float]:
    return [round(float(value), 4) for value in values]
