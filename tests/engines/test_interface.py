"""A network with a station's head in the place of its own: wherever it is loaded, its logits are the head's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bundle.heads import give_head
from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.bundle.files import NetworkFile
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.engine import load_engine
from waste_edge.engines.interface import HeadedEngine, Output, headed
from waste_edge.engines.verify import verify_bundle
from waste_edge.errors import BundleError
from waste_edge.heads import Head

GREY = np.full((16, 16, 3), 128, np.uint8)


def test_a_heads_logits_take_the_networks_place() -> None:
    head = Head(np.zeros((2, 3)), np.array([[0.0, 1.0, 2.0]]), np.array([1.0, 0.0, 0.0]))
    found = headed(Output(np.array([9.0, 9.0], np.float32), np.array([4.0], np.float32)), head)
    assert found.logits.dtype == np.float32
    np.testing.assert_allclose(found.logits, [1.0, 1.0, 2.0])
    np.testing.assert_allclose(found.features, [4.0])


def test_every_way_of_loading_a_headed_bundle_agrees(bundle_copy: Path, edit_manifest: Callable[..., Any]) -> None:
    give_head(bundle_copy, edit_manifest)
    with open_bundle(bundle_copy) as bundle:
        name = "onnx-fp32"
        loaded = load_engine(bundle.artifact(name), name, bundle.manifest)
        assert isinstance(loaded, HeadedEngine)
        assert loaded.network.infer(GREY).logits.shape == (3,)
        logits = loaded.infer(GREY).logits
        assert logits.shape == (4,)
        prediction = load_classifier(bundle, "onnx", "fp32").classify(GREY)
        assert prediction.best == bundle.manifest.labels[int(logits.argmax())] == "foam"
        assert prediction.probabilities.shape == (4,)
        assert verify_bundle(bundle).ok


def test_a_network_is_not_loaded_without_the_head_that_its_manifest_names(
    bundle_copy: Path, edit_manifest: Callable[..., Any], opened_tiny: Bundle
) -> None:
    give_head(bundle_copy, edit_manifest)
    with open_bundle(bundle_copy) as bundle:
        found = bundle.artifact("onnx-fp32")
        with pytest.raises(BundleError, match="read without the head"):
            load_engine(NetworkFile(found.path, found.content), "onnx-fp32", bundle.manifest)
        with pytest.raises(BundleError, match="read without the head"):
            load_engine(found, "onnx-fp32", opened_tiny.manifest)
