"""Other sources' pictures in an export: what scores learn from, what temperature and thresholds are fitted on.

What may teach is divided as training divides it, and its held-out groups taught no weight. What may not teach chooses
among scores and sets `min_confidence`: it says how the finished network does elsewhere, and never becomes a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.manifest import Calibration, DomainCalibration
from waste_edge.dataset import Domains, LabelMap, Photo, SplitSpec, open_domains
from waste_edge.errors import DataError
from waste_edge.evaluation.evaluate import Outputs, rejected_by, truth_of
from waste_edge.metrics.classification import expected_calibration_error, fit_temperature, softmax

Use = Literal["temperature", "min_confidence"]
Predict = Callable[[Sequence[Photo]], Outputs]
HIGHEST_CONFIDENCE = 0.9999  # a threshold must stay below 1


@dataclass(frozen=True)
class Origin:
    """Origin of a network, as far as its pictures are found again by it.

    Attributes:
        labels: in the network's order.
        label_map: what the data's own labels are called.
        split: how its photographs and sources were divided.
        data_fingerprint: of its photographs.
        data: what they are called.
        left_out: sources that were kept away on purpose.
    """

    labels: list[str]
    label_map: LabelMap
    split: SplitSpec
    data_fingerprint: str
    data: str = ""
    left_out: Sequence[str] = ()


@dataclass(frozen=True)
class ExportDomains:
    """The rows of `--calibration-domains`, by what they are for.

    Attributes:
        teaching: those that may teach, without the groups held out: scores in feature space learn from them.
        held_out: the groups held out of these, which taught nothing: the temperature is fitted on the known ones.
        measuring: all others: they choose among scores, and `min_confidence`.
        everything: the whole file.
    """

    everything: Domains
    teaching: Domains
    held_out: Domains
    measuring: Domains


@dataclass(frozen=True, eq=False)
class Rows:
    """Pictures with one network's answers to them.

    Attributes:
        outputs: N answers.
        truth: (N,) label indices; of the unknown, indices into `kinds`.
        source: (N,) which source each is of.
        kinds: what the unknown ones are; empty for the known.
    """

    outputs: Outputs
    truth: NDArray[np.int64]
    source: NDArray[np.str_]
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class DomainAnswers:
    """The rows of an export's domains with answers; None where there is no such row."""

    teaching: Rows | None
    teaching_unknown: Rows | None
    held_out: Rows | None
    held_out_unknown: Rows | None
    measuring: Rows | None
    measuring_unknown: Rows | None


def open_export_domains(path: Path, origin: Origin) -> ExportDomains:
    """The domains file divided for a network.

    Raises:
        DataError: see `open_domains`; or nothing of it is a label of the network.
    """
    domains = open_domains(path)
    if not domains.named(origin.labels, origin.label_map).rows:
        raise DataError(f"{path}: none of its labels is one of the run's ({', '.join(origin.labels)})")
    left_out = [source for source in origin.left_out if source in domains.sources]
    may_teach = domains.teaching(leave_out=left_out)
    teaching, held_out = may_teach.divided(origin.split)
    return ExportDomains(domains, teaching, held_out, domains.apart_from(may_teach))


def predict_domains(domains: ExportDomains, origin: Origin, predict: Predict) -> DomainAnswers:
    """A network's answers to all of them."""

    def known(rows: Domains) -> Rows | None:
        return _answered(rows.named(origin.labels, origin.label_map), tuple(origin.labels), predict)

    def unknown(rows: Domains) -> Rows | None:
        strange = rows.strange(origin.labels, origin.label_map)
        return _answered(strange, tuple(sorted({row.photo.label for row in strange.rows})), predict, kinds=True)

    return DomainAnswers(
        teaching=known(domains.teaching),
        teaching_unknown=unknown(domains.teaching),
        held_out=known(domains.held_out),
        held_out_unknown=unknown(domains.held_out),
        measuring=known(domains.measuring),
        measuring_unknown=unknown(domains.measuring),
    )


def _answered(rows: Domains, labels: tuple[str, ...], predict: Predict, kinds: bool = False) -> Rows | None:
    if not rows.rows:
        return None
    source = np.array([row.source for row in rows.rows])
    return Rows(predict(rows.photos), truth_of(rows.photos, labels), source, labels if kinds else ())


