"""Statistical tests: paired tests, intervals by groups, and the spread over several runs. Numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from waste_edge.files.strict import Strict
from waste_edge.metrics.classification import Floats, Integers
from waste_edge.metrics.curves import Flags


class Interval(Strict, frozen=True):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


class Spread(Strict, frozen=True):
    """One number over several runs.

    Attributes:
        runs: how many.
        mean, std: of the sample (n - 1); std is 0 for one run.
        low, high: Student's 95 % interval of the mean; both the mean for one run, of which nothing can be said.
    """

    runs: int
    mean: float
    std: float
    low: float
    high: float


def mcnemar(first_right: Flags, second_right: Flags) -> float:
    """Exact two-sided p of McNemar's test: could the two be equally often right, seeing where they differ?

    Args:
        first_right, second_right: (N,) whether each classifier was right, on the same pictures.
    """
    first_only = int((first_right & ~second_right).sum())
    second_only = int((second_right & ~first_right).sum())
    differing, fewer = first_only + second_only, min(first_only, second_only)
    # Integers, so that thousands of differing pictures neither overflow nor vanish.
    tail = sum(math.comb(differing, count) for count in range(fewer + 1))
    return float(min(1.0, 2 * tail / (1 << differing)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjustment of several p-values, in their order: each at most 0.05 keeps all at 5 % together."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


class GroupScores(Strict, frozen=True):
    """Headline numbers, each with its interval over groups drawn anew; see `group_bootstrap`."""

    groups: int
    resamples: int
    accuracy: Interval
    macro_f1: Interval
    weighted_f1: Interval


def group_bootstrap(
    truth: Integers, predicted: Integers, groups: Sequence[str], classes: int, resamples: int = 2000, seed: int = 0
) -> GroupScores:
    """Percentile intervals, whole groups drawn with replacement: pictures of one object stand or fall together.

    Args:
        truth, predicted: (N,) label indices, N at least 1.
        groups: (N,) which pictures go together.
        classes: how many labels there are.
        resamples: how often all groups are drawn anew.
    """
    number_of = _numbered(groups)
    total = int(number_of.max()) + 1
    cells = number_of * classes**2 + np.asarray(truth) * classes + np.asarray(predicted)
    counts = np.bincount(cells, minlength=total * classes**2).reshape(total, classes**2).astype(np.float64)
    drawn = _draws(total, resamples, seed) @ counts
    whole = _of_confusions(counts.sum(axis=0).reshape(1, classes, classes))
    ends = _of_confusions(drawn.reshape(resamples, classes, classes))
    accuracy, macro, weighted = (_interval(float(value[0]), sample) for value, sample in zip(whole, ends, strict=True))
    return GroupScores(groups=total, resamples=resamples, accuracy=accuracy, macro_f1=macro, weighted_f1=weighted)


def group_bootstrap_difference(
    first_right: Flags, second_right: Flags, groups: Sequence[str], resamples: int = 2000, seed: int = 0
) -> Interval:
    """First accuracy minus second, on the same pictures, with an interval over groups drawn anew."""
    return group_bootstrap_mean(first_right.astype(float) - second_right.astype(float), groups, resamples, seed)


def group_bootstrap_mean(values: Floats, groups: Sequence[str], resamples: int = 2000, seed: int = 0) -> Interval:
    """Mean of one value a picture (N,), N at least 1, with a percentile interval over groups drawn anew."""
    number_of = _numbered(groups)
    total = int(number_of.max()) + 1
    sums = np.bincount(number_of, values, total)
    sizes = np.bincount(number_of, minlength=total).astype(np.float64)
    draws = _draws(total, resamples, seed)
    return _interval(float(sums.sum() / sizes.sum()), (draws @ sums) / (draws @ sizes))


def spread(values: Sequence[float]) -> Spread:
    """Mean, deviation and Student's interval over several runs (seeds, folds); at least one value."""
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Spread(runs=count, mean=mean, std=0.0, low=mean, high=mean)
    std = float(np.std(values, ddof=1))
    margin = student_quantile(0.975, count - 1) * std / math.sqrt(count)
    return Spread(runs=count, mean=mean, std=std, low=mean - margin, high=mean + margin)


def student_quantile(share: float, degrees: int) -> float:
    """Quantile of Student's t, by halving; `share` from 0.5 to below 1."""
    low, high = 0.0, 1.0
    while _student_cdf(high, degrees) < share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_cdf(middle, degrees) < share else (low, middle)
    return (low + high) / 2


def _student_cdf(t: float, degrees: int) -> float:
    """Distribution function of Student's t >= 0 for whole degrees of freedom (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    angle = math.atan2(t, math.sqrt(degrees))
    cosine_squared = math.cos(angle) ** 2
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = term if degrees > 1 or not odd else 0.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine_squared * (k - 1) / k
        total += term
    between = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return 0.5 + between / 2


def _numbered(groups: Sequence[str]) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], np.int64)


@lru_cache(maxsize=1)  # a table of many cells draws the same groups for each
def _draws(groups: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """Draw the number of times each group is drawn in each resample, (resamples, groups)."""
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(groups, np.full(groups, 1 / groups), resamples).astype(np.float64)
    draws.setflags(write=False)
    return draws


def _of_confusions(confusions: Floats) -> tuple[Floats, Floats, Floats]:
    """Accuracy, macro F1 over labels that occur, and weighted F1 of confusions (B, C, C), each (B,)."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    support, named = confusions.sum(axis=2), confusions.sum(axis=1)
    f1 = 2 * hits / np.maximum(support + named, 1)
    occurs = support > 0
    macro = (f1 * occurs).sum(axis=1) / occurs.sum(axis=1)
    total = support.sum(axis=1)
    return hits.sum(axis=1) / total, macro, (f1 * support).sum(axis=1) / total


def _interval(value: float, sample: Floats) -> Interval:
    low, high = np.percentile(sample, [2.5, 97.5])
    return Interval(value=value, low=float(low), high=float(high))
