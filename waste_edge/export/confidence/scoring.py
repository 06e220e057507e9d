"""Calibration on the validation pictures, and every artifact's accuracy there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName, ArtifactScores, Calibration, Metrics, Reference
from waste_edge.engines.engine import Engine
from waste_edge.evaluation.evaluate import Outputs, score_logits, truth_of
from waste_edge.export.confidence.known_score import PARAMETERS_NAME, ask_engine, choose_known, write_parameters
from waste_edge.export.domains import (
    DomainAnswers,
    Rows,
    by_source,
    choose_confidence,
    mixed_temperature,
    mixed_threshold,
    predict_domains,
)
from waste_edge.export.quantize import Attempt, Floating, file_entry
from waste_edge.export.recipe import ExportRecipe
from waste_edge.export.work import Work
from waste_edge.rejection import Scorer

_FITTED_ON: ArtifactName = "tflite-int8"  # what boards run


def score_artifacts(
    folder: Path, work: Work, floating: Floating, attempt: Attempt, engine: Engine
) -> tuple[Calibration, Metrics]:
    """Fit temperature and thresholds, score every artifact and hold it against the torch network.

    Args:
        folder: the bundle's, for what the known score learnt.
        engine: INT8 TFLite, loaded.
    """
    info, labels = work.run.info, work.run.info.labels
    truth = truth_of(work.validation, labels)
    protocol = (
        f"{len(work.validation)} validation pictures of {info.data}, "
        f"{'grouped by object' if work.dataset.grouped else 'near-duplicates grouped'}, seed {info.recipe.split.seed}; "
        "temperature and thresholds were fitted on these same pictures, weights were not"
    )
    calibration, scorer = _calibrate(folder, work, attempt, engine, protocol)
    answers = {**floating.answers, **attempt.answers}
    scores: dict[ArtifactName, ArtifactScores] = {}
    for name in ARTIFACT_NAMES:
        kind: Reference = "rounded" if name.endswith("int8") and "rounded" in floating.references else "float"
        logits, reference = answers[name].logits, floating.references[kind]
        difference = np.abs(logits - reference)
        same = logits.argmax(axis=1) == reference.argmax(axis=1)
        scores[name] = ArtifactScores(
            scores=score_logits(logits, scorer(*answers[name]), truth, labels, calibration),
            agreement=float(same.mean()),
            max_logit_difference=float(difference.max()),
            mean_logit_difference=float(difference.mean()),
            reference=kind,
        )
    return calibration, Metrics(protocol=protocol, artifacts=scores, quantization=attempt.comparisons)


def _calibrate(folder: Path, work: Work, attempt: Attempt, engine: Engine, protocol: str) -> tuple[Calibration, Scorer]:
    answers, recipe, info = attempt.answers[_FITTED_ON], attempt.recipe, work.run.info
    truth = truth_of(work.validation, info.labels)
    domains = None
    if work.domains is not None:
        work.step("asking about other sources' pictures")
        domains = predict_domains(work.domains, info, partial(ask_engine, work, engine))
    held_out = domains.held_out if domains else None
    temperature = round(mixed_temperature(answers, truth, held_out, recipe.home_weight), 4)
    known = choose_known(work, engine, answers, temperature, recipe.known_score, domains)
    parameters = None
    if known.scorer.learnt is not None:
        write_parameters(folder / PARAMETERS_NAME, known.scorer.learnt)
        parameters = file_entry(folder / PARAMETERS_NAME)
    calibration = Calibration(
        temperature=temperature,
        min_confidence=recipe.min_confidence,
        min_known_score=_known_threshold(known.scorer, answers, held_out, recipe),
        fitted_on=f"{_FITTED_ON} on {protocol.partition(';')[0]}{_others_in_words(held_out)}{known.fitted_on}",
        known_score=known.scorer.name,
        known_parameters=parameters,
    )
    if domains is not None:
        home = Rows(answers, truth, np.full(len(truth), info.data))
        calibration = _confident_elsewhere(work, calibration, known.scorer, recipe.sorted_wrong, home, domains)
    return calibration, known.scorer


def _known_threshold(scorer: Scorer, home: Outputs, held_out: Rows | None, recipe: ExportRecipe) -> float:
    if held_out is None:
        return round(float(np.quantile(scorer(*home), 1 - recipe.known_share)), 4)
    scores = scorer(*home), scorer(*held_out.outputs)
    found = mixed_threshold(*scores, held_out, recipe.known_share, recipe.home_weight)
    return round(found - 5e-5, 4)  # rounded down, so that none is lost by it


def _others_in_words(held_out: Rows | None) -> str:
    if held_out is None:
        return ""
    return (
        f"; and on {len(held_out.truth)} held-out pictures of {', '.join(np.unique(held_out.source))}, alike in weight"
    )


def _confident_elsewhere(
    work: Work, calibration: Calibration, scorer: Scorer, sorted_wrong: float, home: Rows, domains: DomainAnswers
) -> Calibration:
    """The calibration with a confidence that holds on the measuring domains, and what it comes to on every one."""
    measuring, held_out = domains.measuring, domains.held_out
    if measuring is not None and sorted_wrong < 1:
        found = choose_confidence(measuring, scorer(*measuring.outputs), calibration, sorted_wrong)
        if found is None:
            work.step(
                f"  no confidence leaves at most {sorted_wrong:.0%} wrong of what is sorted elsewhere; the recipe's "
                f"{calibration.min_confidence:g} stays"
            )
        else:
            calibration = replace(calibration, min_confidence=found, sorted_wrong=sorted_wrong)
    rows = by_source(home, scorer(*home.outputs), calibration, "temperature")
    if held_out is not None:
        rows += by_source(held_out, scorer(*held_out.outputs), calibration, "temperature")
    if measuring is not None:
        rows += by_source(measuring, scorer(*measuring.outputs), calibration, "min_confidence")
    return replace(calibration, domains=rows)
