"""Scores for "none of these": how known a picture looks, from logits and pooled features. Numpy only.

Each score is higher for pictures more like the known classes, so that one rule serves all: below the threshold
means unknown.

Those in feature space are distances: to class means, to known pictures, and to their principal plane.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from waste_edge.metrics.classification import Floats, softmax

NEAREST = 5
KnownScore = Literal[
    "max_probability", "max_logit", "energy", "linear", "cosine", "mahalanobis",
    "nearest", "nearest_exposed", "linear_unit", "vim",
]  # fmt: skip
KNOWN_SCORES: tuple[KnownScore, ...] = get_args(KnownScore)
SCORES_OF_FEATURES: tuple[KnownScore, ...] = KNOWN_SCORES[3:]  # the others need logits alone
IN_WORDS: dict[KnownScore, str] = {
    "max_probability": "largest probability",
    "max_logit": "largest logit",
    "energy": "energy",
    "linear": "learnt direction",
    "cosine": "angle to the class means",
    "mahalanobis": "distance to the class means",
    "nearest": "nearest known pictures",
    "nearest_exposed": "nearest known pictures, away from unknown ones",
    "linear_unit": "learnt direction, by angle",
    "vim": "energy less the distance from the known plane",
}


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Features of known pictures, few and short enough for a board.

    A cosine between unit features x and a known picture's b is x @ centre + (x @ directions) @ place, if b is told by
    its `place` along the directions in which known pictures differ most.

    Attributes:
        centre: float64 (F,): the known pictures' mean; where unknown ones taught too, tilted away from these.
        directions: float64 (F, R), orthonormal.
        places: float64 (P, R), of P known pictures.
    """

    centre: NDArray[np.float64]
    directions: NDArray[np.float64]
    places: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plane:
    """Principal subspace of known pictures' features.

    Attributes:
        origin: float64 (F,).
        directions: float64 (F, R), orthonormal, in which they vary most.
        weight: what a distance of 1 from the plane takes off the energy.
    """

    origin: NDArray[np.float64]
    directions: NDArray[np.float64]
    weight: float


def unit(vectors: Floats) -> NDArray[np.float64]:
    """Vectors (N, F) at length 1; those of no length stay."""
    wide = np.asarray(vectors, np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))


def nearest(features: Floats, neighbours: Neighbours) -> NDArray[np.float64]:
    """(N,): mean cosine between features (N, F) and the five known pictures nearest to each.

    Sun et al. (2022, arXiv:2204.06507) judge by the distance to the k-th neighbour; the mean of few is steadier where
    the known pictures are few.
    """
    points = unit(features)
    along = (points @ neighbours.directions) @ neighbours.places.T
    count = min(NEAREST, along.shape[1])
    top = np.partition(along, along.shape[1] - count, axis=1)[:, -count:]
    return np.asarray(points @ neighbours.centre + top.mean(axis=1))


def off_plane(features: Floats, plane: Plane) -> NDArray[np.float64]:
    """(N,): distance of features (N, F) from the plane, weighted (the virtual logit of Wang et al. 2022)."""
    points = np.asarray(features, np.float64) - plane.origin
    squared = (points**2).sum(axis=1) - ((points @ plane.directions) ** 2).sum(axis=1)
    return np.asarray(plane.weight * np.sqrt(np.maximum(squared, 0.0)))


@dataclass(frozen=True, eq=False)
class Direction:
    """From the unknown to the known through feature space: `weights` float64 (F,), and what is added."""

    weights: NDArray[np.float64]
    bias: float


