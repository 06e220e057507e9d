"""Sequential test of a candidate against the model in charge, on the items that people answered.

An item counts if exactly one of the two was right (a discordant pair, McNemar 1947): agreement, right or wrong, tells
nothing. If the candidate is no better, it wins at most half of these pairs, and the mixture likelihood ratio over the
share p that it wins (mixture SPRT: Robbins 1970; Johari, Koomen, Pekelis, Walsh 2022, "Always valid inference"; as a
bet: Shafer 2021, "Testing by betting") is a supermartingale from 1 on, so that it ever reaches 1/ALPHA with
probability ALPHA at most (Ville 1939), however often and as long as one looks. The same the other way round refuses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waste_edge.files.strict import Strict

ALPHA = 0.05  # of candidates that are no better, the share that is ever promoted; of those no worse, ever refused
# Shares of discordant pairs that a better candidate may win, and the weight of each in the mixture. Nearly all of it
# lies where 5 points of 100 answered items are, while few pairs are discordant.
MIXTURE = ((0.55, 0.02), (0.6, 0.03), (0.75, 0.55), (0.85, 0.4))

Verdict = Literal["waits", "promote", "refuse"]


class Tally(Strict, frozen=True):
    """Answered items by who was right about them.

    Attributes:
        both, neither: about these the two agree in being right, or wrong.
        wins: the candidate alone was right.
        losses: the model in charge alone was.
    """

    both: int = 0
    neither: int = 0
    wins: int = 0
    losses: int = 0

    @property
    def answered(self) -> int:
        """All of them."""
        return self.both + self.neither + self.wins + self.losses

    def with_pair(self, candidate: bool, in_charge: bool, count: int = 1) -> Tally:
        """Count one answered item more (or, with -1, one less): which of the two was right about it."""
        both, neither = self.both, self.neither
        both += count * (candidate and in_charge)
        neither += count * (not candidate and not in_charge)
        wins = self.wins + count * (candidate and not in_charge)
        return Tally(both=both, neither=neither, wins=wins, losses=self.losses + count * (in_charge and not candidate))


@dataclass(frozen=True)
class Judgement:
    """Verdict after some answers.

    Attributes:
        verdict: `promote`, `refuse`, or `waits` for more answers.
        better, worse: evidence that the candidate is so, from 1 for none; 1/ALPHA is enough.
        reason: one sentence for people.
    """

    verdict: Verdict
    better: float
    worse: float
    reason: str


def evidence(wins: int, losses: int) -> float:
    """The mixture likelihood ratio of more wins than losses against as many, or fewer; at most 1e300."""
    terms = [
        math.log(weight) + wins * math.log(2 * share) + losses * math.log(2 * (1 - share)) for share, weight in MIXTURE
    ]
    highest = max(terms)
    return math.exp(min(690.0, highest + math.log(sum(math.exp(term - highest) for term in terms))))


def judge(tally: Tally, most_answers: int) -> Judgement:
    """Judge a candidate.

    Args:
        tally: the answered items so far.
        most_answers: refuse one that was not found better by then.
    """
    better, worse = evidence(tally.wins, tally.losses), evidence(tally.losses, tally.wins)
    counts = f"of {tally.answered} answered items it alone was right about {tally.wins}, the other about {tally.losses}"
    if better >= 1 / ALPHA:
        return Judgement("promote", better, worse, f"it is better: {counts} (evidence {better:.3g})")
    if worse >= 1 / ALPHA:
        return Judgement("refuse", better, worse, f"it is worse: {counts} (evidence {worse:.3g})")
    if tally.answered >= most_answers:
        return Judgement("refuse", better, worse, f"it was not found to be better: {counts}")
    return Judgement("waits", better, worse, f"{counts}; evidence {better:.3g} of {1 / ALPHA:g}")


def simulated_promotions(wins: float, losses: float, answers: int, runs: int, seed: int) -> NDArray[np.intp]:
    """Simulate comparisons, each judged after every answer.

    Args:
        wins, losses: probability that an answered item is one.
        answers: items that are answered in each comparison.
        runs: comparisons.
        seed: of the random numbers.

    Returns:
        (runs,), the answer after which each was promoted, from 1; 0: it was not within so many, or was refused before.
    """
    drawn = np.random.default_rng(seed).random((runs, answers))
    won: NDArray[np.intp] = np.cumsum(drawn < wins, axis=1, dtype=np.intp)
    lost: NDArray[np.intp] = np.cumsum((drawn >= wins) & (drawn < wins + losses), axis=1, dtype=np.intp)

    def reached(up: NDArray[np.intp], down: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(runs, answers), whether there was evidence enough by then, by `evidence`."""
        ratio = np.zeros(up.shape)
        for share, weight in MIXTURE:
            ratio += weight * np.exp(up * math.log(2 * share) + down * math.log(2 * (1 - share)))
        return ratio >= 1 / ALPHA

    promoted, refused = reached(won, lost), reached(lost, won)
    first = np.where(promoted.any(axis=1), promoted.argmax(axis=1) + 1, 0)
    refused_at = np.where(refused.any(axis=1), refused.argmax(axis=1) + 1, answers + 1)
    return np.where(first < refused_at, first, 0)
