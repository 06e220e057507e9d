"""Known score of a bundle: which one is chosen, and its parameters fitted.

All on the answers of the artifact that boards run. Nothing here sees the strangers and surfaces that `evaluate` judges
by (`held_out.JUDGING`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.arrays import as_packed, packed
from waste_edge.dataset import Photo, stratified
from waste_edge.engines.engine import Engine
from waste_edge.errors import DataError
from waste_edge.evaluation.evaluate import Outputs, truth_of
from waste_edge.evaluation.rendered_pictures import on_shifted_backgrounds, outlier_pictures
from waste_edge.evaluation.unknowns import area_between
from waste_edge.export.confidence.known_fit import fit_learnt
from waste_edge.export.confidence.station_items import ItemFeatures, is_shown_items, item_features
from waste_edge.export.domains import DomainAnswers, Rows
from waste_edge.export.material import Material
from waste_edge.export.recipe import KnownChoice
from waste_edge.files.atomic import write_atomically
from waste_edge.imaging.preprocess import prepare
from waste_edge.rejection import IN_WORDS, SCORES_OF_FEATURES, KnownScore, Learnt, Scorer
from waste_edge.rendering.held_out import CHOOSING
from waste_edge.rendering.outliers import render_held_out_outlier, render_outlier
from waste_edge.rendering.textures import paint_texture

PARAMETERS_NAME = "known_score.npz"
# None that learns from unknown pictures: what it learns of drawn ones is in part that they are drawn.
CANDIDATES: tuple[KnownScore, ...] = (
    "max_probability", "max_logit", "energy", "cosine", "mahalanobis", "nearest", "vim",
)  # fmt: skip
EXPOSED: tuple[KnownScore, ...] = ("linear_unit", "nearest_exposed")  # candidates where photographs of unknowns teach
_PHOTOGRAPHS = 600  # of the training part; more hardly move a mean or a direction
_ITEMS = 1600  # as a station shows them
_OUTLIERS_TO_FIT, _OUTLIERS_TO_CHOOSE = 600, 300


@dataclass(frozen=True)
class Choice:
    """The score that a recipe asks for.

    Attributes:
        score: which one, or `best`.
        items: one that learns from unknown pictures learns from items as a station shows them, too.
    """

    score: KnownChoice
    items: bool = True


@dataclass(frozen=True, eq=False)
class Known:
    """A score, and in words what it was fitted on or chosen by beside the validation photographs; perhaps nothing."""

    scorer: Scorer
    fitted_on: str = ""


class _Predictor:
    """Asks one engine about pictures, and remembers what it said of the training photographs."""

    def __init__(self, material: Material, engine: Engine, domains: DomainAnswers | None, items: bool) -> None:
        self._material = material
        self._engine = engine
        self._taught: _Taught | None = None
        self._items: ItemFeatures | None = None
        self._wants_items = items and is_shown_items(material)
        self.domains = domains

    def predict(self, photos: Sequence[Photo]) -> Outputs:
        """Predict pictures, read and prepared as a device would."""
        return ask_engine(self._material, self._engine, photos)

    def taught(self) -> _Taught:
        """Compute features of training photographs, and of their items on other backgrounds."""
        if self._taught is None:
            material, labels = self._material, self._material.labels
            plain = stratified(material.dataset, material.parts["train"], _PHOTOGRAPHS, seed=0)
            if unseen := set(labels) - {photo.label for photo in plain}:
                raise DataError(
                    f"{material.dataset.root}: no training picture of {', '.join(sorted(unseen))}; add some, or take a "
                    "known score of logits (--known-score max_probability)"
                )
            material.step("asking about training photographs, and their items on other backgrounds")
            moved = on_shifted_backgrounds(plain, paint_texture, material.progress)
            own, truth = self.predict([*plain, *moved]), truth_of([*plain, *moved], labels)
            other = self.domains.teaching if self.domains else None
            if other is not None:
                own = Outputs(*(np.concatenate(pair) for pair in zip(own, other.outputs, strict=True)))
                truth = np.concatenate([truth, other.truth])
            self._taught = _Taught(own, truth, len(plain), len(moved))
        return self._taught

    def strange(self) -> tuple[NDArray[np.float32], str]:
        """Compute features of unknown pictures that may teach, with their description: photographs if there are any."""
        given = self.domains.teaching_unknown if self.domains else None
        if given is not None:
            return given.outputs.features, f"{len(given.truth)} photographs of {', '.join(given.kinds)}"
        features = self.predict(self._drawn()).features
        return features, f"{len(features)} rendered strangers"

    def items(self) -> ItemFeatures | None:
        """Compute features of items as a station shows them; None where none are wanted or there are none."""
        material, domains = self._material, self._material.domains
        if self._wants_items:
            self._wants_items = False  # asked once, also where there are none
            material.step("asking about items as a station shows them")
            known = stratified(material.dataset, material.parts["train"], _ITEMS, seed=0)
            rows = domains.teaching.strange(material.labels, material.origin.label_map).rows if domains else ()
            strange = [row.photo for row in rows][:_ITEMS] or self._drawn()
            self._items = item_features(material, self._engine, known, strange)
        return self._items

    @staticmethod
    def _drawn() -> Sequence[Photo]:
        return outlier_pictures(render_outlier, _OUTLIERS_TO_FIT)


def ask_engine(material: Material, engine: Engine, photos: Sequence[Photo]) -> Outputs:
    """An engine's answers, the pictures read and prepared as a device would."""
    rows = []
    for index, photo in enumerate(photos):
        rows.append(engine.infer(prepare(photo.pixels(), material.spec)))
        material.progress(index + 1, len(photos))
    return Outputs.stacked(rows)


