from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.bundle.manifest import Calibration
from waste_edge.dataset import SplitSpec, open_dataset, split
from waste_edge.engines.classifier import load_classifier
from waste_edge.errors import BundleError, DataError, PictureError
from waste_edge.evaluation.evaluate import choose_photos, evaluate_bundle, predict_photos, score_logits, truth_of
from waste_edge.rejection import max_logit


def test_answers_are_those_of_the_classifier(opened_tiny: Bundle, colour_photos: Path) -> None:
    photos = open_dataset(colour_photos).photos[:4]
    calls: list[tuple[int, int]] = []
    classifier = load_classifier(opened_tiny)
    answers = predict_photos(classifier, photos, lambda done, total: calls.append((done, total)))
    assert (answers.logits.shape, answers.features.shape, answers.probabilities.shape) == ((4, 3),) * 3
    assert (answers.latency_ms > 0).all()
    assert answers.logits.dtype == np.float32
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_no_photos_and_a_bad_one(opened_tiny: Bundle, colour_photos: Path, tmp_path: Path) -> None:
    classifier, photo = load_classifier(opened_tiny), open_dataset(colour_photos).photos[0]
    with pytest.raises(DataError, match="no pictures"):
        predict_photos(classifier, [])
    with pytest.raises(PictureError, match=r"gone\.png"):
        predict_photos(classifier, [replace(photo, path=tmp_path / "gone.png")])


def test_truth_follows_the_models_order(colour_photos: Path) -> None:
    photos = [photo for photo in open_dataset(colour_photos).photos if photo.key.endswith("/0.png")]
    assert truth_of(photos, ["red", "other", "green", "blue"]).tolist() == [3, 2, 0]
    with pytest.raises(DataError, match="label blue is unknown to the model"):
        truth_of(photos, ["red", "green"])


def test_the_share_rejected_is_that_of_both_thresholds() -> None:
    logits = np.array([[9.0, 0.0], [9.0, 8.9], [0.5, -9.0], [0.0, 9.0]], np.float32)
    thresholds = Calibration(temperature=1.0, min_confidence=0.9, min_known_score=1.0, fitted_on="")
    scores = score_logits(logits, max_logit(logits), np.array([0, 0, 0, 0]), ["a", "b"], thresholds)
    assert (scores.accuracy, scores.rejected) == (0.75, 0.5)


@pytest.mark.parametrize(
    ("part", "own", "count", "words"),
    [
        ("auto", True, 6, "the validation part, 6 of 30 pictures of the model's own data"),
        ("val", True, 6, "the validation part"),
        ("train", True, 24, "the training part, 24 of 30"),
        ("all", True, 30, "all 30 pictures of the model's own data, training pictures among them"),
        ("auto", False, 30, "all 30 pictures of data that are not exactly those"),
        ("val", False, 6, "6 of 30 pictures of data that are not exactly those"),
    ],
)
def test_which_photos(colour_photos: Path, part: Any, own: bool, count: int, words: str) -> None:
    dataset = open_dataset(colour_photos)
    spec = SplitSpec(seed=3, val_fraction=0.2)
    photos, protocol = choose_photos(dataset, part, spec, dataset.fingerprint() if own else "another")
    assert len(photos) == count
    assert words in protocol
    if part == "val":
        assert photos == split(dataset, spec)["val"]


def test_an_empty_part_is_an_error(colour_photos: Path) -> None:
    dataset = open_dataset(colour_photos)
    with pytest.raises(DataError, match="the test part is empty"):
        choose_photos(dataset, "test", SplitSpec(), "")
    with pytest.raises(DataError, match="the validation part is empty"):
        choose_photos(dataset, "auto", SplitSpec(val_fraction=0.0), dataset.fingerprint())


@pytest.mark.parametrize("artifact", [None, "onnx-fp32", "onnx-int8"])
def test_a_bundle_that_knows_colours(opened_tiny: Bundle, colour_photos: Path, artifact: Any) -> None:
    result = evaluate_bundle(opened_tiny, colour_photos, artifact)
    assert (result.scores.accuracy, result.scores.pictures) == (1.0, 6)
    assert result.artifact == (artifact or "onnx-int8")
    assert result.engine.startswith("ONNX Runtime")


def test_swapped_labels_are_scored_wrong(
    bundle_copy: Path, colour_photos: Path, edit_manifest: Callable[[Path, str, Any], None]
) -> None:
    edit_manifest(bundle_copy, "labels", ["green", "blue", "red"])
    with open_bundle(bundle_copy) as bundle:
        scores = evaluate_bundle(bundle, colour_photos, part="all").scores
    assert scores.accuracy == pytest.approx(1 / 3)
    assert scores.confusion == [[0, 10, 0], [10, 0, 0], [0, 0, 10]]


def test_an_artifact_the_bundle_lacks(opened_tiny: Bundle, colour_photos: Path) -> None:
    with pytest.raises(BundleError, match="has no artifact tflite-int8"):
        evaluate_bundle(opened_tiny, colour_photos, "tflite-int8")
