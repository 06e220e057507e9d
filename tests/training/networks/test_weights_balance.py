from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from waste_edge.errors import ConfigError
from waste_edge.training.loop.initialization import starting_network
from waste_edge.training.networks import build_network
from waste_edge.training.networks.weights import balance
from waste_edge.training.recipe import ModelSpec, read_recipe

PIXELS = 2 * torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) - 1
RECIPE = """
name = "r"
[model]
architecture = "{architecture}"
[input]
width_px = 64
height_px = 64
[fit]
epochs = 1
balance_weights = {balanced}
"""


class Pair(nn.Module):
    """Logits and features, as all networks of the project give them."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.body(x).mean(dim=(2, 3))
        return features, features


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
    assert balance(balanced, PIXELS) == len(convolutions) == 27
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
    balance(network, PIXELS)
    assert not first.weight[0].any()
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_convolutions_without_a_batch_norm_are_left_alone() -> None:
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.BatchNorm2d(5))
    alone = body[0].weight.detach().clone()
    assert balance(Pair(body), PIXELS) == 1
    assert torch.equal(body[0].weight, alone)


def test_a_network_that_normalizes_before_it_convolves_is_refused() -> None:
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid(), nn.BatchNorm2d(4))
    with pytest.raises(ConfigError, match="do not stand right above its convolutions"):
        balance(Pair(body), PIXELS)


def test_the_key_reaches_the_network_and_is_refused_where_it_would_do_nothing(tmp_path: Path) -> None:
    spread = []
    for balanced in ("true", "false"):
        recipe = tmp_path / f"{balanced}.toml"
        recipe.write_text(RECIPE.format(architecture="mobilenet_v1", balanced=balanced))
        torch.manual_seed(0)
        network = starting_network(read_recipe(str(recipe)), ("a", "b"), None, None).network
        weight = network.get_parameter("conv_stem.weight").detach()
        spread.append(float(weight.square().mean().sqrt()))
    assert spread[0] == pytest.approx((2 / 27) ** 0.5)
    assert spread[1] != pytest.approx(spread[0], rel=0.05)
    recipe.write_text(RECIPE.format(architecture="torchvision:alexnet", balanced="true"))
    with pytest.raises(ConfigError, match="no convolution of its network has a batch norm above it"):
        starting_network(read_recipe(str(recipe)), ("a", "b"), None, None)
