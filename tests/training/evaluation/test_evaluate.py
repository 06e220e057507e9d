"""A run that answers: alone, over many pictures, and as a model to be compared, it is one network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.loop.test_fit import RECIPE, Silent
from waste_edge.dataset import Dataset, open_dataset
from waste_edge.metrics.classification import softmax
from waste_edge.training.evaluation.evaluate import (
    RunPredictor,
    answers_of_run,
    evaluate_run,
    macs_of_run,
    model_of_run,
    scored_at_once,
    timed_call_of_run,
    validate,
)
from waste_edge.training.loop.fit import fit
from waste_edge.training.runs import Run, open_run


@pytest.fixture(scope="module")
def run(colour_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("scored") / "run"
    fit(RECIPE, colour_photos, folder, Silent())
    return open_run(folder)


@pytest.fixture(scope="module")
def dataset(run: Run, colour_photos: Path) -> Dataset:
    return open_dataset(colour_photos, run.info.labels)


def test_one_picture_is_answered_as_in_a_batch(run: Run, dataset: Dataset) -> None:
    photos = dataset.photos[:3]
    together = answers_of_run(run, photos)
    predictor = RunPredictor(run)
    assert (predictor.looks, predictor.reads_text) == (True, False)
    for photo, logits in zip(photos, together.logits, strict=True):
        prediction, members = predictor.predict(photo.pixels(), "not read")
        assert members == {}
        np.testing.assert_allclose(prediction.logits, logits, atol=1e-4)
        assert prediction.label == run.info.labels[int(logits.argmax())]
        assert prediction.confidence == pytest.approx(softmax(logits[None]).max(), abs=1e-4)


def test_a_run_on_disk_scores_as_its_network(run: Run, dataset: Dataset, colour_photos: Path) -> None:
    scores, protocol = evaluate_run(run.folder, colour_photos, "all", lambda done, total: None)
    there, _ = validate(run.as_trained(), run.reader(), dataset, dataset.photos, batch=scored_at_once(RECIPE))
    assert scores == there
    assert "all" in protocol


def test_a_run_is_a_model_to_compare(run: Run, dataset: Dataset) -> None:
    model = model_of_run(run.folder, "mini")
    assert model.name == "mini"
    assert model.labels == tuple(run.info.labels)
    assert macs_of_run(run) > 0
    before = answers_of_run(run, dataset.photos[:1]).logits
    timed_call_of_run(run, dataset.photos[0])()
    np.testing.assert_array_equal(answers_of_run(run, dataset.photos[:1]).logits, before)
