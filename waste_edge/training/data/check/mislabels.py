"""Pictures that look like another label's: a classifier that never saw them is sure of something else.

Out-of-fold probabilities of a logistic regression, near-duplicates kept in one fold. After Northcutt, Jiang and Chuang
2021 ("Confident Learning"): suspicious is a picture whose probability of another label is about what is usual for
pictures that bear that label, while its own label's is near nothing. The thresholds are stricter than
theirs, since simple features are often wrong: a short list that is looked at is worth more than a long one.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDS = 5
MAX_FITTED = 20_000  # pictures a fold is fitted on; more cost hours and change little
STRENGTH = 20.0  # of the fit against the penalty, whatever the number of pictures
MAX_OWN = 0.05  # probability of its own label
MIN_OTHER = 0.8  # probability of the other
NEARLY = 0.9  # of what is usual: where labels are easily told, what is usual is nearly 1


@dataclass(frozen=True)
class Doubt:
    """One picture that looks like another label's."""

    index: int
    other: int
    own_probability: float
    other_probability: float


def find_doubts(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int = 0
) -> tuple[list[Doubt], float] | None:
    """Doubtful pictures, the most doubtful first, and the out-of-fold accuracy that says what a doubt is worth.

    Returns:
        None if a label has too few groups of pictures for two folds.
    """
    smallest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    folds = min(FOLDS, smallest)
    if folds < 2:
        return None
    probabilities = _out_of_fold(features, labels, groups, folds, seed)
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    usual = np.array([own[labels == label].mean() for label in range(probabilities.shape[1])])
    other = probabilities.argmax(axis=1)
    sure = probabilities[rows, other]
    doubtful = (other != labels) & (own <= MAX_OWN) & (sure >= np.maximum(NEARLY * usual[other], MIN_OTHER))
    order = np.argsort(own - sure, kind="stable")
    doubts = [Doubt(int(i), int(other[i]), float(own[i]), float(sure[i])) for i in order if doubtful[i]]
    return doubts, float((other == labels).mean())


def _out_of_fold(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64], folds: int, seed: int
) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    probabilities = np.zeros((len(labels), int(labels.max()) + 1))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, held in splitter.split(features, labels, groups):
        fitted = generator.permutation(train)[:MAX_FITTED]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH / len(fitted), max_iter=300))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # nearly there is near enough
            model.fit(features[fitted], labels[fitted])
        probabilities[np.ix_(held, model.classes_)] = model.predict_proba(features[held])
    return probabilities


def as_indices(names: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Convert labels to numbers."""
    return np.array([labels.index(name) for name in names], dtype=np.int64)
