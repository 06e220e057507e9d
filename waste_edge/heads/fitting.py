"""Fitting of a head to a few items: nearest means, or regularized logistic regression; chosen by leaving items out.

Logistic regression starts from what the shipped head says and is held to it by an L2 penalty on the difference
(biased regularization: Kienzle and Chellapilla, ICML 2006). Nearest means are the prototypes of Snell, Swersky and
Zemel (NIPS 2017). Candidates are chosen among by the log loss of items that they were not fitted with, a tenth of them
at a time: it is steadier than accuracy where items are few, and so flatters the winner less. What the winner is worth
is then told by leaving out one item at a time; of more than 60, some together, in 60 parts.

All folds are fitted at once: few items span few directions of feature space, and in these the curvature of the loss
has a bound that no fold exceeds (Boehning, Annals of the Institute of Statistical Mathematics 44, 1992), so that one
diagonal step serves them all. Numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waste_edge.heads.head import Head, Shots, carried, centred
from waste_edge.metrics.classification import softmax
from waste_edge.rejection import unit

Kind = Literal["linear", "prototypes"]
Values = NDArray[np.float64]

STRENGTHS = (0.03, 0.1, 0.3, 1.0)  # of the penalty, beside a sum over pictures of unit spread
CARRIED = (0.0, 0.5, 1.0)  # how much of the shipped logits, over the shipped temperature, the fit starts from
SHARPNESS = (0.3, 1.0, 3.0)  # of distances to the means, in units of the features' spread
_STEPS, _ENOUGH = 150, 1e-3  # steps at most, and the change of a weight that counts as none
_BIAS_PENALTY = 1e-2  # of the bias, as a share of the others'
_LEAST_SPREAD = 1e-6  # of the largest: directions with less are noise of rounding
_CHOICE_FOLDS = 10  # parts of whole items, each left out once, to choose by
_MOST_FOLDS = 60  # so many parts at most, whole items each: beyond, leaving out one by one says the same and costs more


@dataclass(frozen=True)
class Candidate:
    """One way to fit a head.

    Attributes:
        kind: regularized logistic regression, or distances to class means.
        strength: of the penalty, or the sharpness of the distances.
        carried: share of the shipped logits that is kept.
    """

    kind: Kind
    strength: float
    carried: float

    @property
    def in_words(self) -> str:
        """The candidate, for people."""
        name = {"linear": "logistic regression, penalty", "prototypes": "class means, sharpness"}[self.kind]
        return f"{name} {self.strength:g}, {self.carried:g} of the shipped head"


CANDIDATES: tuple[Candidate, ...] = (
    *(Candidate("linear", strength, share) for strength in STRENGTHS for share in CARRIED),
    *(Candidate("prototypes", sharpness, share) for sharpness in SHARPNESS for share in CARRIED),
)


@dataclass(frozen=True, eq=False)
class Fit:
    """A head, and what it says of items that it was not fitted with.

    Attributes:
        head: fitted to all shots.
        candidate: which of the `CANDIDATES`.
        held_out: float64 (N, C): logits of each shot by the head fitted without its item.
        loss: their mean log loss, items alike.
        folds: into how many parts the items were divided; as many as there are items: one was left out at a time.
    """

    head: Head
    candidate: Candidate
    held_out: Values
    loss: float
    folds: int


def fit_head(shots: Shots, labels: int, temperature: float) -> Fit:
    """Fit every candidate and return the one that names held-out items best.

    Args:
        shots: of at least two labels, each of at least two items.
        labels: how many the head has: the network's first, then the station's own.
        temperature: of the shipped head.

    Raises:
        ValueError: fewer labels or items than that.
    """
    items_of = np.bincount(shots.truth_of_items(), minlength=labels)
    if (items_of >= 2).sum() < 2:
        raise ValueError(f"a head needs two items of each of two labels at least, got {items_of.tolist()}")
    space, of = _Space(shots.features), (labels, temperature)
    parts = _folds(shots, _CHOICE_FOLDS)
    tried = [_fitted(shots, space, parts, candidate, of) for candidate in CANDIDATES]
    chosen = min(tried, key=lambda fit: fit.loss).candidate
    return _fitted(shots, space, _folds(shots, _MOST_FOLDS), chosen, of)


def _fitted(shots: Shots, space: _Space, fold: NDArray[np.int64], candidate: Candidate, of: tuple[int, float]) -> Fit:
    labels, temperature = of
    share = candidate.carried / temperature
    offsets, weights = share * centred(shots.logits, labels), shots.weights()
    kept = np.stack([np.ones(len(shots), bool), *(fold != number for number in range(fold.max() + 1))])
    if candidate.kind == "linear":
        found = _logistic(space.points, shots.truth, offsets, weights * kept, candidate.strength)
    else:
        found = _means(space.points, shots.truth, weights * kept, (labels, candidate.strength))
    rows = np.arange(len(shots))
    held_out = offsets + np.einsum("nr,nrc->nc", space.points, found[fold + 1])
    losses = -np.log(np.maximum(softmax(held_out)[rows, shots.truth], 1e-12))
    weights, bias = space.spread_out(found[0])
    head = Head(carried(shots.logits.shape[1], labels, share), weights, bias)
    return Fit(head, candidate, held_out, float(np.average(losses, weights=shots.weights())), int(fold.max()) + 1)


class _Space:
    """Features at length 1, less their mean, by the directions that the shots span; the last point is 1, for a bias.

    The mean and the directions are of all shots, the held-out ones among them; labels are not looked at.

    Attributes:
        points: float64 (N, R + 1), of unit spread; columns are orthogonal.
    """

    def __init__(self, features: Values) -> None:
        points = unit(features)
        self._mean = points.mean(axis=0)
        inner = points - self._mean
        left, lengths, across = np.linalg.svd(inner, full_matrices=False)
        kept = lengths > max(float(lengths[0]), 1e-9) * _LEAST_SPREAD
        self._spread = float(np.sqrt((inner**2).sum(axis=1).mean())) or 1.0
        self._across = across[kept] / self._spread
        along = left[:, kept] * lengths[kept] / self._spread
        self.points = np.concatenate([along, np.ones((len(points), 1))], axis=1)

    def spread_out(self, found: Values) -> tuple[Values, Values]:
        """Weights (F, C) and bias (C,) of features at length 1, from weights (R + 1, C) of the points."""
        weights = self._across.T @ found[:-1]
        return weights, np.asarray(found[-1] - self._mean @ weights)


def _folds(shots: Shots, most: int) -> NDArray[np.int64]:
    """(N,): the part that each shot is left out with. One item a part; of many items, some together, labels in turn."""
    numbers, truth = shots.items(), shots.truth_of_items()
    if len(truth) <= most:
        return numbers
    in_turn = np.empty(len(truth), np.int64)
    in_turn[np.argsort(truth, kind="stable")] = np.arange(len(truth)) % most
    return np.asarray(in_turn[numbers])


def _logistic(points: Values, truth: NDArray[np.int64], offsets: Values, weights: Values, strength: float) -> Values:
    """Multinomial logistic regression, K fits at once: (K, R, C).

    Args:
        points: (N, R), columns orthogonal, the last one 1.
        truth: (N,).
        offsets: (N, C), what the logits are without the fit.
        weights: (K, N), of each shot in each fit; 0 leaves it out.
        strength: of the penalty.
    """
    target = np.eye(offsets.shape[1])[truth]
    penalty = np.full((points.shape[1], 1), strength)
    penalty[-1] *= _BIAS_PENALTY
    # The Hessian is at most half of the points' own second moments: no fold has more of them than all shots have.
    curvature = 0.5 * weights.max() * (points**2).sum(axis=0)[:, None] + penalty
    found = np.zeros((len(weights), points.shape[1], offsets.shape[1]))
    ahead, pace = found, 1.0
    for _ in range(_STEPS):
        off = weights[:, :, None] * (softmax(offsets + points @ ahead) - target)
        stepped = ahead - (points.T @ off + penalty * ahead) / curvature
        change = stepped - found
        if float(((ahead - stepped) * change).sum()) > 0:  # too far ahead: begin anew (O'Donoghue and Candes 2015)
            pace = 1.0
        faster = (1 + float(np.sqrt(1 + 4 * pace * pace))) / 2
        ahead, found, pace = stepped + (pace - 1) / faster * change, stepped, faster
        if float(np.abs(change).max()) < _ENOUGH * max(1.0, float(np.abs(found).max())):
            break
    return found


def _means(points: Values, truth: NDArray[np.int64], weights: Values, of: tuple[int, float]) -> Values:
    """Squared distances to class means as logits, K fits at once: (K, R, C); a label without shots stays at 0."""
    labels, sharpness = of
    counts = weights[:, :, None] * np.eye(labels)[truth]  # (K, N, C)
    total = counts.sum(axis=1, keepdims=True)
    means = (points[:, :-1].T @ counts) / np.maximum(total, 1e-12)  # (K, R - 1, C)
    bias = np.where(total > 0, -(means**2).sum(axis=1, keepdims=True) / 2, 0.0)
    return np.asarray(sharpness * np.concatenate([means, bias], axis=1))