@dataclass(frozen=True, eq=False)
class Prototypes:
    """Directions of known pictures' features: `units` float64 (P, F), each of length 1."""

    units: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Distribution of the known classes in feature space.

    Attributes:
        means: float64 (K, F), of the classes that had pictures.
        directions: float64 (F, R), orthonormal, at most as many as pictures: in which features vary within a class.
        variances: float64 (R,), along these.
        rest: variance in every other direction. Nothing here is F by F: VGG16 has 25,088 features.
    """

    means: NDArray[np.float64]
    directions: NDArray[np.float64]
    variances: NDArray[np.float64]
    rest: float


Learnt = Direction | Prototypes | FeatureSpace | Neighbours | Plane
LEARNT_OF: dict[KnownScore, type[Learnt]] = {
    "linear": Direction,
    "cosine": Prototypes,
    "mahalanobis": FeatureSpace,
    "nearest": Neighbours,
    "nearest_exposed": Neighbours,
    "linear_unit": Direction,
    "vim": Plane,
}


@dataclass(frozen=True, eq=False)
class Scorer:
    """The one score that a bundle judges by, defined here for export, evaluation and the device.

    Attributes:
        name: which.
        temperature: of the probabilities; only `max_probability` looks at it.
        learnt: what `LEARNT_OF` says the score needs; None of a score of logits.
    """

    name: KnownScore
    temperature: float = 1.0
    learnt: Learnt | None = None

    def __post_init__(self) -> None:
        needed: type = LEARNT_OF.get(self.name, type(None))
        if not isinstance(self.learnt, needed):
            raise ValueError(f"score {self.name} needs a {needed.__name__}, got a {type(self.learnt).__name__}")

    def __call__(self, logits: Floats, features: Floats) -> NDArray[np.float64]:
        """(N,) of logits (N, C) and pooled features (N, F)."""
        match self.learnt:
            case Direction():
                return linear(features if self.name == "linear" else unit(features), self.learnt)
            case Prototypes():
                return cosine(features, self.learnt)
            case FeatureSpace():
                return mahalanobis(features, self.learnt)
            case Neighbours():
                return nearest(features, self.learnt)
            case Plane():
                return energy(logits) - off_plane(features, self.learnt)
        if self.name == "max_probability":
            return max_probability(logits, self.temperature)
        return energy(logits) if self.name == "energy" else max_logit(logits)


def max_probability(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """(N,): the largest probability (Hendrycks and Gimpel 2017)."""
    return np.asarray(softmax(logits, temperature).max(axis=1))


def max_logit(logits: Floats) -> NDArray[np.float64]:
    """(N,): the largest logit (Hendrycks et al. 2022)."""
    return np.asarray(np.asarray(logits, np.float64).max(axis=1))


def energy(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """(N,): the negative free energy T log sum exp(logit / T) (Liu et al. 2020)."""
    scaled = np.asarray(logits, np.float64) / temperature
    top = scaled.max(axis=1)
    return np.asarray(temperature * (top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))))


def linear(features: Floats, direction: Direction) -> NDArray[np.float64]:
    """(N,): how far features (N, F) lie along a direction learnt between known and unknown pictures.

    The logit of a logistic regression, so that 0 is an even chance: what outlier exposure (Hendrycks, Mazeika and
    Dietterich 2019) does to a network, done with its features alone.
    """
    return np.asarray(np.asarray(features, np.float64) @ direction.weights + direction.bias)


def cosine(features: Floats, prototypes: Prototypes) -> NDArray[np.float64]:
    """(N,): cosine of the angle between features (N, F) and the nearest prototype.

    As Techapanurak, Suganuma and Okatani (2019, arXiv:1905.10628) judge by the angle to a class's weights. Lengths are
    left out: a network taught to be unsure of strangers makes theirs short, and so near to everything.
    """
    return np.asarray((unit(features) @ prototypes.units.T).max(axis=1))


def mahalanobis(features: Floats, space: FeatureSpace) -> NDArray[np.float64]:
    """(N,): minus the distance to the nearest class mean, in the classes' own spread (Lee et al. 2018)."""
    points = np.asarray(features, np.float64)
    along, centres = points @ space.directions, space.means @ space.directions
    spread = np.sqrt(space.variances)
    squared = _squared_distances(along / spread, centres / spread)
    if space.directions.shape[0] > space.directions.shape[1]:  # else no direction is left
        across = _squared_distances(points, space.means) - _squared_distances(along, centres)
        squared = squared + np.maximum(across, 0.0) / space.rest
    return np.asarray(-np.sqrt(np.maximum(squared, 0.0)).min(axis=1))


def _squared_distances(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K) of points (N, F) from centres (K, F)."""
    return np.asarray((points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1))


def known_scores(
    logits: Floats, features: Floats, temperature: float = 1.0, learnt: Mapping[KnownScore, Learnt] | None = None
) -> dict[KnownScore, NDArray[np.float64]]:
    """Every score of N pictures: those of logits, and those of features that `learnt` has something for."""
    given = learnt or {}
    names = [name for name in KNOWN_SCORES if name in given or name not in SCORES_OF_FEATURES]
    return {name: Scorer(name, temperature, given.get(name))(logits, features) for name in names}
