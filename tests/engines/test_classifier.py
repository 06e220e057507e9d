from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.bundle.manifest import Calibration
from waste_edge.engines.classifier import apply_thresholds, load_classifier
from waste_edge.engines.verify import verify_bundle
from waste_edge.errors import BundleError
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.image_files import read_picture
from waste_edge.imaging.preprocess import Region
from waste_edge.metrics.classification import softmax
from waste_edge.rejection import KnownScore, Prototypes, cosine, known_scores

Give = Callable[..., None]


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
    assert apply_thresholds("glass", confidence, known_score, calibration(0.5, 1.0)) == label


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


def test_the_shipped_bundle_is_judged_by_the_angle_to_a_learnt_direction(default_bundle: Path) -> None:
    with open_bundle(default_bundle) as bundle:
        classifier, manifest = load_classifier(bundle), bundle.manifest
        output = classifier.engine.infer(np.full((manifest.input.height_px, manifest.input.width_px, 3), 90, np.uint8))
        assert manifest.calibration.known_score == "linear_unit"
        with np.load(bundle.source / "known_score.npz") as learnt:
            weights, bias = learnt["weights"], float(learnt["bias"])
    assert weights.shape == (manifest.features,)
    unit = output.features / np.linalg.norm(output.features)
    assert classifier.predict(output, 0.0).known_score == pytest.approx(float(unit @ weights) + bias, rel=1e-4)


@pytest.mark.parametrize("score", ["max_probability", "max_logit", "energy"])
def test_the_manifest_says_which_score_and_its_threshold_decides(
    bundle_copy: Path, edit_manifest: Callable[[Path, str, Any], None], score: KnownScore
) -> None:
    pixels = np.full((16, 16, 3), (200, 100, 20), np.uint8)
    edit_manifest(bundle_copy, "calibration.known_score", score)
    edit_manifest(bundle_copy, "calibration.temperature", 2.0)
    edit_manifest(bundle_copy, "calibration.min_confidence", 0.0)
    with open_bundle(bundle_copy) as bundle:
        classifier = load_classifier(bundle)
        output = classifier.engine.infer(pixels)
        expected = float(known_scores(output.logits[None], output.features[None], 2.0)[score][0])
    for threshold, label in ((expected, "red"), (np.nextafter(expected, np.inf), "unknown")):
        edit_manifest(bundle_copy, "calibration.min_known_score", float(threshold))
        with open_bundle(bundle_copy) as bundle:
            prediction = load_classifier(bundle).classify(pixels)
        assert (prediction.known_score, prediction.label, prediction.best) == (expected, label, "red")


SPACE = {"means": np.zeros((2, 3)), "directions": np.ones((3, 1)), "variances": [1.0], "rest": 1.0}


def coloured(blue: int, green: int, red: int) -> Pixels:
    return np.full((16, 16, 3), (red, green, blue), np.uint8)


def test_a_direction_decides_on_the_device(bundle_copy: Path, give_known_score: Give) -> None:
    """The features are the mean red, green and blue from -1 to 1: what is green is known, whatever it is called."""
    give_known_score(bundle_copy, "linear", 0.5, weights=[0, 4, 0], bias=-1)
    with open_bundle(bundle_copy) as bundle:
        classifier = load_classifier(bundle, artifact="onnx-fp32")
        green, red = classifier.classify(coloured(0, 224, 0)), classifier.classify(coloured(0, 0, 224))
    assert green.known_score == pytest.approx(4 * 0.75 - 1)
    assert red.known_score == pytest.approx(4 * -1 - 1)
    assert (green.label, red.label, red.best) == ("green", "unknown", "red")


def test_the_angle_to_the_class_means_decides_on_the_device(bundle_copy: Path, give_known_score: Give) -> None:
    """One class lies in the direction of pure red, one in that of pure green, none in that of blue or of white."""
    units = np.array([[1, -1, -1], [-1, 1, -1], [1, -1, -1]]) / np.sqrt(3)
    give_known_score(bundle_copy, "cosine", 0.9, units=units)
    with open_bundle(bundle_copy) as bundle:
        classifier = load_classifier(bundle, artifact="onnx-fp32")
        said = [classifier.classify(coloured(*one)) for one in ((0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255))]
        output = classifier.engine.infer(coloured(90, 10, 140))
        learnt = Prototypes(units.astype(np.float32).astype(np.float64))
        expected = cosine(output.features[None], learnt)[0]
        assert classifier.predict(output, 0.0).known_score == expected
    assert [one.label for one in said] == ["red", "green", "unknown", "unknown"]
    assert said[0].known_score == pytest.approx(1.0, abs=1e-4)
    assert said[3].known_score == pytest.approx(-1 / 3, abs=0.01)


