from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waste_edge.bundle import Bundle, open_bundle
from waste_edge.engines.classifier import judge, load_classifier
from waste_edge.manifest import Calibration
from waste_edge.metrics import softmax
from waste_edge.pictures import read_picture
from waste_edge.preprocess import Region


def calibration(min_confidence: float, min_known_score: float) -> Calibration:
    return Calibration(
        temperature=1.0, min_confidence=min_confidence, min_known_score=min_known_score, fitted_on="nothing"
    )


@pytest.mark.parametrize(
    ("confidence", "known_score", "label"),
    [(0.5, 1.0, "glass"), (0.49, 9.0, "unknown"), (0.99, 0.9, "unknown")],
    ids=["on both thresholds", "unsure", "unlike"],
)
def test_what_a_threshold_rejects(confidence: float, known_score: float, label: str) -> None:
    assert judge("glass", confidence, known_score, calibration(0.5, 1.0)) == label


def test_a_prediction(opened_tiny: Bundle, colour_photos: Path) -> None:
    classifier = load_classifier(opened_tiny)
    prediction = classifier.classify(read_picture(colour_photos / "images" / "green" / "3.png"))
    assert (prediction.label, prediction.best) == ("green", "green")
    assert prediction.probabilities.sum() == pytest.approx(1.0)
    assert prediction.confidence == prediction.probabilities[1] == prediction.probabilities.max()
    assert prediction.features.shape == (3,)
    assert prediction.known_score == pytest.approx(6 * prediction.features[1], abs=1e-5)
    assert prediction.latency_ms > 0


def test_grey_is_unknown_and_still_has_a_best_label(opened_tiny: Bundle) -> None:
    prediction = load_classifier(opened_tiny).classify(np.full((30, 20, 3), 128, np.uint8))
    assert prediction.label == "unknown"
    assert prediction.best in ("blue", "green", "red")


def test_the_region_is_what_is_looked_at(opened_tiny: Bundle) -> None:
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20, 0] = pixels[:, 20:, 2] = 255
    classifier = load_classifier(opened_tiny)
    assert classifier.classify(pixels, Region(right=0.5)).best == "red"
    assert classifier.classify(pixels, Region(left=0.5)).best == "blue"


def test_the_temperature_softens(bundle_copy: Path, edit_manifest: Callable[[Path, str, Any], None]) -> None:
    edit_manifest(bundle_copy, "calibration.temperature", 4.0)
    pixels = np.full((16, 16, 3), (200, 100, 20), np.uint8)
    with open_bundle(bundle_copy) as bundle:
        classifier = load_classifier(bundle)
        logits = classifier.engine.infer(pixels).logits
        assert classifier.classify(pixels).probabilities == pytest.approx(softmax(logits / 4.0))
