"""Which pictures are scored, and runs on folds, with models that are told what to say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from waste_edge.dataset import Dataset, LabelMap, Part, Photo, SplitSpec, open_dataset
from waste_edge.errors import DataError
from waste_edge.evaluation.comparison.build import build_report
from waste_edge.evaluation.comparison.held_out import pictures_for_all, pictures_for_one
from waste_edge.evaluation.comparison.models import Model, gather_folds
from waste_edge.evaluation.evaluate import Outputs, Progress, without_progress
from waste_edge.evaluation.report.content import ComparisonReport, Facts

FACTS = Facts(size_bytes=1, parameters=1, macs=1, input="1x1", latency_ms=None)
NONE: frozenset[str] = frozenset()


@pytest.fixture
def dataset(colour_photos: Path) -> Dataset:
    return open_dataset(colour_photos)


def told(
    name: str, dataset: Dataset, held: dict[Part, frozenset[str]], wrong: frozenset[str] = NONE, kind: str = ""
) -> Model:
    """A model that is right about everything but `wrong`, and was trained on all that it did not hold out."""
    every = frozenset(photo.key for photo in dataset.photos)
    parts: dict[Part, frozenset[str]] = {"train": every, "val": NONE, "test": NONE, **held}
    parts["train"] = every - parts["val"] - parts["test"]

    def predict(photos: Sequence[Photo], progress: Progress) -> Outputs:
        assert photos
        truth = np.array([dataset.labels.index(p.label) if p.label in dataset.labels else 0 for p in photos])
        said = np.where([photo.key in wrong for photo in photos], (truth + 1) % 3, truth)
        logits = 3.0 * np.eye(3, dtype=np.float32)[said]
        return Outputs(logits, logits)

    return Model(
        name=name,
        role="run",
        engine="told",
        recipe="told",
        kind=kind,
        identity=name,
        teacher="",
        labels=dataset.labels,
        label_map=LabelMap(),
        fingerprint=dataset.fingerprint(),
        split=SplitSpec(),
        facts=FACTS,
        artifact=None,
        calibration=None,
        training=(),
        predict=predict,
        timed=lambda photo: lambda: None,
        parts_of=lambda dataset: parts,
    )


def keys(dataset: Dataset, *numbers: int) -> frozenset[str]:
    return frozenset(photo.key for photo in dataset.photos if int(Path(photo.key).stem) in numbers)


def report_on(models: list[Model], dataset: Dataset) -> ComparisonReport:
    return build_report(models, dataset, pictures_for_all(models, dataset), lambda name: without_progress)


def test_the_common_test_part_comes_first_and_validation_fits(dataset: Dataset) -> None:
    one = told("one", dataset, {"val": keys(dataset, 0, 1), "test": keys(dataset, 2, 3)})
    two = told("two", dataset, {"val": keys(dataset, 0, 1), "test": keys(dataset, 3, 4)})
    found = pictures_for_all([one, two], dataset)
    assert {photo.key for photo in found.scored} == keys(dataset, 3)
    assert {photo.key for photo in found.fitting} == keys(dataset, 0, 1)
    assert found.protocol == "the common part of the models' test parts, 3 of 30 pictures of the models' own data"
    assert found.fitted_on == "the validation part, 6 pictures"
    assert {photo.key for photo in found.training["one"]} == keys(dataset, 4, 5, 6, 7, 8, 9)


def test_other_splits_leave_what_nobody_was_trained_on(dataset: Dataset) -> None:
    one = told("one", dataset, {"val": keys(dataset, 0, 1)})
    two = told("two", dataset, {"val": keys(dataset, 1, 2)})
    found = pictures_for_all([one, two], dataset)
    assert {photo.key for photo in found.scored} == keys(dataset, 1)
    assert found.fitting is found.scored
    assert "the part that none of the models was trained on, 3 of 30" in found.protocol


def test_nothing_left_is_refused(dataset: Dataset) -> None:
    models = [told("one", dataset, {"val": keys(dataset, 0)}), told("two", dataset, {"val": keys(dataset, 1)})]
    with pytest.raises(DataError, match=r"trained on by one of the models \(one, two\)"):
        pictures_for_all(models, dataset)


def test_other_data_are_scored_whole_and_give_no_feature_space(dataset: Dataset) -> None:
    from dataclasses import replace

    stranger = replace(told("one", dataset, {}), fingerprint="of other data")
    found = pictures_for_all([stranger], dataset)
    assert len(found.scored) == 30
    assert "that none of the models was trained on" in found.protocol
    assert found.training == {}
    mixed = pictures_for_all([stranger, told("two", dataset, {"val": keys(dataset, 1)})], dataset)
    assert len(mixed.scored) == 3
    assert "one: made from other data" in mixed.protocol
    (model,) = report_on([stranger], dataset).models
    assert len(model.rejection.results) == 3


def test_one_models_test_part_is_scored_and_validation_fits(dataset: Dataset) -> None:
    from dataclasses import replace

    from waste_edge.dataset import split

    spec = SplitSpec(seed=0, val_fraction=0.2, test_fraction=0.2)
    parts = {part: frozenset(photo.key for photo in photos) for part, photos in split(dataset, spec).items()}
    model = replace(told("one", dataset, parts), split=spec)
    found = pictures_for_one(model, dataset, "test")
    assert {photo.key for photo in found.scored} == parts["test"]
    assert {photo.key for photo in found.fitting} == parts["val"]
    assert pictures_for_one(model, dataset, "auto").fitting is not found.scored


def test_folds_are_one_model_that_is_asked_what_it_has_not_seen(dataset: Dataset) -> None:
    parts = [keys(dataset, *numbers) for numbers in ((0, 1, 2), (3, 4, 5), (6, 7, 8, 9))]
    wrong = [NONE, frozenset({"red/3.png"}), keys(dataset, 0, 1, 2, 3, 4)]  # the last errs only where it was trained
    folds = [
        told(f"fold{index}", dataset, {"val": part}, bad, kind="recipe")
        for index, (part, bad) in enumerate(zip(parts, wrong, strict=True))
    ]
    (together,) = gather_folds(folds, dataset)
    assert together.name == "told, 3 folds"
    report = report_on([together], dataset)
    (model,) = report.models
    assert (model.scores.pictures, model.scores.accuracy) == (30, pytest.approx(29 / 30))
    assert [one.picture for one in model.mistakes] == ["red/3.png"]
    (row,) = report.folded
    assert (row.how, row.members, row.accuracy.runs) == ("folds", ["fold0", "fold1", "fold2"], 3)
    assert row.accuracy.mean == pytest.approx((1 + 8 / 9 + 1) / 3)
    assert len(model.rejection.results) == 3, "folds do not share a feature space"


def test_runs_that_held_out_the_same_are_no_folds(dataset: Dataset) -> None:
    one = told("one", dataset, {"val": keys(dataset, 0, 1)}, kind="recipe")
    two = told("two", dataset, {"val": keys(dataset, 1, 2)}, kind="recipe")
    three = told("three", dataset, {"val": keys(dataset, 3)}, kind="another recipe")
    assert gather_folds([one, two, three], dataset) == [one, two, three]


def test_pairs_and_disagreements_are_counted(dataset: Dataset) -> None:
    held: dict[Part, frozenset[str]] = {"val": keys(dataset, 0, 1, 2, 3)}
    one = told("one", dataset, held, frozenset({"red/0.png"}))
    two = told("two", dataset, held, frozenset({"red/1.png", "green/1.png", "blue/1.png"}))
    report = report_on([one, two], dataset)
    (pair,) = report.pairs
    assert (pair.only_first_right, pair.only_second_right, pair.agreement) == (3, 1, pytest.approx(8 / 12))
    assert pair.newcombe.value == pair.grouped.value == pytest.approx(100 * 2 / 12)
    assert pair.newcombe.low < pair.grouped.value < pair.newcombe.high
    assert pair.p == pair.p_holm == pytest.approx(2 * (1 + 4) / 16)
    assert {one.picture for one in report.disputed} == {"red/0.png", "red/1.png", "green/1.png", "blue/1.png"}
    first = next(one for one in report.disputed if one.picture == "red/0.png")
    assert [said.answer for said in first.said] == ["blue", "red"]


def test_models_that_never_differ_still_have_an_interval(dataset: Dataset) -> None:
    held: dict[Part, frozenset[str]] = {"val": keys(dataset, 0, 1)}
    report = report_on([told("one", dataset, held), told("two", dataset, held)], dataset)
    (pair,) = report.pairs
    assert pair.grouped == pair.newcombe
    assert pair.grouped.low < 0 < pair.grouped.high
    assert report.disputed == []
