from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES, MANIFEST_NAME, ArtifactName, Manifest
from waste_edge.errors import BundleError
from waste_edge.files.strict import read_json, to_json

Edit = Callable[[Path, str, Any], None]


def test_a_manifest_survives_a_round_trip(tiny_bundle: Path) -> None:
    path = tiny_bundle / MANIFEST_NAME
    assert to_json(read_json(path, Manifest)) == path.read_text(encoding="utf-8")


def test_a_bundle_that_does_not_say_what_it_was_held_against_was_held_against_floats(bundle_copy: Path) -> None:
    path = bundle_copy / MANIFEST_NAME
    facts = json.loads(path.read_text(encoding="utf-8"))
    for measured in facts["metrics"]["artifacts"].values():
        del measured["reference"]
    path.write_text(json.dumps(facts), encoding="utf-8")
    metrics = open_bundle(bundle_copy).manifest.metrics
    assert {measured.reference for measured in metrics.artifacts.values()} == {"float"}
    assert metrics.reference_in_words() == "The torch network is the one in float."


def test_a_bundle_that_does_not_say_by_what_it_knows_goes_by_the_largest_logit(bundle_copy: Path) -> None:
    path = bundle_copy / MANIFEST_NAME
    facts = json.loads(path.read_text(encoding="utf-8"))
    del facts["calibration"]["known_score"], facts["calibration"]["known_parameters"]
    path.write_text(json.dumps(facts), encoding="utf-8")
    with open_bundle(bundle_copy) as bundle:
        assert bundle.manifest.calibration.known_score == "max_logit"
        logits = np.array([[-3.0, 0.1, 2.0]], np.float32)
        assert bundle.known_scorer()(logits, np.zeros((1, 3), np.float32))[0] == logits.max()


def test_the_names_are_the_types() -> None:
    assert get_args(ArtifactName) == ARTIFACT_NAMES


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("colour", "blue", "unknown key `colour`"),
        ("input.widht_px", 3, "unknown key `widht_px`, in `input`"),
        ("artifacts.onnx-int8.speed", 1, "unknown key `speed`"),
        ("input.width_px", "16", r"`input\.width_px`"),
        ("input.resize", "stretch", r"Invalid enum value 'stretch', in `input\.resize`"),
        ("input.colour", "BGR", r"`input\.colour`"),
        ("schema", 2, "`schema`"),
        ("labels", ["a"], "at least two labels"),
        ("labels", ["a", "unknown"], "reserved word"),
        ("tree", {"stranger": "b"}, "'stranger'"),
        ("artifacts", {}, "artifacts must hold at least one"),
        ("artifacts.torch", {}, "torch"),
        ("golden.tolerance", {}, "exactly the artifacts"),
        ("golden.pictures", 0, r"golden\.pictures must be at least 1"),
        ("golden.file", "../golden.npz", "plain name"),
        ("golden.file", "/etc/passwd", "plain name"),
        ("golden.file", ".hidden", "plain name"),
        ("artifacts.onnx-int8.file", "sub\\a.onnx", "plain name"),
        ("calibration.temperature", 0, "temperature must be 0.001 to 1000"),
        ("calibration.temperature", 1e-320, "temperature must be 0.001 to 1000"),
        ("calibration.min_confidence", 1.0, "min_confidence"),
        ("calibration.known_score", "margin", r"Invalid enum value 'margin', in `calibration\.known_score`"),
        ("calibration.known_score", "linear", "known_score linear has a file for known_parameters"),
        ("calibration.known_score", "cosine", "known_score cosine has a file for known_parameters"),
        ("calibration.known_parameters", {"file": "a", "size_bytes": 1, "sha256": ""}, "max_logit has none for"),
        ("calibration.known_parameters", {"file": "../a", "size_bytes": 1, "sha256": ""}, "plain name"),
        ("calibration.known_parameters", [1.0, 2.0], r"`calibration\.known_parameters`"),
        ("provenance.split.val_fraction", 1.0, "fraction"),
    ],
)
def test_errors_name_the_key_in_one_line(
    bundle_copy: Path, edit_manifest: Edit, key: str, value: Any, message: str
) -> None:
    edit_manifest(bundle_copy, key, value)
    with pytest.raises(BundleError, match=message) as caught:
        open_bundle(bundle_copy)
    assert str(caught.value).startswith(f"{bundle_copy}: {MANIFEST_NAME}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["schema", "labels", "input", "golden", "provenance"])
def test_a_missing_key_is_named(bundle_copy: Path, key: str) -> None:
    path = bundle_copy / MANIFEST_NAME
    document = json.loads(path.read_text(encoding="utf-8"))
    del document[key]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(BundleError, match=f"missing key `{key}`"):
        open_bundle(bundle_copy)


def test_the_manifest_vouches_for_every_file(tiny_bundle: Path) -> None:
    with open_bundle(tiny_bundle) as bundle:
        vouched = {entry.file for entry in bundle.manifest.files()}
    assert vouched | {MANIFEST_NAME} == {path.name for path in tiny_bundle.iterdir()}
