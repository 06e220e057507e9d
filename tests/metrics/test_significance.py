from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from waste_edge.metrics.significance import (
    group_bootstrap,
    group_bootstrap_difference,
    group_bootstrap_mean,
    holm,
    mcnemar,
    spread,
    student_quantile,
)


@pytest.mark.parametrize(("first_only", "second_only"), [(0, 0), (5, 0), (3, 9), (40, 60), (1500, 1700)])
def test_mcnemar_is_the_binomial_test_of_the_differing(first_only: int, second_only: int) -> None:
    first = np.array([True] * first_only + [False] * second_only + [True] * 20 + [False] * 7)
    second = np.array([False] * first_only + [True] * second_only + [True] * 20 + [False] * 7)
    differing = first_only + second_only
    expected = stats.binomtest(first_only, differing).pvalue if differing else 1.0
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(second, first) == mcnemar(first, second)


def test_holm_gives_the_textbooks_figures() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 9, 10, 29])
def test_students_quantile(degrees: int) -> None:
    assert student_quantile(0.975, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-9)


def test_spread_over_runs() -> None:
    values = [0.81, 0.84, 0.79]
    found = spread(values)
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (found.runs, found.mean, found.std) == (
        3,
        pytest.approx(np.mean(values)),
        pytest.approx(np.std(values, ddof=1)),
    )
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    alone = spread([0.5])
    assert (alone.runs, alone.std, alone.low, alone.high) == (1, 0.0, 0.5, 0.5)


def answers(groups: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Groups of `size` pictures that are right or wrong together."""
    generator = np.random.default_rng(seed)
    truth = np.repeat(generator.integers(0, 3, groups), size)
    wrong = np.repeat(generator.random(groups) < 0.3, size)
    return truth, np.where(wrong, (truth + 1) % 3, truth), [f"g{index // size}" for index in range(groups * size)]


def test_the_bootstrap_of_single_pictures_agrees_with_the_normal_interval() -> None:
    truth, predicted, groups = answers(600, 1, 0)
    found = group_bootstrap(truth, predicted, groups, 3)
    share = float((truth == predicted).mean())
    margin = 1.96 * np.sqrt(share * (1 - share) / 600)
    assert (found.groups, found.accuracy.value) == (600, share)
    assert (found.accuracy.low, found.accuracy.high) == (
        pytest.approx(share - margin, abs=0.005),
        pytest.approx(share + margin, abs=0.005),
    )
    assert found.macro_f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert found.weighted_f1.value == pytest.approx(f1_score(truth, predicted, average="weighted"))
    assert found.macro_f1.low < found.macro_f1.value < found.macro_f1.high


def test_pictures_that_stand_or_fall_together_widen_the_interval() -> None:
    truth, predicted, groups = answers(100, 9, 1)
    together = group_bootstrap(truth, predicted, groups, 3).accuracy
    alone = group_bootstrap(truth, predicted, [str(index) for index in range(900)], 3).accuracy
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(3, rel=0.15), "sqrt(9)"


def test_the_same_seed_draws_the_same_groups() -> None:
    truth, predicted, groups = answers(50, 2, 2)
    assert group_bootstrap(truth, predicted, groups, 3) == group_bootstrap(truth, predicted, groups, 3)


def test_a_paired_difference_over_groups() -> None:
    first = np.repeat([True, False], [300, 100])
    second = np.repeat([True, False], [260, 140])
    found = group_bootstrap_difference(first, second, [str(index) for index in range(400)])
    assert found.value == pytest.approx(0.1)
    margin = 1.96 * np.sqrt((0.1 - 0.1**2) / 400)
    assert (found.low, found.high) == (pytest.approx(0.1 - margin, abs=0.006), pytest.approx(0.1 + margin, abs=0.006))
    none = group_bootstrap_difference(first, first, [str(index // 4) for index in range(400)])
    assert (none.value, none.low, none.high) == (0.0, 0.0, 0.0)


def test_a_mean_of_right_and_wrong_is_the_accuracy() -> None:
    truth, predicted, groups = answers(40, 3, 0)
    right = truth == predicted
    found = group_bootstrap_mean(right.astype(float), groups)
    assert found == group_bootstrap(truth, predicted, groups, 3).accuracy
    assert group_bootstrap_difference(right, ~right, groups) == group_bootstrap_mean(
        right.astype(float) - (~right).astype(float), groups
    )


def test_a_mean_over_groups_is_less_certain_than_over_pictures() -> None:
    values = np.repeat(np.random.default_rng(1).random(30), 4)
    together = group_bootstrap_mean(values, [str(index // 4) for index in range(120)])
    alone = group_bootstrap_mean(values, [str(index) for index in range(120)])
    assert together.value == alone.value == pytest.approx(values.mean())
    assert together.high - together.low > 1.6 * (alone.high - alone.low)
    assert alone.low < alone.value < alone.high
