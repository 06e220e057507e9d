"""Intervals of commissioning on simulated sites: a few of those of `python -m tools.head_coverage`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools import rendered_sites
from tools.head_coverage import (
    LABELS,
    Held,
    Setting,
    measure,
    measure_rendered,
    site_of,
    table,
    table_of_rendered,
    wrong_once,
)
from tools.rendered_sites import answers, draw_pool, shots_of_site
from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.engines.classifier import load_classifier
from waste_edge.metrics.significance import Interval


def test_intervals_hold_on_foreign_sites_and_a_good_head_is_not_replaced() -> None:
    foreign, home = Setting(3.0, 5, 1), Setting(0.0, 5, 1)
    tallies = measure([foreign, home], 12)
    held = sum(tally.means.held for tally in tallies.values()) / 24
    labels = sum(tally.labels.held for tally in tallies.values()) / sum(tally.labels.all for tally in tallies.values())
    assert held >= 0.8, "of a few sites; the whole table has more than nine in ten"
    assert labels >= 0.88
    assert tallies[foreign].gain / 12 > 0.08
    assert tallies[home].worse == 0
    assert table(tallies).count("\n") == 3


def test_asking_again_and_again_does_not_make_a_head_better() -> None:
    assert wrong_once(0.0, 4) == 0


def test_rendered_sites_are_shown_in_part_and_judged_by_the_rest() -> None:
    """The tally by simulated shots in the place of rendered ones: of 5 items shown none judges."""
    generator = np.random.default_rng(3)
    sites = [site_of(Setting(3.0, 5, 1), generator).shots(40, 1, generator) for _ in range(6)]
    tallies = measure_rendered(sites, 1.0, (5,))
    assert (tallies[5].sites, tallies[5].labels.all) == (6, 6 * LABELS)
    assert tallies[5].gain / 6 > 0.05
    assert 4 <= tallies[5].means.held <= tallies[5].means.allowed
    assert table_of_rendered(tallies).splitlines()[2].startswith("| 5 | +")


def test_a_rendered_site_is_one_view_of_several_items() -> None:
    with open_bundle(find_bundle("small")) as bundle:
        classifier, labels = load_classifier(bundle), bundle.manifest.labels
        pool = draw_pool(labels, 2)
        one, same, other = (shots_of_site(classifier, pool, 2, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert one.truth.tolist() == np.repeat(np.arange(len(labels)), 4).tolist(), "2 items a label, 2 looks at each"
    assert one.item.tolist() == np.repeat(np.arange(2 * len(labels)), 2).tolist()
    np.testing.assert_array_equal(one.features, same.features)
    assert np.abs(one.features - other.features).max() > 0.1
    with pytest.raises(ValueError, match="draw a larger pool"):
        shots_of_site(classifier, pool, 99, np.random.default_rng(4))


def test_answers_are_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pool = draw_pool(["cardboard", "glass", "metal", "paper", "plastic", "trash"], 2)
    monkeypatch.setattr(rendered_sites, "draw_pool", lambda labels: small_pool)
    (first,), temperature = answers("small", 1, 2, tmp_path)
    monkeypatch.setattr(rendered_sites, "load_classifier", None)
    (again,), _ = answers("small", 1, 2, tmp_path)
    np.testing.assert_array_equal(first.features, again.features)
    assert temperature > 0


def test_the_chance_of_the_truth_is_allowed_for_as_of_a_difference() -> None:
    """An estimate and a truth of 20 items each, of one share: as many are allowed as are meant to be."""
    generator, held = np.random.default_rng(2), Held()
    for _ in range(2000):
        one, other = generator.random((2, 20)) < 0.6
        half = 1.96 * float(np.sqrt(one.mean() * (1 - one.mean()) / 20))
        interval = Interval(value=float(one.mean()), low=float(one.mean()) - half, high=float(one.mean()) + half)
        held.count(interval, float(other.mean()), float(np.sqrt(other.mean() * (1 - other.mean()) / 20)))
    assert held.held / held.all < 0.87
    assert 0.9 < held.allowed / held.all < 0.96, "not more than that interval holds by itself"
