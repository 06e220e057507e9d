"""Calibration on the validation pictures, and every artifact's accuracy there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName, ArtifactScores, Calibration, Metrics, Reference
from waste_edge.engines.engine import Engine
from waste_edge.evaluation.evaluate import Outputs, score_logits, truth_of
from waste_edge.export.confidence.known_score import PARAMETERS_NAME, Choice, ask_engine, choose_known, write_parameters
from waste_edge.export.confidence.station_items import VALIDATED, ask_looks, is_shown_items, item_crops
from waste_edge.export.domains import (
    DomainAnswers,
    Rows,
    by_source,
    choose_confidence,
    mixed_temperature,
    mixed_threshold,
    predict_domains,
)
from waste_edge.export.material import Material
from waste_edge.export.quantize import Attempt, Floating, file_entry
from waste_edge.export.recipe import ExportRecipe
from waste_edge.export.work import Work
from waste_edge.item import count_looks
from waste_edge.rejection import Scorer

_LEAST_ITEMS = 30  # fewer set no threshold
FITTED_ON: ArtifactName = "tflite-int8"  # what boards run


def score_artifacts(
    folder: Path, work: Work, floating: Floating, attempt: Attempt, engine: Engine
) -> tuple[Calibration, Metrics]:
    """Fit temperature and thresholds, score every artifact and hold it against the torch network.

    Args:
        folder: the bundle's, for what the known score learnt.
        engine: INT8 TFLite, loaded.
    """
    truth = truth_of(work.validation, work.labels)
    calibration, scorer = calibrate(folder, work, attempt.answers[FITTED_ON], attempt.recipe, engine)
    answers = {**floating.answers, **attempt.answers}
    scores: dict[ArtifactName, ArtifactScores] = {}
    for name in ARTIFACT_NAMES:
        kind: Reference = "rounded" if name.endswith("int8") and "rounded" in floating.references else "float"
        logits, reference = answers[name].logits, floating.references[kind]
        difference = np.abs(logits - reference)
        same = logits.argmax(axis=1) == reference.argmax(axis=1)
        scores[name] = ArtifactScores(
            scores=score_logits(logits, scorer(*answers[name]), truth, work.labels, calibration),
            agreement=float(same.mean()),
            max_logit_difference=float(difference.max()),
            mean_logit_difference=float(difference.mean()),
            reference=kind,
        )
    return calibration, Metrics(protocol=work.protocol, artifacts=scores, quantization=attempt.comparisons)


def calibrate(
    folder: Path, material: Material, answers: Outputs, recipe: ExportRecipe, engine: Engine
) -> tuple[Calibration, Scorer]:
    """Fit temperature, known score and thresholds; writes what the score learnt into the bundle's folder.

    Args:
        answers: of the engine to the validation pictures.
        recipe: how the known score and the thresholds are chosen.
        engine: of `FITTED_ON`, loaded.
    """
    truth = truth_of(material.validation, material.labels)
    domains = None
    if material.domains is not None:
        material.step("asking about other sources' pictures")
        domains = predict_domains(material.domains, material.origin, partial(ask_engine, material, engine))
    held_out = domains.held_out if domains else None
    temperature = round(mixed_temperature(answers, truth, held_out, recipe.home_weight), 4)
    choice = Choice(recipe.known_score, recipe.known_items)
    known = choose_known(material, engine, answers, temperature, choice, domains)
    parameters = None
    if known.scorer.learnt is not None:
        write_parameters(folder / PARAMETERS_NAME, known.scorer.learnt)
        parameters = file_entry(folder / PARAMETERS_NAME)
    threshold, by = _known_threshold(material, engine, known.scorer, recipe, (answers, held_out))
    own = f"{FITTED_ON} on {material.protocol.partition(';')[0]}"
    calibration = Calibration(
        temperature=temperature,
        min_confidence=recipe.min_confidence,
        min_known_score=threshold,
        fitted_on=f"{own}{_others_in_words(held_out)}{known.fitted_on}{by}",
        known_score=known.scorer.name,
        known_parameters=parameters,
    )
    if domains is not None:
        home = Rows(answers, truth, np.full(len(truth), material.origin.data))
        calibration = _confident_elsewhere(material.step, calibration, known.scorer, recipe, (home, domains))
    return calibration, known.scorer


def _known_threshold(
    material: Material, engine: Engine, scorer: Scorer, recipe: ExportRecipe, pictures: tuple[Outputs, Rows | None]
) -> tuple[float, str]:
    """The known score that the recipe's share of known things reaches, and what it was set by where not by pictures.

    Where a station shows items, it is set by the mean score of an item's looks, as a station decides.
    """
    means = _means_of_items(material, engine, scorer) if is_shown_items(material) else None
    if means is not None:
        found = float(np.quantile(means, 1 - recipe.known_share))
        words = f"; least known score by {len(means)} scenes of these pictures' items as a station shows them"
        return round(found - 5e-5, 4), words
    home, held_out = pictures
    if held_out is None:
        return round(float(np.quantile(scorer(*home), 1 - recipe.known_share)), 4), ""
    scores = scorer(*home), scorer(*held_out.outputs)
    found = mixed_threshold(*scores, held_out, recipe.known_share, recipe.home_weight)
    return round(found - 5e-5, 4), ""  # rounded down, so that none is lost by it


def _means_of_items(material: Material, engine: Engine, scorer: Scorer) -> NDArray[np.float64] | None:
    """Compute the mean known score of the looks at each scene of a validation item, (N,); None with too few items."""
    material.step("asking about validation items as a station shows them")
    count = count_looks(material.spec.view)
    looks = ask_looks(material, engine, item_crops(material, material.validation, VALIDATED), range(count))
    scenes = 0 if looks is None else len(looks.logits) // count
    items = scenes // VALIDATED.times
    if looks is None or items < _LEAST_ITEMS:
        material.step(
            f"  only {items} of {len(material.validation)} items could be cut out, {_LEAST_ITEMS} are needed: whole "
            "pictures set the least known score"
        )
        return None
    return np.asarray(scorer(*looks).reshape(scenes, count).mean(axis=1))


def _others_in_words(held_out: Rows | None) -> str:
    if held_out is None:
        return ""
    return (
        f"; and on {len(held_out.truth)} held-out pictures of {', '.join(np.unique(held_out.source))}, alike in weight"
    )


def _confident_elsewhere(
    step: Callable[[str], None],
    calibration: Calibration,
    scorer: Scorer,
    recipe: ExportRecipe,
    pictures: tuple[Rows, DomainAnswers],
) -> Calibration:
    """The calibration with a confidence that holds on the measuring domains, and what it comes to on every one."""
    (home, domains), sorted_wrong = pictures, recipe.sorted_wrong
    measuring, held_out = domains.measuring, domains.held_out
    if measuring is not None and sorted_wrong < 1:
        found = choose_confidence(measuring, scorer(*measuring.outputs), calibration, sorted_wrong)
        if found is None:
            step(
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
