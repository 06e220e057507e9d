from __future__ import annotations

import numpy as np
import pytest

from waste_edge.metrics.classification import (
    compare,
    confusion_matrix,
    expected_calibration_error,
    fit_temperature,
    paired_interval,
    score,
    softmax,
    wilson_interval,
)


def test_softmax_of_large_logits_and_a_temperature() -> None:
    assert softmax(np.array([1000.0, 1000.0])).tolist() == [0.5, 0.5]
    hot, cold = softmax(np.array([[2.0, 0.0]]), 4.0)[0], softmax(np.array([[2.0, 0.0]]), 0.5)[0]
    assert hot[0] == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert cold[0] == pytest.approx(1 / (1 + np.exp(-4.0)))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # computed by hand from Wilson's formula, and as in Agresti & Coull 1998
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (90, 100, 0.8256, 0.9448),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_rows_of_the_confusion_are_true_labels() -> None:
    confusion = confusion_matrix(np.array([0, 0, 2]), np.array([1, 1, 2]), 3)
    assert confusion.tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("confidence", "right", "expected"),
    [([1.0, 1.0], [1, 1], 0.0), ([1.0, 1.0], [1, 0], 0.5), ([0.8] * 4, [1, 1, 1, 1], 0.2), ([0.9, 0.6], [0, 1], 0.65)],
)
def test_calibration_error(confidence: list[float], right: list[int], expected: float) -> None:
    probabilities = np.array([[c, 1 - c] for c in confidence])
    truth = np.array([0 if ok else 1 for ok in right])
    assert expected_calibration_error(probabilities, truth) == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20_000, 4))
    chances = softmax(logits).cumsum(axis=1)
    truth = (generator.random((len(logits), 1)) > chances).sum(axis=1)  # drawn from the logits' own probabilities
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize(
    ("truth", "low", "high"), [([0, 0], 0.1, 0.5), ([1, 1], 9.99, 10.0)], ids=["never wrong", "always wrong"]
)
def test_a_temperature_stays_in_bounds(truth: list[int], low: float, high: float) -> None:
    assert low <= fit_temperature(np.array([[5.0, 0.0], [4.0, 0.0]]), np.array(truth)) <= high


def test_scores() -> None:
    probabilities = np.array([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.3, 0.7, 0.0]])
    scores = score(probabilities, np.array([0, 1, 1, 1]), ["a", "b", "c"], np.array([False, True, False, False]))
    assert (scores.pictures, scores.accuracy, scores.rejected) == (4, 0.75, 0.25)
    assert scores.accuracy_low < 0.75 < scores.accuracy_high
    assert scores.confusion == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    a, b, c = scores.labels
    assert (a.precision, a.recall, a.support) == (0.5, 1.0, 1)
    assert (b.precision, b.recall, b.support) == (1.0, pytest.approx(2 / 3), 3)
    assert (c.precision, c.recall, c.f1, c.support) == (0.0, 0.0, 0.0, 0)
    assert scores.macro_f1 == pytest.approx((a.f1 + b.f1) / 2), "labels without pictures do not count"


def test_scores_without_thresholds_reject_nothing() -> None:
    assert score(np.array([[1.0, 0.0]]), np.array([0]), ["a", "b"]).rejected == 0.0


@pytest.mark.parametrize(
    ("table", "interval"),
    [
        ((36, 12, 2, 0), (0.0569, 0.3404)),  # Newcombe 1998, table II, method 10
        ((14, 5, 0, 22), (0.011, 0.226)),  # Altman et al., Statistics with Confidence, table 6.2
    ],
)
def test_paired_interval_gives_the_published_figures(
    table: tuple[int, int, int, int], interval: tuple[float, float]
) -> None:
    both, first, second, neither = table
    one = np.array([True] * (both + first) + [False] * (second + neither))
    two = np.array([True] * both + [False] * first + [True] * second + [False] * neither)
    assert paired_interval(one, two) == pytest.approx(interval, abs=6e-4)


def test_a_comparison_names_what_changed() -> None:
    reference = np.array([[9.0, 0], [9, 0], [0, 9], [0, 9], [1, 0]])
    answers = np.array([[9.0, 0], [0, 4], [0, 9], [0, 9], [0, 1]])
    found = compare(reference, answers, np.array([0, 0, 1, 1, 1]), ["a", "b"], list("vwxyz"))
    assert (found.reference_accuracy, found.accuracy) == (0.8, 0.8)
    assert found.drop_points == 0
    assert found.drop_low_points < 0 < found.drop_high_points
    assert found.agreement == 0.6
    assert found.recall_change_points == {"a": -50.0, "b": pytest.approx(100 / 3)}
    assert [one.picture for one in found.worst] == ["w", "z"]
    assert (found.worst[0].truth, found.worst[0].reference, found.worst[0].answer) == ("a", "a", "b")