@dataclass(frozen=True, eq=False)
class _Taught:
    """N answers to known pictures and their labels: `plain` photographs, their items elsewhere, other sources' ones."""

    outputs: Outputs
    truth: NDArray[np.int64]
    plain: int
    moved: int

    @property
    def others(self) -> int:
        return len(self.truth) - self.plain - self.moved

    @property
    def in_words(self) -> str:
        others = f", and {self.others} of other sources" if self.others else ""
        return f"{self.plain} training pictures, {self.moved} of them on other backgrounds too{others}"

    def real(self) -> NDArray[np.bool_]:
        """Mask the photographs: bool (N,)."""
        index = np.arange(len(self.truth))
        return np.asarray((index < self.plain) | (index >= self.plain + self.moved))

    def place(self) -> NDArray[np.int64]:
        """Number each picture's place: at home, on another background, at another source; int64 (N,)."""
        return np.repeat([0, 1, 2], [self.plain, self.moved, self.others])


def choose_known(
    material: Material,
    engine: Engine,
    validation: Outputs,
    temperature: float,
    wanted: Choice,
    domains: DomainAnswers | None = None,
) -> Known:
    """The score that the recipe asks for, fitted.

    Args:
        engine: of the artifact that boards run.
        validation: its answers to the validation photographs.
        temperature: of its probabilities.
        domains: its answers to other sources' pictures, if there are such.
        wanted: which score.

    Raises:
        DataError: a label has no training picture, and the score needs some.
    """
    predictor = _Predictor(material, engine, domains, wanted.items)
    if wanted.score != "best":
        return _fitted(predictor, wanted.score, temperature)
    strange = None if domains is None else domains.measuring_unknown or domains.held_out_unknown
    if strange is None:
        return _best_of_drawn(material, predictor, validation, temperature)
    return _best_of_photographs(material, predictor, validation, temperature, strange)


