"""Assessment: intervals that hold, a test that is not fooled, and what to show next."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.heads.sites import LABELS, simulated
from waste_edge.heads import Shots, assess, fit_head
from waste_edge.heads.assessment import balanced, flip_test, recall

NAMES = ["cup", "can", "box"]


def test_a_foreign_site_is_found_to_be_served_better() -> None:
    shots = simulated(10, moved=4.0)
    found = assess(shots, fit_head(shots, LABELS, 1.0), NAMES)
    assert found.better
    assert found.p_value < 0.1
    assert found.gain.low > 0
    assert found.accuracy.low < found.accuracy.value <= found.accuracy.high
    assert (found.items, found.shots) == (30, 30)
    assert "points" in found.verdict


def test_a_site_like_home_is_not() -> None:
    shots = simulated(6, moved=0.0)
    found = assess(shots, fit_head(shots, LABELS, 1.0), NAMES)
    assert not found.better
    assert "show more items" in found.verdict


def test_views_of_an_item_are_no_evidence_of_their_own() -> None:
    once, often = simulated(6), simulated(6, views=4)
    few, many = (assess(shots, fit_head(shots, LABELS, 1.0), NAMES) for shots in (once, often))
    assert (many.items, many.shots) == (18, 72)
    assert many.accuracy.high - many.accuracy.low > 0.6 * (few.accuracy.high - few.accuracy.low)


def test_an_own_label_has_no_shipped_accuracy_and_a_label_without_items_none_at_all() -> None:
    shots = simulated(6, own=1)
    kept = shots.of(shots.truth != 1)
    found = assess(kept, fit_head(kept, LABELS + 1, 1.0), [*NAMES, "foam"])
    by_label = {one.label: one for one in found.labels}
    assert by_label["foam"].shipped is None
    assert by_label["foam"].accuracy is not None
    assert (by_label["can"].accuracy, by_label["can"].items) == (None, 0)
    assert found.next[0] == "can", "what was never shown comes first"


def test_a_label_that_gets_worse_is_told() -> None:
    """The shipped head is always right about the first label, whose pictures are like those of the second."""
    generator = np.random.default_rng(1)
    truth = np.repeat([0, 1], [4, 20])
    features = 2.0 + 0.1 * generator.normal(size=(24, 8))
    shots = Shots(np.tile([1.0, 0.0], (24, 1)), features, truth, np.arange(24))
    found = assess(shots, fit_head(shots, 2, 1.0), ["rare", "common"])
    assert [one.label for one in found.labels if one.worse] == ["rare"]


@pytest.mark.parametrize("items", [3, 10, 40])
def test_a_labels_interval_is_wilsons_of_one_item_fewer(items: int) -> None:
    hits = np.arange(items) < items // 2
    found = recall(hits.astype(float))
    share = hits.mean()
    expected = stats.binomtest(round(share * 1e6), 1_000_000).proportion_ci(method="wilson")
    assert found.low < expected.low < found.value < expected.high < found.high
    z, trials = 1.959964, items - 1
    inside = (found.low - share) ** 2 / (found.low * (1 - found.low) / trials)
    assert inside == pytest.approx(z * z, rel=1e-4), "the score test just accepts its own limit"


def test_intervals_of_labels_are_put_together_by_their_squares() -> None:
    one = recall(np.array([1.0, 0.0, 1.0, 1.0]))
    both = balanced([one, one])
    assert both.value == one.value
    assert both.value - both.low == pytest.approx(1.4 * (one.value - one.low) / np.sqrt(2))


def test_the_flip_test_counts_every_sign_of_few_items() -> None:
    truth = np.zeros(8, int)
    assert flip_test(np.array([1.0, 1, 1, 1, 1, 0, 0, 0]), truth) == pytest.approx(1 / 32)
    assert flip_test(np.zeros(8), truth) == 1.0


def test_the_flip_test_is_right_as_often_as_it_says() -> None:
    generator = np.random.default_rng(4)
    truth = np.repeat([0, 1], 12)
    drawn = [flip_test(generator.choice([-1.0, 0.0, 1.0], size=24), truth) for _ in range(300)]
    assert np.mean(np.array(drawn) <= 0.05) < 0.09
