"""By what a bundle tells the known from the unknown: the score chosen, and what it learns fitted.

All on the answers of the artifact that boards run. Nothing here sees the strangers and surfaces that `evaluate` judges
by (`held_out.JUDGING`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from waste_edge.dataset import Photo, stratified
from waste_edge.engines.engine import Engine
from waste_edge.errors import DataError
from waste_edge.evaluation.evaluate import Outputs, truth_of
from waste_edge.evaluation.rendered_pictures import elsewhere, strangers
from waste_edge.evaluation.unknowns import area_between
from waste_edge.export.recipe import KnownChoice
from waste_edge.export.work import Work
from waste_edge.files.atomic import write_atomically
from waste_edge.imaging.preprocess import prepare
from waste_edge.rejection import (
    IN_WORDS,
    SCORES_OF_FEATURES,
    Direction,
    KnownScore,
    Learnt,
    Scorer,
    fit_feature_space,
    fit_prototypes,
    narrowed,
)
from waste_edge.rendering.held_out import CHOOSING
from waste_edge.rendering.outliers import render_held_out_stranger, render_stranger
from waste_edge.rendering.textures import paint_texture

PARAMETERS_NAME = "known_score.npz"
# Not `linear`: what it learns from drawn strangers is in part that they are drawn, which drawn ones cannot tell.
CANDIDATES: tuple[KnownScore, ...] = ("max_probability", "max_logit", "energy", "cosine", "mahalanobis")
_PHOTOGRAPHS = 600  # of the training part; more hardly move a mean or a direction
_STRANGERS_TO_FIT, _STRANGERS_TO_CHOOSE = 600, 300
_INVERSE_PENALTY = 0.01  # of the logistic regression, for standardized features


@dataclass(frozen=True, eq=False)
class Known:
    """A score, and in words what it was fitted on or chosen by beside the validation photographs; perhaps nothing."""

    scorer: Scorer
    fitted_on: str = ""


class _Asker:
    """Asks one engine about pictures, and remembers what it said of the training photographs."""

    def __init__(self, work: Work, engine: Engine) -> None:
        self._work = work
        self._engine = engine
        self._taught: _Taught | None = None

    def ask(self, photos: Sequence[Photo]) -> Outputs:
        """Its answers, the pictures read and prepared as a device would."""
        rows = []
        for index, photo in enumerate(photos):
            rows.append(self._engine.infer(prepare(photo.pixels(), self._work.spec)))
            self._work.progress(index + 1, len(photos))
        return Outputs(np.stack([row.logits for row in rows]), np.stack([row.features for row in rows]))

    def taught(self) -> _Taught:
        """Its features of training photographs, and of their items on other backgrounds."""
        if self._taught is None:
            work, labels = self._work, self._work.run.info.labels
            plain = stratified(work.dataset, work.parts["train"], _PHOTOGRAPHS, seed=0)
            if unseen := set(labels) - {photo.label for photo in plain}:
                raise DataError(
                    f"{work.dataset.root}: no training picture of {', '.join(sorted(unseen))}; add some, or take a "
                    "known score of logits (--known-score max_probability)"
                )
            work.step("asking about training photographs, and their items on other backgrounds")
            moved = elsewhere(plain, paint_texture, work.progress)
            features = self.ask([*plain, *moved]).features
            self._taught = _Taught(features, truth_of([*plain, *moved], labels), len(plain))
        return self._taught


@dataclass(frozen=True, eq=False)
class _Taught:
    """Features (N, F) and labels (N,) of training photographs: first `plain` ones as they are, then items elsewhere."""

    features: NDArray[np.float32]
    truth: NDArray[np.int64]
    plain: int

    @property
    def in_words(self) -> str:
        return f"{self.plain} training pictures, {len(self.truth) - self.plain} of them on other backgrounds too"


def choose_known(work: Work, engine: Engine, validation: Outputs, temperature: float, wanted: KnownChoice) -> Known:
    """The score that the recipe asks for, fitted.

    Args:
        engine: of the artifact that boards run.
        validation: its answers to the validation photographs.
        temperature: of its probabilities.

    Raises:
        DataError: a label has no training picture, and the score needs some.
    """
    asker = _Asker(work, engine)
    if wanted == "best":
        return _best(work, asker, validation, temperature)
    return _fitted(asker, wanted, temperature)


def write_parameters(path: Path, learnt: Learnt) -> None:
    """Write what a score learnt, as `manifest.Calibration` describes the file."""
    arrays = {field.name: np.asarray(getattr(learnt, field.name), np.float32) for field in fields(learnt)}
    packed = io.BytesIO()
    # numpy 2 has a keyword before the arrays, which its type stub takes them for.
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    write_atomically(path, packed.getvalue())


def _best(work: Work, asker: _Asker, validation: Outputs, temperature: float) -> Known:
    """The candidate with the highest AUROC: known pictures, plain and elsewhere, each against strangers; their mean."""
    candidates = [_fitted(asker, name, temperature) for name in CANDIDATES]
    work.step("choosing the known score")
    moved = elsewhere(work.validation, CHOOSING.paint, work.progress)
    known = [validation, asker.ask(moved)] if moved else [validation]
    unknown = asker.ask(strangers(partial(render_held_out_stranger, family=CHOOSING), _STRANGERS_TO_CHOOSE))
    areas = [
        float(np.mean([area_between(one.scorer(*outputs), one.scorer(*unknown)) for outputs in known]))
        for one in candidates
    ]
    for one, area in zip(candidates, areas, strict=True):
        work.step(f"  {IN_WORDS[one.scorer.name]}: AUROC {area:.3f} against rendered strangers")
    chosen = candidates[int(np.argmax(areas))]
    return Known(chosen.scorer, f"{chosen.fitted_on}; chosen by {_STRANGERS_TO_CHOOSE} rendered strangers")


def _fitted(asker: _Asker, name: KnownScore, temperature: float) -> Known:
    if name not in SCORES_OF_FEATURES:
        return Known(Scorer(name, temperature))
    taught, words = asker.taught(), f"; {IN_WORDS[name]}: of {asker.taught().in_words}"
    learnt: Learnt
    if name == "cosine":  # a class elsewhere is a group of its own
        elsewhere_or_not = np.arange(len(taught.truth)) >= taught.plain
        learnt = fit_prototypes(taught.features, 2 * taught.truth + elsewhere_or_not)
    elif name == "mahalanobis":  # items elsewhere would widen the space until strangers fit in
        learnt = narrowed(fit_feature_space(taught.features[: taught.plain], taught.truth[: taught.plain]))
        words = f"; {IN_WORDS[name]}: of {taught.plain} training pictures"
    else:
        strange = asker.ask(strangers(render_stranger, _STRANGERS_TO_FIT))
        learnt = _direction(taught.features, strange.features)
        words += f", and {len(strange.features)} rendered strangers"
    return Known(Scorer(name, temperature, _as_written(learnt)), words)


def _direction(known: NDArray[np.float32], unknown: NDArray[np.float32]) -> Direction:
    """Logistic regression between features (N, F) and (M, F), both sides of equal weight; the scaling folded in."""
    features = np.concatenate([known, unknown]).astype(np.float64)
    is_known = np.repeat([1, 0], [len(known), len(unknown)])
    scaler = StandardScaler().fit(features)
    fit = LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", max_iter=3000)
    fit.fit(scaler.transform(features), is_known)
    weights = fit.coef_[0] / scaler.scale_
    return Direction(weights, float(fit.intercept_[0] - weights @ scaler.mean_))


def _as_written(learnt: Learnt) -> Learnt:
    """Rounded as the bundle's file will hold it, so that thresholds are fitted to what a device computes."""
    rounded: dict[str, Any] = {
        field.name: np.float32(getattr(learnt, field.name)).astype(np.float64) for field in fields(learnt)
    }
    return replace(learnt, **rounded)
