"""Fitting of heads: better than what was shipped where a site is foreign, no worse where it is not."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.heads.sites import FEATURES, LABELS, simulated
from waste_edge.heads import CANDIDATES, Shots, fit_head
from waste_edge.heads.fitting import Candidate, _logistic, _means
from waste_edge.heads.head import carried, centred
from waste_edge.metrics.classification import softmax


def right(logits: np.ndarray, shots: Shots) -> float:
    return float((logits.argmax(axis=1) == shots.truth).mean())


@pytest.mark.parametrize("views", [1, 3])
def test_a_head_learns_a_foreign_site_from_a_few_items(views: int) -> None:
    fit = fit_head(simulated(8, views), LABELS, 1.0)
    others = simulated(200, seed=1)
    shipped, new = right(others.logits, others), right(fit.head(others.logits, others.features), others)
    assert new > shipped + 0.1
    assert fit.folds == 8 * LABELS, "one item is left out at a time"


def test_a_site_like_home_is_left_as_it_is() -> None:
    fit = fit_head(simulated(8, moved=0.0), LABELS, 1.0)
    others = simulated(400, moved=0.0, seed=1)
    assert right(fit.head(others.logits, others.features), others) > right(others.logits, others) - 0.03


def test_an_own_label_is_learnt_and_the_others_stay() -> None:
    shots = simulated(8, own=1)
    fit = fit_head(shots, LABELS + 1, 1.0)
    others = simulated(100, seed=1, own=1)
    named = fit.head(others.logits, others.features).argmax(axis=1)
    own = others.truth == LABELS
    assert (named[own] == LABELS).mean() > 0.7
    assert (named[~own] == others.truth[~own]).mean() > 0.7


def test_what_is_held_out_was_not_fitted_with() -> None:
    """Of labels that mean nothing a head that had seen the item would name it rightly all the same."""
    shots = simulated(12, moved=0.0)
    nonsense = Shots(shots.logits * 0, shots.features, np.random.default_rng(3).permutation(shots.truth), shots.item)
    fit = fit_head(nonsense, LABELS, 1.0)
    assert right(fit.held_out, nonsense) < 0.6


def test_views_of_one_item_are_left_out_together() -> None:
    """Twelve views of each of two items a label: with a view of the same item left in, all would be named rightly."""
    generator = np.random.default_rng(5)
    places = 3 * generator.normal(size=(4, FEATURES))
    rows = np.repeat(np.arange(4), 12)
    features = places[rows] + 0.01 * generator.normal(size=(48, FEATURES))
    shots = Shots(np.zeros((48, 2)), features, rows % 2, rows)
    fit = fit_head(shots, 2, 1.0)
    assert fit.folds == 4
    assert right(fit.held_out, shots) < 0.8


def test_a_fit_of_the_logistic_regression_is_where_the_gradient_vanishes() -> None:
    shots = simulated(10)
    features = shots.features - shots.features.mean(axis=0)
    left, lengths, _ = np.linalg.svd(features, full_matrices=False)
    points = np.concatenate([left * lengths, np.ones((len(shots), 1))], axis=1)
    offsets, weights = centred(shots.logits, LABELS), np.ones((1, len(shots)))
    found = _logistic(points, shots.truth, offsets, weights, 1.0)[0]
    penalty = np.full((points.shape[1], 1), 1.0)
    penalty[-1] = 1e-2
    off = softmax(offsets + points @ found) - np.eye(LABELS)[shots.truth]
    assert np.abs(points.T @ off + penalty * found).max() < 0.05


def test_class_means_name_the_nearest_one() -> None:
    points = np.array([[0.0, 1.0, 1.0], [0.0, -1.0, 1.0]])
    found = _means(points, np.array([0, 1]), np.ones((1, 2)), (2, 1.0))[0]
    assert (points @ found).argmax(axis=1).tolist() == [0, 1]


def test_what_is_carried_of_the_shipped_head_is_its_logits_without_their_mean() -> None:
    logits = np.array([[1.0, 2.0, 6.0]])
    np.testing.assert_allclose(logits @ carried(3, 4, 0.5), 0.5 * centred(logits, 4))
    np.testing.assert_allclose(centred(logits, 4), [[-2.0, -1.0, 3.0, 0.0]])


@pytest.mark.parametrize("counts", [(5, 0, 0), (5, 1, 0), (1, 1, 1)])
def test_too_few_items_are_refused(counts: tuple[int, int, int]) -> None:
    whole = simulated(5)
    kept = np.concatenate([np.flatnonzero(whole.truth == index)[:count] for index, count in enumerate(counts)])
    with pytest.raises(ValueError, match="two items of each of two labels"):
        fit_head(whole.of(kept), LABELS, 1.0)


def test_sixty_items_take_seconds_and_little_memory() -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat(np.arange(6), 10)
    features = np.abs(generator.normal(size=(60, 1280))) + np.eye(6)[truth] @ generator.normal(size=(6, 1280))
    shots = Shots(generator.normal(size=(60, 6)), features, truth, np.arange(60))
    started = time.process_time()
    fit_head(shots, 6, 1.0)
    assert time.process_time() - started < 3.0


def test_every_candidate_says_what_it_is() -> None:
    assert len({candidate.in_words for candidate in CANDIDATES}) == len(CANDIDATES)
    assert "class means" in Candidate("prototypes", 1.0, 0.5).in_words
