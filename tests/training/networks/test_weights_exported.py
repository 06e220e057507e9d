"""Going on from a bundle's network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.engines.classifier import load_classifier
from waste_edge.errors import ConfigError
from waste_edge.training.networks import build_network, normalize
from waste_edge.training.networks.weights import load_initial_weights
from waste_edge.training.recipe import read_recipe


def test_a_network_goes_on_from_the_shipped_bundle() -> None:
    model = read_recipe("tuned_small").model
    assert model
    network = build_network(model, 6)
    with open_bundle(find_bundle("small")) as bundle:
        assert load_initial_weights(network, model, find_bundle("small") / "model-fp32.onnx") == "model-fp32.onnx"
        pixels = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
        said = load_classifier(bundle, artifact="onnx-fp32").classify(pixels)
    with torch.no_grad():
        logits, features = network.eval()(normalize(torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)))
    np.testing.assert_allclose(features[0], said.features, atol=1e-3)
    assert int(logits.argmax()) == int(np.argmax(said.probabilities))


def test_another_network_is_refused() -> None:
    model = read_recipe("tuned_lite0").model
    assert model
    with pytest.raises(ConfigError, match="22 layers are not the 50"):
        load_initial_weights(build_network(model, 6), model, find_bundle("small") / "model-fp32.onnx")


@pytest.mark.parametrize(
    ("content", "expected"), [(b"rot", "not a network that waste-edge exported"), (None, "no such")]
)
def test_what_is_no_network_is_refused(content: bytes | None, expected: str, tmp_path: Path) -> None:
    model = read_recipe("tuned_small").model
    assert model
    if content is not None:
        (tmp_path / "odd.onnx").write_bytes(content)
    with pytest.raises(ConfigError, match=expected):
        load_initial_weights(build_network(model, 6), model, tmp_path / "odd.onnx")
