"""Scores for "none of these": how known a picture looks, from logits and pooled features. Numpy only.

Each score is higher for pictures more like the known classes, so that one rule serves all: below the threshold
means unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from waste_edge.curves import auroc
from waste_edge.metrics import Floats, Integers, softmax
from waste_edge.strict import Strict

KnownScore = Literal["max_probability", "max_logit", "energy", "mahalanobis", "cosine"]
KNOWN_SCORES: tuple[KnownScore, ...] = get_args(KnownScore)
IN_WORDS: dict[KnownScore, str] = {
    "max_probability": "largest probability",
    "max_logit": "largest logit",
    "energy": "energy",
    "mahalanobis": "distance to the class means",
    "cosine": "angle to the class means",
}


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Where the known classes lie in feature space.

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


class RejectionResult(Strict, frozen=True):
    """One score as a judge of the unknown.

    Attributes:
        score: which one.
        keep: share of known pictures that the threshold was fitted to keep.
        threshold: below it a picture is called unknown.
        kept: share of the scored known pictures that it keeps.
        auroc_wrong: chance that a rightly named picture scores above a wrongly named one; None without both.
        auroc: chance that a known picture scores above an unknown one; None without unknown pictures.
        fpr_at_95: share of unknown pictures let through by the threshold that keeps 95 % of the scored known ones.
        rejected: share of unknown pictures below `threshold`.
    """

    score: KnownScore
    keep: float
    threshold: float
    kept: float
    auroc_wrong: float | None
    auroc: float | None
    fpr_at_95: float | None
    rejected: float | None


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


def mahalanobis(features: Floats, space: FeatureSpace) -> NDArray[np.float64]:
    """(N,): minus the distance to the nearest class mean, in the classes' own spread."""
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


def cosine(features: Floats, space: FeatureSpace) -> NDArray[np.float64]:
    """(N,): cosine of the angle to the nearest class mean, features seen from the means' common centre."""
    centre = space.means.mean(axis=0)
    points, means = np.asarray(features, np.float64) - centre, space.means - centre
    lengths = np.linalg.norm(points, axis=1)[:, None] * np.linalg.norm(means, axis=1)
    return np.asarray((points @ means.T / np.maximum(lengths, 1e-12)).max(axis=1))


def known_scores(
    logits: Floats, features: Floats, space: FeatureSpace | None, temperature: float = 1.0
) -> dict[KnownScore, NDArray[np.float64]]:
    """Every score of N pictures; those in feature space only where one was fitted."""
    found: dict[KnownScore, NDArray[np.float64]] = {
        "max_probability": max_probability(logits, temperature),
        "max_logit": max_logit(logits),
        "energy": energy(logits),
    }
    if space is not None:
        found["mahalanobis"] = mahalanobis(features, space)
        found["cosine"] = cosine(features, space)
    return found


def threshold_keeping(scores: Floats, keep: float) -> float:
    """The largest threshold that at least the share `keep` of the given (N,) scores reaches, N at least 1."""
    ordered = np.sort(np.asarray(scores, np.float64))
    # A hair off, so that 0.95 of 100 pictures does not become 96 by the way floats are written.
    dropped = int(np.floor((1 - keep) * len(ordered) + 1e-9))
    return float(ordered[min(dropped, len(ordered) - 1)])


def judge_scores(
    known: Mapping[KnownScore, Floats],
    right: NDArray[np.bool_],
    fitting: Mapping[KnownScore, Floats],
    unknown: Mapping[KnownScore, Floats] | None = None,
    keep: float = 0.95,
) -> list[RejectionResult]:
    """How well each score tells known from unknown, and right from wrong.

    Args:
        known: scores of labelled pictures.
        right: which of these were named rightly.
        fitting: scores of the pictures that the threshold is fitted on.
        unknown: scores of pictures that show none of the labels, if there are such.
        keep: share of the fitting pictures that the threshold must keep.
    """
    found = []
    for name, scores in known.items():
        threshold = threshold_keeping(fitting[name], keep)
        others = None if unknown is None else np.asarray(unknown[name])
        strict = threshold_keeping(scores, 0.95)
        found.append(
            RejectionResult(
                score=name,
                keep=keep,
                threshold=threshold,
                kept=float((scores >= threshold).mean()),
                auroc_wrong=auroc(right, scores) if right.any() and not right.all() else None,
                auroc=None if others is None else _auroc_of(scores, others),
                fpr_at_95=None if others is None else float((others >= strict).mean()),
                rejected=None if others is None else float((others < threshold).mean()),
            )
        )
    return found


def _auroc_of(known: Floats, unknown: Floats) -> float:
    is_known = np.concatenate([np.ones(len(known), bool), np.zeros(len(unknown), bool)])
    return auroc(is_known, np.concatenate([known, unknown]))
