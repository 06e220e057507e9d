"""Assessment of a fitted head: accuracy with honest intervals, whether it beats the old head, what to show next.

All of it is of held-out items. Pictures of one item are averaged before anything is counted: three views of one cup are
one cup. Intervals are Wilson's (1927) of a label's items; those of several labels together are put together by the
squared distances of their limits (Zou and Donner, Statistics in Medicine 27, 2008), and widened: heads fitted to other
items of the same site differ, which is no part of a proportion's interval. On 300 simulated sites that of the mean
held the truth in 88 % of cases, widened in 97 % (`python -m tools.head_coverage`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.files.strict import Strict
from waste_edge.heads.fitting import Fit
from waste_edge.heads.head import Head, Shots, fingerprints, shipped_logits
from waste_edge.metrics.significance import Interval

# p up to which a new head is better. Asked four times on the way, it was wrong on one of 120 simulated sites at which
# the shipped head is nearly the best there is (`python -m tools.head_coverage --peek`): learning from few items loses
# there.
SURE = 0.1
WORSE = 0.05  # drop of a label's accuracy that is spoken of
LEAST_ITEMS = 5  # of a label, before anything is said of it with any confidence
_Z = 1.959964
_WIDER = 1.4  # the interval of a mean of labels, measured
_FLIPS = 20_000
_MOST_EXACT = 14  # items that differ: 2^14 ways to flip them are all counted

Values = NDArray[np.float64]


class LabelAssessment(Strict, frozen=True):
    """One label's items.

    Attributes:
        items, shots: how many were shown.
        accuracy: share of items named rightly by the new head; None without items.
        shipped: the same of the old head; None where it does not know the label, or without items.
        change: new less old, of the same items; None where one of them is.
        taken_for: the label that wrongly named items go to most; empty if there is none.
    """

    label: str
    items: int
    shots: int
    accuracy: Interval | None
    shipped: float | None
    change: Interval | None = None
    taken_for: str = ""

    @property
    def worse(self) -> bool:
        """The new head names fewer of them than the old one, by more than `WORSE`."""
        return self.change is not None and self.change.value < -WORSE

    @property
    def may_be_worse(self) -> bool:
        """Too few were shown to tell such a loss from chance; also of labels without items."""
        return not self.worse and (not self.items or (self.change is not None and self.change.low < -WORSE))


class Assessment(Strict, frozen=True):
    """A head against the old one, on the items that were shown.

    Attributes:
        items, shots: how many.
        accuracy: mean of the labels that were shown, of the new head.
        shipped: the same of the old one.
        gain: new less old, with its interval.
        p_value: chance of such a gain if the two were equally good (one-sided, items flipped).
        labels: one by one, in the head's order.
        next: labels to show next, the most useful first.
        head: how the head was fitted, in words.
    """

    items: int
    shots: int
    accuracy: Interval
    shipped: Interval
    gain: Interval
    p_value: float
    labels: list[LabelAssessment]
    next: list[str] = msgspec.field(default_factory=list)
    head: str = ""

    @property
    def better(self) -> bool:
        """The new head is better than the old one, by more than chance would often do."""
        return self.p_value <= SURE and self.gain.value > 0

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        if self.better:
            return f"better than the shipped head: {self.gain.value * 100:+.0f} points (p {_p(self.p_value)})"
        if self.gain.value <= 0:
            return "no better than the shipped head; show more items, or leave the shipped head in charge"
        return (
            f"perhaps better ({self.gain.value * 100:+.0f} points, p {_p(self.p_value)}), not yet told from chance; "
            f"show more items"
        )


@dataclass(frozen=True, eq=False)
class Incumbent:
    """Head of the same networks that the station learnt before, and that decides now.

    Attributes:
        title: name and version of its bundle.
        head: itself.
        labels: its labels; the network's come first.
        fitted: uint64 (N,), `fingerprints` of what it was fitted to; None: nobody knows.
    """

    title: str
    head: Head
    labels: list[str]
    fitted: NDArray[np.uint64] | None


class IncumbentComparison(Strict, frozen=True):
    """A new head against the one in charge, on the items that neither was fitted to.

    Attributes:
        incumbent: name and version of the bundle in charge.
        items: how many such items there are.
        fitted: items left out of the comparison, since the one in charge was, or may have been, fitted to them.
        gain: mean of the labels, new less incumbent, with its interval; None without items.
        p_value: chance of such a gain if the two were equally good; None without items.
    """

    incumbent: str
    items: int
    fitted: int
    gain: Interval | None = None
    p_value: float | None = None

    @property
    def speaks_against(self) -> bool:
        """The new head names no more of them than the one in charge; never without items."""
        return self.gain is not None and self.gain.value <= 0

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        if self.gain is None or self.p_value is None:
            return (
                f"not compared with {self.incumbent}, which is in charge: it was, or may have been, fitted to all of "
                "these items"
            )
        of = f"{self.incumbent}, which is in charge, on the {self.items} items that it was not fitted to"
        if self.speaks_against:
            return f"no better than {of} ({self.gain.value * 100:+.0f} points); show more items, or leave it in charge"
        chance = "" if self.p_value <= SURE else ", which may be chance"
        return f"better than {of}: {self.gain.value * 100:+.0f} points (p {_p(self.p_value)}{chance})"


def compare_with_incumbent(shots: Shots, fit: Fit, labels: list[str], incumbent: Incumbent) -> IncumbentComparison:
    """Compare a head with the one in charge, on the items that neither was fitted to.

    On items that the one in charge was fitted to it would look better than it is. Arguments as of `assess`.
    """
    numbers, seen = shots.items(), np.ones(len(shots), bool)
    if incumbent.fitted is not None:
        seen = np.isin(fingerprints(shots.features), incumbent.fitted)
    unseen = np.bincount(numbers, seen) == 0
    if not unseen.any():
        return IncumbentComparison(incumbent=incumbent.title, items=0, fitted=len(unseen))
    places = [incumbent.labels.index(label) if label in incumbent.labels else -1 for label in labels]
    truth = np.array(places)[shots.truth]
    right = incumbent.head(shots.logits, shots.features).argmax(axis=1) == truth
    old = np.bincount(numbers, right) / np.bincount(numbers)
    differences, truth_of = (_of_items(shots, fit.held_out) - old)[unseen], shots.truth_of_items()[unseen]
    return IncumbentComparison(
        incumbent=incumbent.title,
        items=int(unseen.sum()),
        fitted=int((~unseen).sum()),
        gain=_gain(differences, truth_of),
        p_value=flip_test(differences, truth_of),
    )


def assess(shots: Shots, fit: Fit, labels: list[str]) -> Assessment:
    """Assess a head by the items it was fitted to, each judged by a head fitted without it.

    Args:
        shots: what it was fitted to.
        fit: of `fit_head`.
        labels: of the head.
    """
    truth = shots.truth_of_items()
    new = _of_items(shots, fit.held_out)
    old = _of_items(shots, shipped_logits(shots.logits, len(labels)))
    counts = np.bincount(truth, minlength=len(labels))
    shown = np.flatnonzero(counts)
    found = [_label(shots, fit, labels, index, (new, old)) for index in range(len(labels))]
    accuracy = balanced([recall(new[truth == index]) for index in shown])
    shipped = balanced([recall(old[truth == index]) for index in shown])
    return Assessment(
        items=len(truth),
        shots=len(shots),
        accuracy=accuracy,
        shipped=shipped,
        gain=_gain(new - old, truth),
        p_value=flip_test(new - old, truth),
        labels=found,
        next=_next(found),
        head=fit.candidate.in_words,
    )


def recall(hits: Values) -> Interval:
    """Share of a label's items that are named rightly, (N,) of 0..1 each, N at least 1, with Wilson's interval.

    An item half of whose views are right is half a hit. Heads fitted without one item are a little worse than the one
    fitted to all, and vary with the items that happened to be shown: the interval is that of one item fewer.
    """
    value, trials = float(hits.mean()), max(1.0, len(hits) - 1.0)
    centre = (value + _Z * _Z / (2 * trials)) / (1 + _Z * _Z / trials)
    half = _Z * math.sqrt(value * (1 - value) / trials + _Z * _Z / (4 * trials * trials)) / (1 + _Z * _Z / trials)
    return Interval(value=value, low=max(0.0, centre - half), high=min(1.0, centre + half))


def balanced(parts: list[Interval]) -> Interval:
    """Mean of several labels' shares, at least one, with the interval that their own give together."""
    value = float(np.mean([one.value for one in parts]))
    below = _WIDER * math.sqrt(sum((one.value - one.low) ** 2 for one in parts)) / len(parts)
    above = _WIDER * math.sqrt(sum((one.high - one.value) ** 2 for one in parts)) / len(parts)
    return Interval(value=value, low=max(0.0, value - below), high=min(1.0, value + above))


