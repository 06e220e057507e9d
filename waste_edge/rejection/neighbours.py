"""Distances in feature space: to known pictures, and to their principal plane. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waste_edge.metrics.classification import Floats

NEAREST = 5


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
