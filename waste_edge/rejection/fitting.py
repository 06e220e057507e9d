"""What scores in feature space are made from: known pictures alone. Numpy only."""

from __future__ import annotations

import numpy as np

from waste_edge.metrics import Floats, Integers
from waste_edge.rejection.scores import FeatureSpace, Prototypes, unit


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


def fit_prototypes(features: Floats, truth: Integers) -> Prototypes:
    """One direction a class: the mean of its pictures', whatever their features' lengths.

    Several a class were tried; they follow single odd pictures, and tell strangers no better.

    Args:
        features: (N, F), N at least 1, of training pictures.
        truth: (N,) label indices; a class without pictures has no direction.
    """
    directions = unit(features)
    return Prototypes(unit(np.stack([directions[truth == index].mean(axis=0) for index in np.unique(truth)])))
