"""Contamination: exact intervals against scipy, the estimate, and coverage under simulated label shift."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, hypergeom

from tools.contamination_coverage import CELLS, measure, pooled, table
from waste_edge.metrics.contamination import contamination, exact_interval

NONE = np.array([], np.int64)


def test_of_many_items_it_is_clopper_and_pearson_s() -> None:
    low, high = exact_interval(10_000_000, 20, 1)
    assert (low, high) == pytest.approx((beta.ppf(0.025, 1, 20), beta.ppf(0.975, 2, 19)), abs=1e-5)


@given(st.integers(1, 60), st.data())
@settings(max_examples=60, deadline=None)
def test_it_inverts_the_hypergeometric_test(items: int, data: st.DataObject) -> None:
    drawn = data.draw(st.integers(0, items))
    found = data.draw(st.integers(0, drawn))
    low, high = exact_interval(items, drawn, found)
    kept = [
        total
        for total in range(found, items - drawn + found + 1)
        if min(hypergeom.sf(found - 1, items, total, drawn), hypergeom.cdf(found, items, total, drawn)) > 0.025
    ]
    assert (low * items, high * items) == pytest.approx((min(kept), max(kept)))


def test_all_drawn_leaves_no_doubt_and_none_leaves_all() -> None:
    assert exact_interval(10, 10, 3) == (0.3, 0.3)
    assert exact_interval(10, 0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("given", [(0, 0, 0), (5, 6, 1), (5, 3, 4), (5, 3, -1)])
def test_impossible_draws_are_refused(given: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected found <= drawn <= items"):
        exact_interval(*given)


def test_without_audits_it_is_an_opinion_and_has_no_interval() -> None:
    found = contamination(np.array([0.1, 0.3, math.nan]), NONE, NONE.astype(bool))
    assert (found.basis, found.low, found.high) == ("model", None, None)
    assert found.estimate == found.model == pytest.approx(0.2)


def test_without_opinion_and_audits_nothing_is_known() -> None:
    found = contamination(np.array([math.nan, math.nan]), NONE, NONE.astype(bool))
    assert (found.basis, found.estimate, found.low, found.high) == ("nothing", None, None, None)


def test_many_answers_outweigh_an_opinion_that_is_off() -> None:
    generator = np.random.default_rng(0)
    wrong = generator.random(1000) < 0.3
    audited = np.arange(0, 1000, 5)
    found = contamination(np.full(1000, 0.01), audited, wrong[audited])
    assert found.model == pytest.approx(0.01)
    assert found.estimate == pytest.approx(wrong[audited].mean(), abs=0.01)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= wrong.mean() <= found.high


def test_opinions_that_tell_right_from_wrong_make_the_estimate_better() -> None:
    generator = np.random.default_rng(1)
    errors = []
    for _ in range(200):
        doubts = generator.choice([0.02, 0.6], size=600, p=[0.8, 0.2])
        wrong = generator.random(600) < doubts
        audited = generator.choice(600, size=80, replace=False)
        found = contamination(doubts, audited, wrong[audited])
        assert found.estimate is not None
        errors.append((found.estimate - wrong.mean(), wrong[audited].mean() - wrong.mean()))
    ours, plain = np.square(errors).mean(axis=0)
    assert ours < 0.85 * plain


def test_known_items_bound_the_interval_and_the_estimate() -> None:
    doubts = np.full(10, 0.05)
    found = contamination(doubts, np.array([0]), np.array([False]), known_wrong=3, known_right=4)
    assert (found.low, found.high) == (0.3, 0.6)
    assert found.estimate == 0.3


def test_items_without_an_opinion_are_estimated_from_the_answers() -> None:
    found = contamination(np.full(50, math.nan), np.arange(20), np.arange(20) < 5)
    assert (found.basis, found.estimate, found.model) == ("audits", 0.25, None)


@pytest.mark.parametrize("audited", [[0, 0], [0]])
def test_answers_that_do_not_fit_are_refused(audited: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        contamination(np.full(3, 0.1), np.array(audited), np.array([True, False]))


def test_intervals_hold_under_label_shift_and_miscalibration() -> None:
    """A fast version: every fifth cell; the model's own word holds in far fewer, so that this would show."""
    tallies = measure(CELLS[::5], stations=6, seed=3)
    ours = pooled(tallies["answers, exact (ours)"].values())
    assert ours.cases > 400
    assert ours.coverage >= 0.95
    assert pooled(tallies["the model's own probabilities"].values()).coverage < 0.6


@pytest.mark.long
def test_intervals_hold_in_every_cell() -> None:
    tallies = measure(CELLS, stations=100, seed=1)
    ours = tallies["answers, exact (ours)"]
    assert pooled(ours.values()).coverage >= 0.95
    # Three standard errors below 95 % and more are let pass in a single cell.
    short = {cell: tally for cell, tally in ours.items() if tally.cases >= 200 and tally.coverage < 0.93}
    assert short == {}


def test_the_table_has_a_row_a_method() -> None:
    lines = table(measure(CELLS[:2], stations=2)).splitlines()
    assert lines[0].startswith("| interval | of all |")
    assert len(lines) == 2 + 4
    assert "exact (ours)" in lines[-1]
