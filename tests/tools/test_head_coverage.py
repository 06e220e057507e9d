"""Intervals of commissioning on simulated sites: a few of those of `python -m tools.head_coverage`."""

from __future__ import annotations

from tools.head_coverage import Setting, measure, table, wrong_once


def test_intervals_hold_on_foreign_sites_and_a_good_head_is_not_replaced() -> None:
    foreign, home = Setting(3.0, 5, 1), Setting(0.0, 5, 1)
    tallies = measure([foreign, home], 12)
    held = sum(tally.means_held for tally in tallies.values()) / 24
    labels = sum(tally.labels_held for tally in tallies.values()) / sum(tally.labels for tally in tallies.values())
    assert held >= 0.8, "of a few sites; the whole table has more than nine in ten"
    assert labels >= 0.88
    assert tallies[foreign].gain / 12 > 0.08
    assert tallies[home].worse == 0
    assert table(tallies).count("\n") == 3


def test_asking_again_and_again_does_not_make_a_head_better() -> None:
    assert wrong_once(0.0, 4) == 0
