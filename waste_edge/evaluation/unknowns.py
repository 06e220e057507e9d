"""Separation of known from unknown by a score, and its threshold.

Also means and areas with whole groups drawn anew, since pictures of one scene stand or fall together. Numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waste_edge.files.strict import Strict
from waste_edge.metrics.classification import Floats
from waste_edge.metrics.curves import auroc
from waste_edge.rejection.scores import IN_WORDS, KnownScore

RESAMPLES = 2000
Values = NDArray[np.float64]


class RejectionResult(Strict, frozen=True):
    """One score as a judge of the unknown.

    Attributes:
        score: which one.
        keep: share of known pictures that the threshold was fitted to keep; None: it is the bundle's own.
        threshold: below it a picture is called unknown.
        kept: share of the scored known pictures that it keeps.
        auroc_wrong: chance that a rightly named picture scores above a wrongly named one; None without both.
        auroc: chance that a known picture scores above an unknown one; None without unknown pictures.
        fpr_at_95: share of unknown pictures let through by the threshold that keeps 95 % of the scored known ones.
        rejected: share of unknown pictures below `threshold`.
        auroc_elsewhere: `auroc` of known items in strange places; None without such, or without unknown pictures.
        kept_elsewhere: share of these that it keeps.
    """

    score: KnownScore
    keep: float | None
    threshold: float
    kept: float
    auroc_wrong: float | None
    auroc: float | None
    fpr_at_95: float | None
    rejected: float | None
    auroc_elsewhere: float | None = None
    kept_elsewhere: float | None = None

    @property
    def in_words(self) -> str:
        """The score's name, and whether it is judged at the bundle's own threshold."""
        return IN_WORDS[self.score] + (", as shipped" if self.keep is None else "")


def threshold_keeping(scores: Floats, keep: float) -> float:
    """The largest threshold that at least the share `keep` of the given (N,) scores reaches, N at least 1."""
    ordered = np.sort(np.asarray(scores, np.float64))
    # A hair off, so that 0.95 of 100 pictures does not become 96 by the way floats are written.
    dropped = int(np.floor((1 - keep) * len(ordered) + 1e-9))
    return float(ordered[min(dropped, len(ordered) - 1)])


@dataclass(frozen=True, eq=False)
class ScoreSets:
    """Scores by their names, float (N,) each, of several sets of pictures.

    Attributes:
        known: of labelled pictures.
        fitting: of the pictures that the threshold is fitted on.
        unknown: of pictures that show none of the labels, if there are such.
        elsewhere: of known items in strange places, if there are such.
    """

    known: Mapping[KnownScore, Floats]
    fitting: Mapping[KnownScore, Floats]
    unknown: Mapping[KnownScore, Floats] | None = None
    elsewhere: Mapping[KnownScore, Floats] | None = None


def judge_scores(
    sets: ScoreSets,
    right: NDArray[np.bool_],
    keep: float = 0.95,
    shipped: tuple[KnownScore, float] | None = None,
) -> list[RejectionResult]:
    """Evaluate how well each score separates known from unknown, and right from wrong.

    Args:
        sets: the scores.
        right: which of the known pictures were named rightly.
        keep: share of the fitting pictures that the threshold must keep.
        shipped: a bundle's own score and threshold, judged before all others.
    """
    known, fitting, unknown, elsewhere = sets.known, sets.fitting, sets.unknown, sets.elsewhere
    thresholds: list[tuple[KnownScore, float, float | None]] = [
        (name, threshold_keeping(fitting[name], keep), keep) for name in known
    ]
    if shipped is not None:
        thresholds.insert(0, (*shipped, None))
    found = []
    for name, threshold, kept in thresholds:
        scores = known[name]
        others = None if unknown is None else np.asarray(unknown[name])
        moved = None if elsewhere is None else np.asarray(elsewhere[name])
        strict = threshold_keeping(scores, 0.95)
        found.append(
            RejectionResult(
                score=name,
                keep=kept,
                threshold=threshold,
                kept=float((scores >= threshold).mean()),
                auroc_wrong=auroc(right, scores) if right.any() and not right.all() else None,
                auroc=None if others is None else area_between(scores, others),
                fpr_at_95=None if others is None else float((others >= strict).mean()),
                rejected=None if others is None else float((others < threshold).mean()),
                auroc_elsewhere=None if moved is None or others is None else area_between(moved, others),
                kept_elsewhere=None if moved is None else float((moved >= threshold).mean()),
            )
        )
    return found


def area_between(known: Floats, unknown: Floats) -> float:
    """AUROC: the chance that one of the known (N,) scores lies above one of the unknown (M,) ones."""
    is_known = np.concatenate([np.ones(len(known), bool), np.zeros(len(unknown), bool)])
    return auroc(is_known, np.concatenate([known, unknown]))


class GroupedArea:
    """AUROC between known and unknown pictures, and how it varies where other groups had been photographed.

    What is kept is one number a pair of groups: how often a known picture of the one has a higher score than an
    unknown one of the other.
    """

    def __init__(
        self, known: Values, known_groups: Sequence[str], unknown: Values, unknown_groups: Sequence[str]
    ) -> None:
        self.value = area_between(known, unknown)
        above = (known[:, None] > unknown[None]) + 0.5 * (known[:, None] == unknown[None])
        rows, self._known = _numbered(known_groups)
        columns, self._unknown = _numbered(unknown_groups)
        self._above = np.zeros((len(self._known), len(self._unknown)))
        np.add.at(self._above, (rows[:, None], columns[None]), above)

    def draws(self, seed: int = 0) -> Values:
        """The area in each of `RESAMPLES` drawings of the groups of both sides."""
        rng = np.random.default_rng([seed, 1])
        known, unknown = _times(len(self._known), rng), _times(len(self._unknown), rng)
        won = ((known @ self._above) * unknown).sum(axis=1)
        return np.asarray(won / ((known @ self._known) * (unknown @ self._unknown)))


def drawn_means(values: Values, groups: Sequence[str], seed: int = 0) -> Values:
    """The mean of one value a picture in each of `RESAMPLES` drawings of its groups."""
    numbers, sizes = _numbered(groups)
    times = _times(len(sizes), np.random.default_rng([seed, 0]))
    return np.asarray((times @ np.bincount(numbers, values, len(sizes))) / (times @ sizes))


def _numbered(groups: Sequence[str]) -> tuple[NDArray[np.int64], Values]:
    """(N,) which group each picture is in, and (G,) how many each has."""
    _, numbers, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return numbers, sizes.astype(np.float64)


def _times(groups: int, rng: np.random.Generator) -> Values:
    """Draw the number of times each group is drawn: (RESAMPLES, G)."""
    return rng.multinomial(groups, np.full(groups, 1 / groups), RESAMPLES).astype(np.float64)
