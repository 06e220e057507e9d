"""The sequential test of a candidate, and how often it errs."""

from __future__ import annotations

import numpy as np
import pytest

from waste_edge.device.models.promotion import ALPHA, MIXTURE, Tally, evidence, judge, simulated_promotions

RUNS = 2000


def test_the_mixture_is_one() -> None:
    assert sum(weight for _, weight in MIXTURE) == pytest.approx(1.0)
    assert evidence(0, 0) == pytest.approx(1.0)


def test_one_more_pair_of_a_coin_leaves_the_evidence_as_it_is_on_average() -> None:
    for wins, losses in ((0, 0), (3, 1), (10, 12)):
        mean = (evidence(wins + 1, losses) + evidence(wins, losses + 1)) / 2
        assert mean == pytest.approx(evidence(wins, losses))


def test_agreement_alone_promotes_nothing_and_a_worse_one_is_refused() -> None:
    agreeing = Tally(both=50_000, neither=40_000)
    assert judge(agreeing, 100_000).verdict == "waits"
    assert judge(agreeing, 100_000).better == pytest.approx(1.0)
    worse = judge(Tally(both=50_000, wins=2, losses=14), 100_000)
    assert worse.verdict == "refuse"
    assert "it is worse" in worse.reason
    assert judge(Tally(both=10, wins=14, losses=2), 1000).verdict == "promote"
    assert judge(Tally(both=990, wins=5, losses=5), 1000).reason.startswith("it was not found to be better")


def test_much_evidence_is_no_overflow() -> None:
    assert evidence(10_000, 0) >= 1e299
    assert evidence(0, 10_000) == pytest.approx(0.0)


def test_a_pair_can_be_taken_back() -> None:
    tally = Tally().with_pair(True, False).with_pair(True, True).with_pair(False, False).with_pair(False, True)
    assert (tally.wins, tally.both, tally.neither, tally.losses, tally.answered) == (1, 1, 1, 1, 4)
    assert tally.with_pair(True, False, count=-1).wins == 0


@pytest.mark.parametrize("discordance", [0.05, 0.1, 0.3])
def test_of_equal_pairs_at_most_one_in_twenty_is_promoted(discordance: float) -> None:
    promoted = simulated_promotions(discordance / 2, discordance / 2, 1000, RUNS, seed=3) > 0
    assert promoted.mean() <= ALPHA


def test_a_candidate_that_is_better_by_5_points_is_found_within_300_answers_while_few_pairs_are_discordant() -> None:
    for discordance in (0.05, 0.06, 0.08):
        promoted = simulated_promotions((discordance + 0.05) / 2, (discordance - 0.05) / 2, 300, RUNS, seed=5) > 0
        assert promoted.mean() >= 0.8, discordance


def test_a_worse_one_hardly_ever_gets_in() -> None:
    promoted = simulated_promotions(0.04, 0.06, 1000, RUNS, seed=7) > 0
    assert promoted.mean() <= 0.01


def test_the_simulation_judges_as_the_station_does() -> None:
    generator = np.random.default_rng(9)
    first = simulated_promotions(0.12, 0.04, 200, 20, seed=9)
    for run, drawn in enumerate(generator.random((20, 200))):
        tally, found = Tally(), 0
        for number, value in enumerate(drawn, 1):
            tally = tally.with_pair(value < 0.12 or value >= 0.5, 0.12 <= value < 0.16 or value >= 0.5)
            verdict = judge(tally, 10_000).verdict
            if verdict != "waits":
                found = number if verdict == "promote" else 0
                break
        assert found == first[run]
