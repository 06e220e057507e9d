"""Confidence of a fitted head: temperature, known score and thresholds, from items left out."""

from __future__ import annotations

import numpy as np
import pytest

from tests.heads.sites import FEATURES, LABELS, simulated
from waste_edge.heads import Strangers, Wanted, fit_confidence, fit_head
from waste_edge.heads.confidence import own_score
from waste_edge.metrics.classification import expected_calibration_error, softmax
from waste_edge.rejection import Direction, Scorer

BLIND = Scorer("linear", 1.0, Direction(np.zeros(FEATURES), 0.5))  # knows everything alike


def strangers(count: int = 20) -> Strangers:
    generator = np.random.default_rng(9)
    features = np.abs(8 * generator.normal(size=(count, FEATURES)))
    return Strangers(generator.normal(size=(count, LABELS)), features)


def test_a_heads_probabilities_mean_what_they_say_on_other_items() -> None:
    shots, others = simulated(15), simulated(300, seed=2)
    fit = fit_head(shots, LABELS, 1.0)
    found = fit_confidence(shots, fit, None, BLIND, Wanted(0.5))
    said = softmax(fit.head(others.logits, others.features), found.temperature)
    assert expected_calibration_error(said, others.truth) < 0.08


def test_without_strangers_the_shipped_score_stays_with_a_threshold_of_the_site() -> None:
    shots = simulated(10)
    shipped = Scorer("linear", 1.0, Direction(np.eye(FEATURES)[0], 0.0))
    found = fit_confidence(shots, fit_head(shots, LABELS, 1.0), None, shipped, Wanted(0.5))
    assert not found.is_own
    assert (found.auroc, found.strangers_let_through) == (None, None)
    kept = (shots.features[:, 0] >= found.min_known_score).mean()
    assert 0.9 <= kept < 1.0


def test_a_score_of_the_sites_own_shots_takes_its_place_where_it_tells_strangers_better() -> None:
    shots = simulated(10)
    found = fit_confidence(shots, fit_head(shots, LABELS, 1.0), strangers(), BLIND, Wanted(0.5))
    assert found.is_own
    assert found.auroc is not None
    assert found.auroc_shipped is not None
    assert found.auroc > 0.9 > found.auroc_shipped
    assert found.strangers_let_through is not None
    assert found.strangers_let_through < 0.3


def test_few_strangers_are_not_enough_to_change_it() -> None:
    shots = simulated(10)
    found = fit_confidence(shots, fit_head(shots, LABELS, 1.0), strangers(4), BLIND, Wanted(0.5))
    assert not found.is_own


def test_an_items_own_views_do_not_make_it_known() -> None:
    shots = simulated(6, views=5)
    scorer, left_out = own_score(shots)
    assert (left_out < scorer(shots.logits, shots.features) - 1e-6).mean() > 0.9
    _, once = own_score(simulated(6))
    assert left_out.mean() == pytest.approx(once.mean(), abs=0.03)


@pytest.mark.parametrize(("cost", "expected"), [(None, 0.5), (0.02, 0.8)])
def test_where_not_sorting_is_cheap_more_is_asked_for(cost: float | None, expected: float) -> None:
    shots = simulated(15, moved=2.0)
    found = fit_confidence(shots, fit_head(shots, LABELS, 1.0), None, BLIND, Wanted(0.5, cost))
    assert found.min_confidence == 0.5 if cost is None else found.min_confidence >= expected