def mixed_weights(home: int, elsewhere: Rows | None, home_weight: float = 1.0) -> NDArray[np.float64]:
    """Weigh `home` pictures, then others, so that every source weighs 1 and home `home_weight`: float64 (N,)."""
    weights = [np.full(home, home_weight / home)]
    if elsewhere is not None:
        _, own, counts = np.unique(elsewhere.source, return_inverse=True, return_counts=True)
        weights.append(1 / counts[own])
    return np.concatenate(weights)


def mixed_temperature(
    home: Outputs, truth: NDArray[np.int64], elsewhere: Rows | None, home_weight: float = 1.0
) -> float:
    """The temperature fitted on validation pictures and held-out ones of other sources, weighed as `mixed_weights`."""
    logits = home.logits if elsewhere is None else np.concatenate([home.logits, elsewhere.outputs.logits])
    truths = truth if elsewhere is None else np.concatenate([truth, elsewhere.truth])
    return fit_temperature(logits, truths, mixed_weights(len(truth), elsewhere, home_weight))


def mixed_threshold(
    home: NDArray[np.float64], elsewhere: NDArray[np.float64], rows: Rows, keep: float, home_weight: float = 1.0
) -> float:
    """The known score that the share `keep` of the known reaches, weighed as `mixed_weights`."""
    scores = np.concatenate([home, elsewhere])
    order = np.argsort(scores, kind="stable")
    weights = mixed_weights(len(home), rows, home_weight)[order]
    below = np.cumsum(weights) - weights  # the weight that a threshold at each score leaves out
    return float(scores[order][np.flatnonzero(below <= (1 - keep) * weights.sum() + 1e-9)[-1]])


def choose_confidence(
    rows: Rows, known: NDArray[np.float64], calibration: Calibration, sorted_wrong: float
) -> float | None:
    """The least confidence at which at most the share `sorted_wrong` of what is sorted is named wrongly.

    Every source counts alike. None where even the surest answers are wrong more often.

    Args:
        rows: known items elsewhere.
        known: (N,) their known scores; what the calibration's threshold of these keeps out is not sorted.
        calibration: with its temperature and threshold; its confidence is not looked at.
    """
    probabilities = softmax(rows.outputs.logits, calibration.temperature)
    confidence, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != rows.truth
    _, own, counts = np.unique(rows.source, return_inverse=True, return_counts=True)
    weights = np.where(known >= calibration.min_known_score, 1 / counts[own], 0.0)
    order = np.argsort(-confidence, kind="stable")
    kept, missed = np.cumsum(weights[order]), np.cumsum((weights * wrong)[order])
    sorted_share = np.divide(missed, kept, out=np.ones_like(kept), where=kept > 0)
    allowed = np.flatnonzero((sorted_share <= sorted_wrong) & (kept > 0))
    if not len(allowed):
        return None
    found = float(confidence[order][allowed[-1]])  # rounded down, since it is itself sorted
    return min(HIGHEST_CONFIDENCE, float(np.floor(found * 1e4) / 1e4))


def by_source(rows: Rows, known: NDArray[np.float64], calibration: Calibration, use: Use) -> list[DomainCalibration]:
    """Measure confidence and accuracy on each source.

    Args:
        known: (N,) the rows' known scores.
        use: what the rows were looked at for.
    """
    found = []
    rejected = rejected_by(calibration, rows.outputs.logits, known)
    probabilities = softmax(rows.outputs.logits, calibration.temperature)
    right = probabilities.argmax(axis=1) == rows.truth
    for source in np.unique(rows.source):
        own = rows.source == source
        sorted_ = own & ~rejected
        found.append(
            DomainCalibration(
                source=str(source),
                use=use,
                pictures=int(own.sum()),
                accuracy=float(right[own].mean()),
                ece=expected_calibration_error(probabilities[own], rows.truth[own]),
                kept_out=float(rejected[own].mean()),
                wrong=float((~right)[sorted_].mean()) if sorted_.any() else None,
            )
        )
    return found
