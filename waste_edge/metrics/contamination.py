"""Contamination: the share of the items put into one stream that belong to another, with an interval that holds.

The model has an opinion: an item put into a stream with probability p is wrong with 1 - p. Where a bin's mix differs
from the one that the model was calibrated on (label shift), that opinion is off, and by how much nobody can tell from
it alone. So a person is asked about some items drawn at random, and the answers correct it:

- The **interval** comes from the answers alone. Of N items n were drawn, and k of these were wrong: the exact
  (Clopper-Pearson) interval of the hypergeometric distribution. It holds whatever the model thinks and however the mix
  shifted, for any n, since it rests on nothing but the drawing.
- The **estimate** is prediction-powered (Angelopoulos et al., Prediction-powered inference, Science 382, 2023; its
  tuned form in PPI++, 2023), with the model's opinion as a prior of little weight for the first few answers.

Intervals around the prediction-powered estimate were tried: docs/decisions/030. Numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from waste_edge.files.strict import Strict
from waste_edge.metrics.classification import Floats, Integers
from waste_edge.metrics.curves import Flags

CONFIDENCE = 0.95
PRIOR_ITEMS = 2.0  # the model's opinion counts as so many answers
_TUNING_ITEMS = 4.0  # of the rarer kind among the answers: with so many, half of the best weight is given to the model

Basis = Literal["nothing", "model", "audits"]


class Contamination(Strict, frozen=True):
    """Estimated share of a stream's items that belong elsewhere.

    Attributes:
        items: put into the stream.
        basis: what the estimate rests on; `model`: on its own opinion alone, and then there is no interval.
        estimate: share, 0 to 1; None with the basis `nothing`.
        low, high: 95 % interval of the share; None if no audited item was answered: it is not known then.
        model: the model's own opinion; None if it has none.
        audited: items that were drawn at random and answered.
        wrong: how many of these belong elsewhere.
    """

    items: int
    basis: Basis
    estimate: float | None
    low: float | None
    high: float | None
    model: float | None
    audited: int
    wrong: int


def contamination(
    doubts: Floats, audited: Integers, wrong: Flags, known_wrong: int = 0, known_right: int = 0
) -> Contamination:
    """Estimate the share of wrong items among those that were put into a stream.

    Args:
        doubts: (N,) probability that each item belongs elsewhere, as the model has it; not-a-number where it has no
            opinion.
        audited: (n,) indices of the items that were drawn at random, whatever was known of them, and answered.
        wrong: (n,) whether each of these belongs elsewhere.
        known_wrong, known_right: items known to be so, drawn or not: the share cannot lie beyond them.

    Raises:
        ValueError: indices and answers do not fit together, or more is known than there are items.
    """
    items, answers = len(doubts), len(audited)
    if len(wrong) != answers or len(set(audited.tolist())) != answers or known_wrong + known_right > items:
        raise ValueError(f"{answers} audited items, {len(wrong)} answers and {items} items do not fit together")
    opinions = doubts[~np.isnan(doubts)]
    model = float(opinions.mean()) if len(opinions) else None
    errors = int(wrong.sum())
    if not answers:
        basis: Basis = "nothing" if model is None else "model"
        return Contamination(
            items=items, basis=basis, estimate=model, low=None, high=None, model=model, audited=0, wrong=0
        )
    low, high = exact_interval(items, answers, errors)
    # At least what is known to be wrong, at most all that is not known to be right.
    low, high = max(low, known_wrong / items), min(high, 1.0 - known_right / items)
    estimate = _estimate(doubts, audited, wrong)
    return Contamination(
        items=items,
        basis="audits",
        estimate=min(max(estimate, low), high),
        low=low,
        high=high,
        model=model,
        audited=answers,
        wrong=errors,
    )


def exact_interval(items: int, drawn: int, found: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact interval of a share, from a draw without replacement (Clopper and Pearson, Biometrika 26, 1934).

    It covers at least `confidence`, for any share and any number drawn.

    Args:
        items: in all.
        drawn: at random among them.
        found: how many of the drawn ones have the property.
        confidence: of both sides together.

    Raises:
        ValueError: more were found than drawn, or drawn than there are.
    """
    if not 0 <= found <= drawn <= items or not items:
        raise ValueError(f"expected found <= drawn <= items and an item, got {found}, {drawn} and {items}")
    tail = (1.0 - confidence) / 2
    fewest, most = found, items - drawn + found
    low = _first(fewest, most, lambda total: _at_most(items, items - total, drawn, drawn - found) > tail)
    # As seen from the other side: the fewest that lack the property.
    lacking = _first(items - most, items - fewest, lambda rest: _at_most(items, items - rest, drawn, found) > tail)
    return low / items, (items - lacking) / items


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The least number from `low` to `high` at which a condition holds that goes on holding; `high` if none does."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _at_most(items: int, having: int, drawn: int, found: int) -> float:
    """Probability of at most `found` with the property among `drawn` of `items`, of which `having` have it."""
    least, most = max(0, drawn - (items - having)), min(drawn, having, found)
    if most < least:
        return 0.0
    if found >= min(drawn, having):
        return 1.0
    counts = np.arange(least, most + 1)
    logs = (
        _log_factorials(having, counts)
        + _log_factorials(items - having, drawn - counts)
        - (math.lgamma(items + 1) - math.lgamma(drawn + 1) - math.lgamma(items - drawn + 1))
    )
    return float(min(1.0, np.exp(logs).sum()))


def _log_factorials(total: int, chosen: Integers) -> Floats:
    """Logarithm of the binomial coefficients (total over each of chosen)."""
    values = [math.lgamma(total + 1) - math.lgamma(one + 1) - math.lgamma(total - one + 1) for one in chosen.tolist()]
    return np.array(values, np.float64)


def _estimate(doubts: Floats, audited: Integers, wrong: Flags) -> float:
    """Tuned prediction-powered mean, drawn a little to the model's opinion; the answers' mean if it has none."""
    answers = wrong.astype(np.float64)
    share, drawn = float(answers.mean()), len(answers)
    opinions = doubts[~np.isnan(doubts)]
    if not len(opinions):
        return share
    prior = float(opinions.mean())
    filled = np.where(np.isnan(doubts), prior, doubts)
    seen = filled[audited]
    spread = float(filled.var())
    rarer = min(answers.sum(), drawn - answers.sum())
    weight = 0.0
    if spread > 0 and rarer:
        together = float(((answers - share) * (seen - seen.mean())).mean())
        weight = min(1.0, max(0.0, together / spread)) * float(rarer / (rarer + _TUNING_ITEMS))
    powered = share + weight * (float(filled.mean()) - float(seen.mean()))
    return float((PRIOR_ITEMS * prior + drawn * powered) / (PRIOR_ITEMS + drawn))
