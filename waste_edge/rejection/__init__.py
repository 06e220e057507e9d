"""Telling what is none of the labels: the scores, what those in feature space are made from, how well they do.

In the core, because the device judges every picture by them. Numpy only.
"""

from waste_edge.rejection.fitting import fit_feature_space, fit_neighbours, fit_plane, fit_prototypes, narrowed
from waste_edge.rejection.judging import RejectionResult, area_between, judge_scores, threshold_keeping
from waste_edge.rejection.neighbours import Neighbours, Plane, nearest, unit
from waste_edge.rejection.scores import (
    IN_WORDS,
    KNOWN_SCORES,
    LEARNT_OF,
    SCORES_OF_FEATURES,
    Direction,
    FeatureSpace,
    KnownScore,
    Learnt,
    Prototypes,
    Scorer,
    cosine,
    energy,
    known_scores,
    linear,
    mahalanobis,
    max_logit,
    max_probability,
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
    "RejectionResult",
    "Scorer",
    "area_between",
    "cosine",
    "energy",
    "fit_feature_space",
    "fit_neighbours",
    "fit_plane",
    "fit_prototypes",
    "judge_scores",
    "known_scores",
    "linear",
    "mahalanobis",
    "max_logit",
    "max_probability",
    "narrowed",
    "nearest",
    "threshold_keeping",
    "unit",
]
