"""Confidence of a fitted head: its temperature, how known an item looks, and the thresholds of both.

Everything is fitted to what heads said of items that they were not fitted with, so that a few dozen items do not make a
head as sure as if it had seen them all before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waste_edge.heads.fitting import Fit
from waste_edge.heads.head import Head, Shots
from waste_edge.metrics.classification import fit_temperature, softmax
from waste_edge.metrics.curves import auroc
from waste_edge.rejection import NEAREST, Neighbours, Scorer, fit_neighbours, unit

KEEP = 0.95  # share of the station's own items that the known score must keep
LEAST_STRANGERS = 8  # shots of things that are none of the labels, before another score is believed to be better
LEAST_GAIN = 0.1  # of AUROC: with less, a score of a dozen strangers was the worse one on others
_PLACES, _DIRECTIONS = 256, 32  # of a station's own known score: at most 200 kB
_CONFIDENCES = np.round(np.arange(0.3, 0.951, 0.05), 2)

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Confidence:
    """Fitted confidence.

    Attributes:
        temperature: the head's logits are divided by it before softmax.
        scorer: the known score: the shipped one, or one of the station's own shots.
        min_known_score: its threshold.
        min_confidence: least probability of an answer.
        is_own: the scorer is of the station's own shots.
        auroc: chance that a known shot scores above a stranger, by the chosen score; None without strangers.
        auroc_shipped: the same of the shipped score.
        strangers_let_through: share of them that neither threshold stops; None without strangers.
    """

    temperature: float
    scorer: Scorer
    min_known_score: float
    min_confidence: float
    is_own: bool
    auroc: float | None
    auroc_shipped: float | None
    strangers_let_through: float | None


@dataclass(frozen=True, eq=False)
class Strangers:
    """M shots of what is none of the labels, hands and sleeves: logits (M, L) and features (M, F) of the network."""

    logits: Values
    features: Values


@dataclass(frozen=True)
class Wanted:
    """Wishes about thresholds.

    Attributes:
        min_confidence: the bundle's own, which stays unless the shots say that another is cheaper.
        reject_cost: what it costs not to sort an item, where a wrong stream costs 1; None: `min_confidence` stays.
        keep: share of the station's own items that the known score must keep.
    """

    min_confidence: float
    reject_cost: float | None = None
    keep: float = KEEP


def fit_confidence(shots: Shots, fit: Fit, strangers: Strangers | None, shipped: Scorer, wanted: Wanted) -> Confidence:
    """Fit temperature, known score and thresholds to a head's held-out answers.

    A new known score takes the shipped one's place only where strangers were shown, and it tells them better by more
    than a hair: the shipped one was fitted on far more of them.

    Args:
        shots: what the head was fitted to.
        fit: the head.
        strangers: shots of none of the labels, if there are such.
        shipped: the bundle's own known score.
        wanted: see there.
    """
    temperature = round(fit_temperature(fit.held_out, shots.truth, shots.weights()), 4)
    scorer = Scorer(shipped.name, temperature, shipped.learnt)
    known = scorer(fit.held_out, shots.features)
    areas: tuple[float | None, float | None] = (None, None)
    is_own = False
    if strangers is not None and len(strangers.features):
        unknown = scorer(fit.head(strangers.logits, strangers.features), strangers.features)
        area = _area(known, unknown)
        areas = (area, area)
        if len(strangers.features) >= LEAST_STRANGERS:
            own, own_known = own_score(shots)
            own_area = _area(own_known, own(strangers.logits, strangers.features))
            if own_area > area + LEAST_GAIN:
                scorer, known, areas, is_own = own, own_known, (own_area, area), True
    min_known = _threshold(known, shots.weights(), wanted.keep)
    confidence = _min_confidence(softmax(fit.held_out, temperature), shots, wanted)
    through = None
    if strangers is not None and len(strangers.features):
        through = _let_through(strangers, fit.head, scorer, (temperature, confidence, min_known))
    return Confidence(temperature, scorer, min_known, confidence, is_own, *areas, through)


def own_score(shots: Shots) -> tuple[Scorer, Values]:
    """Fit the known score of a station's own shots, and give each shot's score by those of other items, (N,)."""
    learnt = fit_neighbours(shots.features, _DIRECTIONS, _PLACES)
    points, items = unit(shots.features), shots.items()
    places = (points - learnt.centre) @ learnt.directions
    # A cosine to each other shot, as `nearest` computes it of what is kept, own items left out.
    alike = (points @ learnt.centre)[:, None] + (points @ learnt.directions) @ places.T
    alike[items[:, None] == items[None]] = -np.inf
    count = min(NEAREST, len(points) - 1)
    top = np.sort(alike, axis=1)[:, -count:]
    finite = np.isfinite(top)
    scores = np.where(finite, top, 0.0).sum(axis=1) / np.maximum(finite.sum(axis=1), 1)
    return Scorer("nearest", 1.0, Neighbours(learnt.centre, learnt.directions, learnt.places)), scores


def _area(known: Values, unknown: Values) -> float:
    is_known = np.concatenate([np.ones(len(known), bool), np.zeros(len(unknown), bool)])
    return auroc(is_known, np.concatenate([known, unknown]))


def _threshold(known: Values, weights: Values, keep: float) -> float:
    """The largest threshold that the share `keep` of the weighted scores reaches, rounded down."""
    order = np.argsort(known)
    below = np.cumsum(weights[order]) / weights.sum()
    dropped = int(np.searchsorted(below, 1 - keep + 1e-9, side="right"))
    return float(np.floor(known[order[min(dropped, len(known) - 1)]] * 1e4) / 1e4)


def _min_confidence(probabilities: Values, shots: Shots, wanted: Wanted) -> float:
    """The threshold of least cost on held-out shots; the wanted one unless another is clearly cheaper."""
    if wanted.reject_cost is None:
        return wanted.min_confidence
    right = probabilities.argmax(axis=1) == shots.truth
    best, weights = probabilities.max(axis=1), shots.weights()

    def cost(threshold: float) -> float:
        each = np.where(best < threshold, wanted.reject_cost, ~right)
        return float(np.average(each, weights=weights))

    stays = cost(wanted.min_confidence)
    cheapest = min((float(value) for value in _CONFIDENCES), key=lambda value: (round(cost(value), 6), value))
    return cheapest if cost(cheapest) < stays - 0.01 else wanted.min_confidence


def _let_through(strangers: Strangers, head: Head, scorer: Scorer, limits: tuple[float, float, float]) -> float:
    temperature, min_confidence, min_known = limits
    logits = head(strangers.logits, strangers.features)
    sure = softmax(logits, temperature).max(axis=1) >= min_confidence
    return float((sure & (scorer(logits, strangers.features) >= min_known)).mean())
