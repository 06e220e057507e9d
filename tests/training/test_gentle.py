"""What keeps a fine-tuning near to what it starts with."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from tests.training.loop.test_fit import RECIPE, Silent
from tests.training.test_teaching import with_stock
from waste_edge.errors import ConfigError
from waste_edge.training.anchor import Anchor
from waste_edge.training.loop.fit import fit
from waste_edge.training.loop.schedule import make_optimizer
from waste_edge.training.networks import build_network
from waste_edge.training.recipe import FitSpec, ModelSpec, read_recipe
from waste_edge.training.runs import open_run


def test_wise_ft_keeps_what_lies_between() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    anchor = Anchor(network, FitSpec(epochs=1, wise_ft=0.25))
    first = network[0].weight.detach().clone()
    with torch.no_grad():
        network[0].weight += 4.0
        network[1].running_mean += 8.0  # type: ignore[operator]
    between = anchor.mixed(network)
    torch.testing.assert_close(between[0].weight, first + 1.0)  # type: ignore[index]
    torch.testing.assert_close(between[1].running_mean, torch.full((2,), 2.0))  # type: ignore[index]
    torch.testing.assert_close(network[0].weight, first + 4.0), "the trained one goes on as it is"  # type: ignore[func-returns-value]


def test_l2_sp_pulls_towards_the_first_weights() -> None:
    network = nn.Linear(3, 2)
    anchor = Anchor(network, FitSpec(epochs=1, l2_sp=0.5))
    first = network.weight.detach().clone()
    with torch.no_grad():
        network.weight += 4.0
    anchor.pull(network, torch.optim.SGD(network.parameters(), lr=0.5))
    torch.testing.assert_close(network.weight, first + 3.0)


def test_lower_stages_learn_more_slowly() -> None:
    network = build_network(ModelSpec(architecture="efficientnet_lite0"), 3)
    spec = FitSpec(epochs=1, learning_rate=1.0, head_learning_rate=5.0, layer_decay=0.5)
    optimizer = make_optimizer(network, nn.Identity(), spec)
    rate = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
    named = {name: rate[id(one)] for name, one in network.named_parameters()}
    assert named["classifier.weight"] == 5.0
    assert named["conv_head.weight"] == named["bn2.bias"] == 1.0
    assert named["blocks.6.0.conv_pw.weight"] == 0.5
    assert named["blocks.0.0.conv_dw.weight"] == 0.5**7
    assert named["conv_stem.weight"] == named["bn1.weight"] == 0.5**8
    assert optimizer.param_groups[0]["lr"] == 1.0


def test_the_head_is_fitted_before_the_first_step(colour_photos: Path, tmp_path: Path) -> None:
    slow = msgspec.structs.replace(RECIPE.trained, learning_rate=1e-9, freeze_batch_norm=True, linear_probe_views=64)
    recipe = msgspec.structs.replace(with_stock(), fit=slow)
    info = fit(recipe, colour_photos, tmp_path / "probed", Silent())
    assert info.scores is not None
    assert info.scores.accuracy > 0.9, "three colours need no trained features"
    assert open_run(tmp_path / "probed").network.get_parameter("classifier.weight").abs().max() > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("stock.side_px=8", "stock.side_px must be 32 to 1024"),
        ("stock.margin=[0.4, 0.2]", "stock.margin must be two shares"),
        ("stock.strange_share=1.0", "stock.strange_share"),
        ("backgrounds.share=0.5", "backgrounds.share must be 0 with"),
        ("fit.layer_decay=0.0", "fit.layer_decay and fit.wise_ft"),
        ("model.width=0.5", "model.width is not for efficientnet_lite2"),
        ("model.hidden=[4]", "hidden"),
        ("distill.method=dist", "dist"),
    ],
)
def test_a_wrong_key_is_named(change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_recipe("teacher_lite2", [change, "model.hidden_dropout=[0.1]"] if "hidden=" in change else [change])
