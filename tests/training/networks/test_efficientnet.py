"""EfficientNet-Lite is timm's, bit for bit, in a shape that INT8 files can hold."""

from __future__ import annotations

import pytest
import timm
import torch

from waste_edge.training.networks import build_network
from waste_edge.training.quantization_aware.fake_quantization import FakeQuantized
from waste_edge.training.recipe import ModelSpec


@pytest.mark.parametrize(("name", "size_px", "parameters"), [("lite0", 96, 3_371_008), ("lite2", 76, 4_811_072)])
def test_it_is_timms(name: str, size_px: int, parameters: int) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(f"tf_efficientnet_{name}", num_classes=0).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
    ours = build_network(ModelSpec(architecture=f"efficientnet_{name}"), 6).eval()
    missing = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert set(missing.missing_keys) == {"classifier.weight", "classifier.bias"}
    assert not missing.unexpected_keys
    assert sum(one.numel() for one in theirs.parameters()) == parameters
    pixels = torch.rand(2, 3, size_px, size_px) * 2 - 1
    with torch.no_grad():
        logits, features = ours(pixels)
        torch.testing.assert_close(features, theirs(pixels))
    assert logits.shape == (2, 6)
    rounded = FakeQuantized(ours)
    assert len(rounded.layers) > 50, "every layer has an INT8 counterpart"
