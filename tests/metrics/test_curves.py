"""Curves against scikit-learn, which the core itself must not import."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from waste_edge.metrics.classification import expected_calibration_error, score, softmax
from waste_edge.metrics.curves import (
    area_under,
    auroc,
    average_precision,
    macro_roc,
    one_against_rest,
    precision_recall_curve,
    reliability_bins,
    roc_curve,
)


def some_answers(seed: int, pictures: int = 300, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, pictures)
    logits = generator.normal(0, 1, (pictures, classes)) + 1.5 * np.eye(classes)[truth]
    return softmax(logits.round(1)), truth  # rounded, so that scores tie


@pytest.mark.parametrize("seed", range(4))
def test_curves_and_areas_are_scikit_learns(seed: int) -> None:
    probabilities, truth = some_answers(seed)
    positive, scores = truth == 1, probabilities[:, 1].round(2)
    fpr, tpr = roc_curve(positive, scores)
    theirs = sk.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(fpr, theirs[0])
    np.testing.assert_allclose(tpr, theirs[1])
    precision, recall = precision_recall_curve(positive, scores)
    their_precision, their_recall, _ = sk.precision_recall_curve(positive, scores)
    np.testing.assert_allclose(precision, their_precision[::-1])
    np.testing.assert_allclose(recall, their_recall[::-1])
    assert auroc(positive, scores) == pytest.approx(sk.roc_auc_score(positive, scores))
    assert average_precision(positive, scores) == pytest.approx(sk.average_precision_score(positive, scores))


def test_one_against_the_rest_is_scikit_learns_macro_average() -> None:
    probabilities, truth = some_answers(7)
    curves = one_against_rest(probabilities, truth, ["a", "b", "c", "d"], points=50)
    assert [one.label for one in curves] == ["a", "b", "c", "d"]
    theirs = sk.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")
    assert np.mean([one.auc for one in curves]) == pytest.approx(theirs)
    for one in curves:
        assert len(one.false_positive_rate) == len(one.true_positive_rate) <= 50
        assert (one.true_positive_rate[0], one.true_positive_rate[-1]) == (0, 1)
        thinned = area_under(np.array(one.false_positive_rate), np.array(one.true_positive_rate))
        assert thinned == pytest.approx(one.auc, abs=0.01)


def test_labels_without_pictures_have_no_curve() -> None:
    probabilities, truth = some_answers(1)
    truth = np.where(truth == 3, 0, truth)
    assert [one.label for one in one_against_rest(probabilities, truth, ["a", "b", "c", "d"])] == ["a", "b", "c"]
    assert one_against_rest(probabilities, np.zeros(len(truth), int), ["a", "b", "c", "d"]) == []
    assert macro_roc(probabilities, np.zeros(len(truth), int), ["a", "b", "c", "d"]) == ([], [])


def test_the_macro_curve_is_the_mean_of_the_labels_curves() -> None:
    probabilities, truth = some_answers(2)
    fpr, tpr = macro_roc(probabilities, truth, ["a", "b", "c", "d"], points=2001)
    mean = np.mean([one.auc for one in one_against_rest(probabilities, truth, ["a", "b", "c", "d"])])
    assert area_under(np.array(fpr), np.array(tpr)) == pytest.approx(mean, abs=2e-3)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)


def test_reliability_bins_sum_to_the_calibration_error() -> None:
    probabilities, truth = some_answers(3)
    bins = reliability_bins(probabilities, truth)
    error = sum(one.pictures / len(truth) * abs(one.accuracy - one.confidence) for one in bins)
    assert error == pytest.approx(expected_calibration_error(probabilities, truth))
    assert sum(one.pictures for one in bins) == len(truth)
    assert all(one.low <= one.confidence <= one.high for one in bins if one.pictures)


def test_f1_is_scikit_learns() -> None:
    probabilities, truth = some_answers(5)
    truth = np.where(truth == 3, 0, truth)
    scores = score(probabilities, truth, ["a", "b", "c", "d"])
    predicted = probabilities.argmax(axis=1)
    assert scores.weighted_f1 == pytest.approx(sk.f1_score(truth, predicted, average="weighted"))
    assert scores.macro_f1 == pytest.approx(sk.f1_score(truth, predicted, average="macro", labels=[0, 1, 2]))
