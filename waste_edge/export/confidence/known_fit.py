"""Parameters of each known score, fitted at export, at most 20 kB a bundle."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from waste_edge.evaluation.evaluate import Outputs
from waste_edge.export.confidence.station_items import ItemFeatures
from waste_edge.rejection import (
    Direction,
    KnownScore,
    Learnt,
    fit_feature_space,
    fit_neighbours,
    fit_plane,
    fit_prototypes,
    narrowed,
    unit,
)

ROOM_BYTES = 19_000  # of numbers at a byte each; names and scales take the rest of 20 kB
MOST_DIRECTIONS = 32
_PLACES = 500  # known pictures to keep at least, before directions are added
_INVERSE_PENALTY = 0.01  # of the logistic regression of `linear`, for standardized features
_INVERSE_PENALTY_UNIT = 100.0  # of `linear_unit`, whose features are short
_INVERSE_PENALTY_TILT = 10.0  # of the direction that only tilts `nearest_exposed`

Features = NDArray[np.float32]


class Taught(Protocol):
    """Known pictures that may teach."""

    @property
    def outputs(self) -> Outputs: ...

    @property
    def truth(self) -> NDArray[np.int64]: ...

    @property
    def plain(self) -> int:
        """Number of leading rows that are photographs of the model's own training part."""

    @property
    def in_words(self) -> str: ...

    def real(self) -> NDArray[np.bool_]: ...

    def place(self) -> NDArray[np.int64]: ...


class Others(Protocol):
    """Features that only some scores learn from; nothing is predicted before it is asked for."""

    def strange(self) -> tuple[Features, str]:
        """Features of unknown pictures, and what they are in words."""

    def items(self) -> ItemFeatures | None:
        """Features of known and unknown items as a station shows them; None where it shows whole views."""


def fit_learnt(name: KnownScore, taught: Taught, others: Others) -> tuple[Learnt, str]:
    """Fit a score of features; returns its parameters and, in words, the data.

    Args:
        taught: known pictures.
        others: unknown pictures and items; asked for only by a score that learns from such.
    """
    features, real = taught.outputs.features, taught.real()
    size = features.shape[1]
    if name == "cosine":
        return fit_prototypes(features, _groups(taught, size)), taught.in_words
    if name == "mahalanobis":  # items elsewhere would widen the space until strangers fit in
        own, labels = features[: taught.plain], taught.truth[: taught.plain]
        room = ROOM_BYTES // size - len(np.unique(labels))
        return narrowed(fit_feature_space(own, labels), _at_least_one(room)), f"{taught.plain} training pictures"
    photographs = f"{int(real.sum())} photographs"
    if name == "vim":
        room = _at_least_one(ROOM_BYTES // size - 1)
        return fit_plane(taught.outputs.logits[real], features[real], room), photographs
    if name == "nearest":
        return fit_neighbours(features[real], *_shape(size)), photographs
    unknown, words = others.strange()
    if name == "linear":
        return _direction(features, unknown), f"{taught.in_words}, and {words}"
    known, words = features[real], f"{photographs}, and {words}"
    items = others.items()
    if items is not None:
        known, unknown = np.concatenate([known, items.known]), np.concatenate([unknown, items.unknown])
        words = f"{words}, and {items.in_words}"
    if name == "linear_unit":
        return _direction_of_units(known, unknown, _INVERSE_PENALTY_UNIT), words
    away = _direction_of_units(known, unknown, _INVERSE_PENALTY_TILT)
    return fit_neighbours(features[real], *_shape(size), away), words


def _groups(taught: Taught, size: int) -> NDArray[np.int64]:
    """A class at each kind of place is a group of its own; other sources share theirs where room is short."""
    place = taught.place()
    classes = len(np.unique(taught.truth))
    if 3 * classes * size > ROOM_BYTES:
        place = np.minimum(place, 1)
    return np.asarray(3 * taught.truth + place)


def _shape(size: int) -> tuple[int, int]:
    """Compute the numbers of directions and prototypes that fit into the size."""
    directions = min(16, _at_least_one((ROOM_BYTES - size) // (size + _PLACES)))
    return directions, max(20, (ROOM_BYTES - size * (directions + 1)) // directions)


def _at_least_one(count: int) -> int:
    return min(MOST_DIRECTIONS, max(1, count))


def _direction(known: Features, unknown: Features) -> Direction:
    """Logistic regression between features (N, F) and (M, F), both sides of equal weight; the scaling folded in."""
    features = np.concatenate([known, unknown]).astype(np.float64)
    scaler = StandardScaler().fit(features)
    fit = _regression(scaler.transform(features), len(known), _INVERSE_PENALTY)
    weights = fit.coef_[0] / scaler.scale_
    return Direction(weights, float(fit.intercept_[0] - weights @ scaler.mean_))


def _direction_of_units(known: Features, unknown: Features, inverse_penalty: float) -> Direction:
    fit = _regression(unit(np.concatenate([known, unknown])), len(known), inverse_penalty)
    return Direction(fit.coef_[0].astype(np.float64), float(fit.intercept_[0]))


def _regression(features: NDArray[np.float64], known: int, inverse_penalty: float) -> LogisticRegression:
    is_known = np.arange(len(features)) < known
    return LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=3000).fit(features, is_known)
