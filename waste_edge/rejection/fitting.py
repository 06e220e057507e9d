"""Fitting of scores in feature space, from known pictures alone. Numpy only."""

from __future__ import annotations

import numpy as np

from waste_edge.metrics.classification import Floats, Integers
from waste_edge.rejection.scores import Direction, FeatureSpace, Neighbours, Plane, Prototypes, energy, unit

EXPOSURE = 0.05  # of a logistic direction beside a mean cosine: home and elsewhere both gain; training/LOG.md


def fit_feature_space(features: Floats, truth: Integers, shrinkage: float = 0.1) -> FeatureSpace:
    """Class means and the covariance they share (Lee et al. 2018).

    The covariance is drawn towards a multiple of the identity, since features outnumber pictures soon.

    Args:
        features: (N, F), N at least 1, of training pictures: those of the pictures to judge would flatter.
        truth: (N,) label indices.
        shrinkage: share of the identity, above 0 and at most 1.
    """
    wide = np.asarray(features, np.float64)
    present = np.unique(truth)
    means = np.stack([wide[truth == index].mean(axis=0) for index in present])
    inner = wide - means[np.searchsorted(present, truth)]
    _, lengths, directions = np.linalg.svd(inner / np.sqrt(len(wide)), full_matrices=False)
    mean_variance = float((lengths**2).sum()) / wide.shape[1] or 1.0  # features that never vary within a class
    rest = shrinkage * mean_variance
    return FeatureSpace(means, directions.T, (1 - shrinkage) * lengths**2 + rest, rest)


def narrowed(space: FeatureSpace, directions: int = 32) -> FeatureSpace:
    """The same space by its widest directions alone, as a bundle carries it; all others share their mean variance."""
    features = space.directions.shape[0]
    order = np.argsort(-space.variances, kind="stable")
    kept, left = order[:directions], order[directions:]
    unspanned = features - len(order)  # of these every variance is `rest`
    total = float(space.variances[left].sum()) + unspanned * space.rest
    rest = total / (len(left) + unspanned) if len(left) + unspanned else space.rest
    return FeatureSpace(space.means, space.directions[:, kept], space.variances[kept], rest)


def fit_prototypes(features: Floats, group: Integers) -> Prototypes:
    """One direction a group of pictures, as a class on plain boards is one: the mean of theirs.

    k-means within the classes was tried; it follows single odd pictures, and tells strangers no better.

    Args:
        features: (N, F), N at least 1, of training pictures.
        group: (N,) numbers; one without pictures has no direction.
    """
    directions = unit(features)
    return Prototypes(unit(np.stack([directions[group == index].mean(axis=0) for index in np.unique(group)])))


def fit_neighbours(features: Floats, directions: int, places: int, away: Direction | None = None) -> Neighbours:
    """Known pictures by their places along the directions in which they differ most; a coreset of them.

    Which are kept is drawn at random, of seed 0: farthest points follow odd pictures, and told strangers no better.

    Args:
        features: (N, F), N at least 1, of known pictures.
        directions, places: how many to keep at most.
        away: points from unknown pictures to known ones among unit features; tilts the centre.
    """
    points = unit(features)
    centre = points.mean(axis=0)
    _, _, across = np.linalg.svd(points - centre, full_matrices=False)
    kept = across[:directions].T
    chosen = np.random.default_rng(0).permutation(len(points))[:places]
    tilted = centre if away is None else centre + EXPOSURE * away.weights
    return Neighbours(tilted, kept, (points[np.sort(chosen)] - centre) @ kept)


def fit_plane(logits: Floats, features: Floats, directions: int) -> Plane:
    """The plane of most variance; distances from it weighted so that they are as large as logits (Wang et al. 2022).

    Args:
        logits, features: (N, C) and (N, F), N at least 1, of training pictures.
        directions: how many it has at most.
    """
    wide = np.asarray(features, np.float64)
    origin = wide.mean(axis=0)
    _, _, across = np.linalg.svd(wide - origin, full_matrices=False)
    kept = across[:directions].T
    inner = wide - origin
    left = np.sqrt(np.maximum((inner**2).sum(axis=1) - ((inner @ kept) ** 2).sum(axis=1), 0.0)).mean()
    return Plane(origin, kept, float(np.abs(energy(logits)).mean() / max(float(left), 1e-12)))
