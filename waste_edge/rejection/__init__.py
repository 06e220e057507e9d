"""Telling what is none of the labels: the scores, and what those in feature space are made from.

In the core, because the device judges every picture by them. Numpy only.
"""

from waste_edge.rejection.fitting import fit_feature_space, fit_neighbours, fit_plane, fit_prototypes, narrowed
from waste_edge.rejection.scores import (
    IN_WORDS,
    KNOWN_SCORES,
    LEARNT_OF,
    SCORES_OF_FEATURES,
    Direction,
    FeatureSpace,
    KnownScore,
    Learnt,
    Neighbours,
    Plane,
    Prototypes,
    Scorer,
    cosine,
    energy,
    known_scores,
    linear,
    mahalanobis,
    max_logit,
    max_probability,
    nearest,
    unit,
)

__all__ = [
    "IN_WORDS",
    "KNOWN_SCORES",
    "LEARNT_OF",
    "SCORES_OF_FEATURES",
    "Direction",
    "FeatureSpace",
    "KnownScore",
    "Learnt",
    "Neighbours",
    "Plane",
    "Prototypes",
    "Scorer",
    "cosine",
    "energy",
    "fit_feature_space",
    "fit_neighbours",
    "fit_plane",
    "fit_prototypes",
    "known_scores",
    "linear",
    "mahalanobis",
    "max_logit",
    "max_probability",
    "narrowed",
    "nearest",
    "unit",
]
