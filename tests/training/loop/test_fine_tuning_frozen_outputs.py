"""Outputs of frozen stages that are remembered."""

from __future__ import annotations

import pytest
import torch

from waste_edge.training.loop.fine_tuning import FrozenOutputs, remembers
from waste_edge.training.networks import build_network
from waste_edge.training.networks.efficientnet import EfficientNetLite
from waste_edge.training.recipe import ModelSpec, read_recipe


@pytest.fixture(scope="module")
def network() -> EfficientNetLite:
    torch.manual_seed(0)
    built = build_network(ModelSpec(architecture="efficientnet_lite0"), 3).eval()
    assert isinstance(built, EfficientNetLite)
    return built


def test_what_is_remembered_is_what_the_network_says(network: EfficientNetLite) -> None:
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    outputs = FrozenOutputs(network, 6)
    logits, features = network(pixels)
    for _ in range(2):
        again = outputs(pixels, "a batch")
        torch.testing.assert_close(again[0], logits, rtol=0.02, atol=0.02)
        torch.testing.assert_close(again[1], features, rtol=0.02, atol=0.02)
    of_another = outputs(torch.zeros_like(pixels), "a batch")
    assert torch.equal(of_another[0], again[0]), "the name decides, the pixels are not looked at again"
    assert not torch.equal(outputs(torch.zeros_like(pixels), "another batch")[0], again[0])


def test_the_upper_stages_learn_and_the_lower_do_not(network: EfficientNetLite) -> None:
    logits, _ = FrozenOutputs(network, 6)(torch.rand(2, 3, 64, 64), "a batch")
    network.zero_grad()
    logits.square().mean().backward()
    assert network.blocks[5][0].conv_pw.weight.grad is not None
    assert network.blocks[4][0].conv_pw.weight.grad is None
    assert network.conv_stem.weight.grad is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("fit.epochs=3", True),
        ("augment.view_sets=0", False),
        ("fit.frozen_stages=0", False),
        ("fit.freeze_batch_norm=false", False),
        ("augment.mixup=0.2", False),
    ],
)
def test_they_are_remembered_where_nothing_below_changes(
    network: EfficientNetLite, change: str, expected: bool
) -> None:
    assert remembers(read_recipe("tuned_lite0", [change]), network, 1) is expected
    assert not remembers(read_recipe("tuned_lite0", [change]), network, 2)