def flip_test(differences: Values, truth: NDArray[np.int64]) -> float:
    """One-sided p of a gain: how often random signs of the items' differences give at least as much.

    Fisher's randomization test on the mean of the labels' means; all signs are counted where few items differ, else
    20,000 are drawn, of seed 0.

    Args:
        differences: (N,) of items, new less old, from -1 to 1.
        truth: (N,) their labels.
    """
    shares = differences / np.bincount(truth)[truth]
    moving = shares[shares != 0]
    if not len(moving):
        return 1.0
    if len(moving) <= _MOST_EXACT:
        signs = 1 - 2 * ((np.arange(1 << len(moving))[:, None] >> np.arange(len(moving))) & 1)
        return float((signs @ moving >= moving.sum() - 1e-12).mean())
    signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(_FLIPS, len(moving)))
    return float((1 + (signs @ moving >= moving.sum() - 1e-12).sum()) / (1 + _FLIPS))


def _of_items(shots: Shots, logits: Values) -> Values:
    """(M,): the share of each item's views that are named rightly."""
    numbers = shots.items()
    right = (logits.argmax(axis=1) == shots.truth).astype(np.float64)
    return np.asarray(np.bincount(numbers, right) / np.bincount(numbers))


def _label(shots: Shots, fit: Fit, labels: list[str], index: int, right: tuple[Values, Values]) -> LabelAssessment:
    truth = shots.truth_of_items()
    new, old = (one[truth == index] for one in right)
    rows = shots.truth == index
    wrong = fit.held_out[rows].argmax(axis=1)
    wrong = wrong[wrong != index]
    known = index < shots.logits.shape[1]
    return LabelAssessment(
        label=labels[index],
        items=len(new),
        shots=int(rows.sum()),
        accuracy=recall(new) if len(new) else None,
        shipped=float(old.mean()) if known and len(old) else None,
        change=_change(new - old) if known and len(old) else None,
        taken_for=labels[int(np.bincount(wrong).argmax())] if len(wrong) else "",
    )


