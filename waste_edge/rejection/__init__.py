"""Telling what is none of the labels: the scores, what those in feature space are made from, how well they do.

In the core, because the device judges every picture by them. Numpy only.
"""

from waste_edge.rejection.fitting import fit_feature_space, fit_prototypes
from waste_edge.rejection.judging import RejectionResult, area_between, judge_scores, threshold_keeping
from waste_edge.rejection.scores import (
    IN_WORDS,
    KNOWN_SCORES,
    DeviceScore,
    Direction,
    FeatureSpace,
    KnownScore,
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
    "DeviceScore",
    "Direction",
    "FeatureSpace",
    "KnownScore",
    "Prototypes",
    "RejectionResult",
    "Scorer",
    "area_between",
    "cosine",
    "energy",
    "fit_feature_space",
    "fit_prototypes",
    "judge_scores",
    "known_scores",
    "linear",
    "mahalanobis",
    "max_logit",
    "max_probability",
    "threshold_keeping",
]
