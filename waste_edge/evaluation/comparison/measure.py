"""One model's part of a report, from its logits and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.dataset import Dataset, Photo, stratified
from waste_edge.engines.engine import Taken
from waste_edge.evaluation.comparison.held_out import Pictures
from waste_edge.evaluation.comparison.models import Model
from waste_edge.evaluation.evaluate import Outputs, Progress, rejected_by, score_logits, truth_of
from waste_edge.evaluation.report.content import CalibrationReport, Histogram, ModelReport, RejectionReport, Shown
from waste_edge.evaluation.unknowns import ScoreSets, judge_scores
from waste_edge.metrics.classification import Scores, expected_calibration_error, fit_temperature, score, softmax
from waste_edge.metrics.curves import macro_roc, one_against_rest, reliability_bins
from waste_edge.metrics.significance import GroupScores, group_bootstrap
from waste_edge.rejection import KnownScore, Learnt, fit_feature_space, fit_prototypes, known_scores

Probabilities = NDArray[np.float64]
MOST_MISTAKES, MOST_RIGHT = 18, 18


@dataclass(frozen=True, eq=False)
class Answered:
    """One model's outputs, columns in the report's label order; None where there was nobody to ask about."""

    model: Model
    scored: Outputs
    fitting: Outputs
    training: Outputs | None
    unknown: Outputs | None
    elsewhere: Outputs | None = None

    @property
    def temperature(self) -> float:
        return self.model.calibration.temperature if self.model.calibration else 1.0

    @property
    def probabilities(self) -> Probabilities:
        return softmax(self.scored.logits, self.temperature)


def predict_all(
    model: Model,
    labels: Sequence[str],
    pictures: Pictures,
    unknown: Sequence[Photo],
    elsewhere: Sequence[Photo],
    progress: Progress,
) -> Answered:
    """Ask a model about every picture that the report needs of it."""
    order = [model.labels.index(label) for label in labels]
    training = pictures.training.get(model.name, [])
    apart = pictures.fitting is not pictures.scored
    wanted = [pictures.scored, pictures.fitting if apart else [], training, unknown, elsewhere]
    total, done = sum(map(len, wanted)), 0

    def asked(photos: Sequence[Photo]) -> Outputs | None:
        nonlocal done
        if not photos:
            return None
        before = done
        outputs = model.predict(photos, lambda part, _: progress(before + part, total))
        done += len(photos)
        return Outputs(outputs.logits[:, order], outputs.features)

    scored, fitting, trained, strange, moved = (asked(photos) for photos in wanted)
    assert scored is not None  # there are always pictures to score
    return Answered(model, scored, fitting or scored, trained, strange, moved)


def measure(
    answered: Answered, labels: Sequence[str], dataset: Dataset, pictures: Pictures, elsewhere: Sequence[Photo] = ()
) -> ModelReport:
    """Measure everything that a report says of one model but its latency."""
    model, probabilities, moved = answered.model, answered.probabilities, answered.elsewhere
    truth = truth_of(pictures.scored, labels)
    predicted = probabilities.argmax(axis=1)
    curves = one_against_rest(probabilities, truth, labels)
    return ModelReport(
        name=model.name,
        role=model.role,
        engine=model.engine,
        recipe=model.recipe,
        teacher=model.teacher,
        facts=model.facts,
        scores=_scores(model, answered.scored, truth, labels),
        intervals=_intervals(predicted, pictures.scored, labels),
        training=list(model.training),
        curves=curves,
        auc=float(np.mean([one.auc for one in curves])) if curves else None,
        average_precision=float(np.mean([one.average_precision for one in curves])) if curves else None,
        macro_roc=macro_roc(probabilities, truth, labels),
        calibration=_calibration(answered, truth, labels, pictures),
        rejection=_rejection(answered, truth, labels, pictures),
        mistakes=_mistakes(probabilities, truth, labels, pictures.scored),
        right=_right(probabilities, truth, labels, dataset, pictures.scored),
        elsewhere=_scores(model, moved, truth_of(elsewhere, labels), labels) if moved else None,
        elsewhere_intervals=_intervals(moved.logits.argmax(axis=1), elsewhere, labels) if moved else None,
    )


def _intervals(predicted: NDArray[np.int64], photos: Sequence[Photo], labels: Sequence[str]) -> GroupScores:
    return group_bootstrap(truth_of(photos, labels), predicted, [photo.group for photo in photos], len(labels))


def _scores(model: Model, outputs: Outputs, truth: NDArray[np.int64], labels: Sequence[str]) -> Scores:
    if model.calibration and model.scorer:
        return score_logits(outputs.logits, model.scorer(*outputs), truth, labels, model.calibration)
    return score(softmax(outputs.logits), truth, labels)


def _calibration(
    answered: Answered, truth: NDArray[np.int64], labels: Sequence[str], pictures: Pictures
) -> CalibrationReport:
    temperature = fit_temperature(answered.fitting.logits, truth_of(pictures.fitting, labels))
    if pictures.fitting is pictures.scored:
        fitted, words = _cross_fitted(answered.scored.logits, truth, pictures.scored), ", the errors by cross-fitting"
    else:
        fitted, words = softmax(answered.scored.logits, temperature), ""
    return CalibrationReport(
        temperature=answered.temperature,
        fitted_temperature=temperature,
        fitted_on=pictures.fitted_on + words,
        ece=expected_calibration_error(answered.probabilities, truth),
        fitted_ece=expected_calibration_error(fitted, truth),
        bins=reliability_bins(answered.probabilities, truth),
        fitted_bins=reliability_bins(fitted, truth),
    )


def _cross_fitted(logits: NDArray[np.float32], truth: NDArray[np.int64], photos: Sequence[Photo]) -> Probabilities:
    """Probabilities under a temperature that was fitted on the other half of the groups."""
    numbers: dict[str, int] = {}
    half = np.array([numbers.setdefault(photo.group, len(numbers)) % 2 for photo in photos]) == 1
    probabilities = softmax(logits)
    if half.any() and not half.all():
        for own in (half, ~half):
            probabilities[own] = softmax(logits[own], fit_temperature(logits[~own], truth[~own]))
    return probabilities


def _rejection(
    answered: Answered, truth: NDArray[np.int64], labels: Sequence[str], pictures: Pictures
) -> RejectionReport:
    calibration, scorer = answered.model.calibration, answered.model.scorer
    learnt: dict[KnownScore, Learnt] = {}
    if answered.training is not None:
        features, trained_on = answered.training.features, truth_of(pictures.training[answered.model.name], labels)
        learnt["cosine"] = fit_prototypes(features, trained_on)
        learnt["mahalanobis"] = fit_feature_space(features, trained_on)
    if scorer and scorer.learnt:
        learnt[scorer.name] = scorer.learnt

    def scores(outputs: Outputs) -> dict[KnownScore, NDArray[np.float64]]:
        return known_scores(*outputs, answered.temperature, learnt)

    known = scores(answered.scored)
    unknown = scores(answered.unknown) if answered.unknown else None
    elsewhere = scores(answered.elsewhere) if answered.elsewhere else None
    called = None
    if answered.unknown and calibration and scorer:
        called = float(rejected_by(calibration, answered.unknown.logits, scorer(*answered.unknown)).mean())
    return RejectionReport(
        fitted_on=pictures.fitted_on,
        results=judge_scores(
            ScoreSets(known, scores(answered.fitting), unknown, elsewhere),
            right=answered.scored.logits.argmax(axis=1) == truth,
            shipped=(calibration.known_score, calibration.min_known_score) if calibration else None,
        ),
        histograms={
            name: _histogram(known[name], unknown[name] if unknown else None, elsewhere[name] if elsewhere else None)
            for name in known
        },
        called_unknown=called,
    )


def _histogram(
    known: NDArray[np.float64],
    unknown: NDArray[np.float64] | None,
    elsewhere: NDArray[np.float64] | None,
    bins: int = 30,
) -> Histogram:
    kinds = [np.empty(0) if values is None else values for values in (known, unknown, elsewhere)]
    everything = np.concatenate(kinds)
    low, high = float(everything.min()), float(everything.max())
    if high - low < 1e-6 * max(1.0, abs(low)):  # all alike: one bar in the middle
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(values, edges)[0].tolist() for values in kinds]
    return Histogram(
        edges=[round(float(edge), 6) for edge in edges], known=counts[0], unknown=counts[1], elsewhere=counts[2]
    )


def _mistakes(
    probabilities: Probabilities, truth: NDArray[np.int64], labels: Sequence[str], photos: Sequence[Photo]
) -> list[Shown]:
    """The wrong answers, surest first."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    wrong = [index for index in order.tolist() if probabilities[index].argmax() != truth[index]]
    return [_shown(probabilities[index], labels, photos[index]) for index in wrong[:MOST_MISTAKES]]


def _right(
    probabilities: Probabilities,
    truth: NDArray[np.int64],
    labels: Sequence[str],
    dataset: Dataset,
    photos: Sequence[Photo],
) -> list[Shown]:
    """Choose some right answers of every label, without looking at the confidence."""
    right = {photos[index].key: index for index in np.flatnonzero(probabilities.argmax(axis=1) == truth).tolist()}
    chosen = stratified(dataset, [photos[index] for index in right.values()], MOST_RIGHT, seed=0)
    shown = [_shown(probabilities[right[photo.key]], labels, photo) for photo in chosen]
    return sorted(shown, key=lambda one: labels.index(one.truth))


def _shown(probabilities: Probabilities, labels: Sequence[str], photo: Photo) -> Shown:
    best = int(probabilities.argmax())
    return Shown(
        picture=photo.key,
        truth=photo.label,
        answer=labels[best],
        probability=round(float(probabilities[best]), 4),
        text=photo.text,
    )


def with_latency(report: ModelReport, taken: Taken) -> ModelReport:
    """The same with the time that was measured once all models were there."""
    facts = msgspec.structs.replace(report.facts, latency_ms=taken.wall_ms, cpu_ms=taken.cpu_ms)
    return msgspec.structs.replace(report, facts=facts)
