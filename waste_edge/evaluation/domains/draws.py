"""Means and areas with whole groups drawn anew: pictures of one scene stand or fall together. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from waste_edge.evaluation.unknowns import area_between

RESAMPLES = 2000
Values = NDArray[np.float64]


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
