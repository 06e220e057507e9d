from __future__ import annotations

import copy

import torch
from torch import nn

from waste_edge.training.networks import build_network
from waste_edge.training.networks.balance import balance
from waste_edge.training.recipe import ModelSpec


def _folded_once() -> nn.Module:
    """A network like those that come from TFLite: spreads far apart, statistics to match."""
    torch.manual_seed(0)
    network = build_network(ModelSpec(architecture="mobilenet_v1", width=0.25), 3)
    pixels = torch.randn(16, 3, 64, 64)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        for index, convolution in enumerate(convolutions):
            convolution.weight *= (0.02, 0.3, 5.0)[index % 3]
        network.train()
        for _ in range(50):
            network(pixels)
    return network


def test_the_answers_stay_and_the_spreads_are_those_of_fresh_weights() -> None:
    network = _folded_once()
    balanced = copy.deepcopy(network)
    convolutions = [module for module in balanced.modules() if isinstance(module, nn.Conv2d)]
    assert balance(balanced) == len(convolutions) == 27
    for convolution in convolutions:
        spread = convolution.weight.detach().flatten(1).square().mean(dim=1).sqrt()
        torch.testing.assert_close(spread, torch.full_like(spread, (2 / convolution.weight[0].numel()) ** 0.5))
    pixels = torch.randn(8, 3, 64, 64)
    before, after = (one.eval()(pixels)[1] for one in (network, balanced))
    assert before.abs().max() > 0.1
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)


def test_a_channel_of_nothing_stays_so() -> None:
    network = _folded_once()
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight[0] = 0
    balance(network)
    assert not first.weight[0].any()
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_convolutions_without_a_batch_norm_are_left_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.BatchNorm2d(5))
    alone = network[0].weight.detach().clone()
    assert balance(network) == 1
    assert torch.equal(network[0].weight, alone)