def test_the_distance_to_the_class_means_decides_on_the_device(bundle_copy: Path, give_known_score: Give) -> None:
    """Two means on the line of greys; along it the classes spread widely, across it hardly."""
    grey = np.ones((3, 1)) / np.sqrt(3)
    space = {"means": [[-0.5] * 3, [0.5] * 3], "directions": grey, "variances": [4.0], "rest": 0.01}
    give_known_score(bundle_copy, "mahalanobis", -1.0, **space)
    with open_bundle(bundle_copy) as bundle:
        classifier = load_classifier(bundle, artifact="onnx-fp32")
        black, red = classifier.classify(coloured(0, 0, 0)), classifier.classify(coloured(128, 128, 255))
    assert black.known_score == pytest.approx(-0.5 * 3**0.5 / 2, rel=1e-4)
    difference = np.array([127 / 128, 0, 0])[:, None] - np.array([[-0.5] * 3, [0.5] * 3]).T
    along = (grey.T @ difference)[0]
    across = (difference**2).sum(axis=0) - along**2
    assert red.known_score == pytest.approx(-np.sqrt(along**2 / 4 + across / 0.01).min(), rel=1e-4)
    assert (red.label, red.best) == ("unknown", "red")


@pytest.mark.parametrize(
    ("score", "arrays", "message"),
    [
        ("linear", {"weights": [1, 2], "bias": 0}, "weights is float32 (2,), expected float32 (3,)"),
        ("linear", {"weights": [1, 2, np.nan], "bias": 0}, "weights holds numbers that are not finite"),
        ("linear", {"weights": [1, 2, 3], "bias": np.inf}, "bias holds numbers that are not finite"),
        ("linear", {"weights": [1, 2, 3]}, "lacks the array bias"),
        ("linear", {"weights": [1, 2, 3], "bias": [0]}, "bias is float32 (1,), expected float32 ()"),
        ("cosine", {"weights": [1, 2, 3], "bias": 0}, "lacks the array units"),
        ("cosine", {"units": np.ones((2, 4))}, "units is float32 (2, 4), expected float32 (any, 3)"),
        ("cosine", {"units": np.ones((0, 3))}, "units is float32 (0, 3), expected float32 (any, 3)"),
        ("cosine", {"units": np.ones(3)}, "units is float32 (3,), expected float32 (any, 3)"),
        (
            "mahalanobis",
            {**SPACE, "directions": np.ones((3, 2))},
            "directions is float32 (3, 2), expected float32 (3, 1)",
        ),
        ("mahalanobis", {**SPACE, "variances": [-1]}, "variances holds numbers that are not finite and above 0"),
        ("mahalanobis", {**SPACE, "rest": 0}, "rest holds numbers that are not finite and above 0"),
    ],
)
def test_what_a_score_learnt_must_fit_the_network(
    bundle_copy: Path, give_known_score: Give, score: str, arrays: dict[str, Any], message: str
) -> None:
    give_known_score(bundle_copy, score, 0.5, **arrays)
    with open_bundle(bundle_copy) as bundle:
        for use in (load_classifier, verify_bundle):
            with pytest.raises(BundleError) as caught:
                use(bundle)
            assert message in str(caught.value)
            assert str(caught.value).startswith(f"{bundle_copy}: known_score.npz")
            assert str(caught.value).endswith("; export the bundle again")
            assert "\n" not in str(caught.value)


def test_a_changed_or_missing_file_is_damage(bundle_copy: Path, give_known_score: Give) -> None:
    give_known_score(bundle_copy, "linear", 0.5, weights=[0, 4, 0], bias=-1)
    path = bundle_copy / "known_score.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with open_bundle(bundle_copy) as bundle, pytest.raises(BundleError, match=r"known_score\.npz is damaged"):
        load_classifier(bundle)
    path.unlink()
    with pytest.raises(BundleError, match=r"known_score\.npz is missing"):
        open_bundle(bundle_copy)