def write_parameters(path: Path, learnt: Learnt) -> None:
    """Write what a score learnt, as `manifest.Calibration` describes the file."""
    arrays = packed(learnt)
    content = io.BytesIO()
    # numpy 2 has a keyword before the arrays, which its type stub takes them for.
    np.savez(content, **arrays)  # type: ignore[arg-type]
    write_atomically(path, content.getvalue())


def _best_of_drawn(material: Material, predictor: _Predictor, validation: Outputs, temperature: float) -> Known:
    """The candidate with the highest AUROC: known pictures, plain and elsewhere, each against strangers; their mean."""
    candidates = [_fitted(predictor, name, temperature) for name in CANDIDATES]
    material.step("choosing the known score")
    moved = on_shifted_backgrounds(material.validation, CHOOSING.paint, material.progress)
    known = [validation, predictor.predict(moved)] if moved else [validation]
    unknown = predictor.predict(
        outlier_pictures(partial(render_held_out_outlier, family=CHOOSING), _OUTLIERS_TO_CHOOSE)
    )
    areas = [
        float(np.mean([area_between(one.scorer(*outputs), one.scorer(*unknown)) for outputs in known]))
        for one in candidates
    ]
    for one, area in zip(candidates, areas, strict=True):
        material.step(f"  {IN_WORDS[one.scorer.name]}: AUROC {area:.3f} against rendered strangers")
    chosen = candidates[int(np.argmax(areas))]
    return Known(chosen.scorer, f"{chosen.fitted_on}; chosen by {_OUTLIERS_TO_CHOOSE} rendered strangers")


def _best_of_photographs(
    material: Material, predictor: _Predictor, validation: Outputs, temperature: float, strange: Rows
) -> Known:
    """The candidate whose worst kind of unknown picture is told best from the known, at home and at each other source.

    A mean would let many shirts hide a battery.
    """
    assert predictor.domains is not None
    exposed = EXPOSED if predictor.domains.teaching_unknown is not None else ()
    candidates = [_fitted(predictor, name, temperature) for name in (*CANDIDATES, *exposed)]
    material.step(f"choosing the known score by its worst kind of {', '.join(strange.kinds)}")
    known = [validation, *_sources(predictor.domains.measuring), *_sources(predictor.domains.held_out)]
    ranked = []
    for one in candidates:
        areas = _areas(one.scorer, known, strange)
        worst = min(areas, key=lambda kind: areas[kind])
        ranked.append((areas[worst], float(np.mean(list(areas.values())))))
        area, mean = ranked[-1]
        material.step(f"  {IN_WORDS[one.scorer.name]}: AUROC {area:.3f} of {worst}, {mean:.3f} on average")
    chosen = candidates[max(range(len(ranked)), key=lambda index: ranked[index])]
    words = f"the worst kind of {len(strange.truth)} photographs of {', '.join(strange.kinds)}"
    return Known(chosen.scorer, f"{chosen.fitted_on}; chosen by {words}")


def _areas(scorer: Scorer, known: Sequence[Outputs], strange: Rows) -> dict[str, float]:
    """AUROC of each kind against the known of each source, the sources' mean."""
    scores, unknown = [scorer(*outputs) for outputs in known], scorer(*strange.outputs)
    return {
        kind: float(np.mean([area_between(one, unknown[strange.truth == index]) for one in scores]))
        for index, kind in enumerate(strange.kinds)
    }


def _sources(rows: Rows | None) -> list[Outputs]:
    """Answers, source by source."""
    if rows is None:
        return []
    parts = [rows.source == source for source in np.unique(rows.source)]
    return [Outputs(rows.outputs.logits[own], rows.outputs.features[own]) for own in parts]


def _fitted(predictor: _Predictor, name: KnownScore, temperature: float) -> Known:
    if name not in SCORES_OF_FEATURES:
        return Known(Scorer(name, temperature))
    learnt, words = fit_learnt(name, predictor.taught(), predictor)
    return Known(Scorer(name, temperature, as_packed(learnt)), f"; {IN_WORDS[name]}: of {words}")