def _gain(differences: Values, truth: NDArray[np.int64]) -> Interval:
    """The mean of the labels' mean differences."""
    parts = [_change(differences[truth == index]) for index in np.unique(truth)]
    value = float(np.mean([one.value for one in parts]))
    half = math.sqrt(sum((one.value - one.low) ** 2 for one in parts)) / len(parts)
    return Interval(value=value, low=value - half, high=value + half)


def _change(differences: Values) -> Interval:
    """Mean of items' differences, with a normal interval of at least one item's worth of doubt."""
    count = len(differences)
    spread = float(differences.var(ddof=1)) if count > 1 else 1.0
    half = _Z * math.sqrt(max(spread, 1.0 / count) / count)
    value = float(differences.mean())
    return Interval(value=value, low=value - half, high=value + half)


def _next(found: list[LabelAssessment]) -> list[str]:
    """Labels by what one more item is likely to gain: those with few items first, then the often mistaken.

    A learning curve of errors that fall as 1 / items loses errors / items with the next one.
    """

    def gain(one: LabelAssessment) -> float:
        if one.accuracy is None:
            return 2.0
        return 1.0 + (LEAST_ITEMS - one.items) if one.items < LEAST_ITEMS else (1 - one.accuracy.value) / one.items

    ranked = sorted(found, key=gain, reverse=True)
    return [one.label for one in ranked if gain(one) > 0]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
