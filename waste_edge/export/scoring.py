"""What is fitted on the validation pictures, and how right every artifact is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName, ArtifactScores, Calibration, Metrics, Reference
from waste_edge.engines.engine import Engine
from waste_edge.evaluation.evaluate import score_logits, truth_of
from waste_edge.export.attempts import Attempt, Floating, file_entry
from waste_edge.export.known_score import PARAMETERS_NAME, choose_known, write_parameters
from waste_edge.export.work import Work
from waste_edge.metrics.classification import fit_temperature
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
    answers, recipe = attempt.answers[_FITTED_ON], attempt.recipe
    temperature = round(fit_temperature(answers.logits, truth_of(work.validation, work.run.info.labels)), 4)
    known = choose_known(work, engine, answers, temperature, recipe.known_score)
    parameters = None
    if known.scorer.learnt is not None:
        write_parameters(folder / PARAMETERS_NAME, known.scorer.learnt)
        parameters = file_entry(folder / PARAMETERS_NAME)
    calibration = Calibration(
        temperature=temperature,
        min_confidence=recipe.min_confidence,
        min_known_score=round(float(np.quantile(known.scorer(*answers), 1 - recipe.known_share)), 4),
        fitted_on=f"{_FITTED_ON} on {protocol.partition(';')[0]}{known.fitted_on}",
        known_score=known.scorer.name,
        known_parameters=parameters,
    )
    return calibration, known.scorer
