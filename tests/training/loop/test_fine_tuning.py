"""What keeps a fine-tuning near to what it starts with."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.training.loop.test_fit import RECIPE, Silent
from tests.training.test_train_options import with_stock
from waste_edge.errors import ConfigError
from waste_edge.training.loop.fine_tuning import Anchor
from waste_edge.training.loop.fit import fit
from waste_edge.training.loop.schedule import freeze_stages, make_optimizer
from waste_edge.training.networks import build_network
from waste_edge.training.recipe import FitSpec, ModelSpec, read_recipe


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


def _settled(path: Path) -> Path:
    """Random weights, with batch norms that know the values they give: what an untrained network sees stays apart."""
    torch.manual_seed(0)
    assert RECIPE.model
    network = build_network(RECIPE.model, 3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    with torch.no_grad():
        for _ in range(4):
            network(torch.rand(16, 3, 1, 1) * 2 - 1 + torch.rand(16, 3, 32, 32) * 0.2)
    save_file({name: one for name, one in network.state_dict().items() if not name.startswith("classifier")}, path)
    return path


def test_the_head_is_fitted_before_the_first_step(colour_photos: Path, tmp_path: Path) -> None:
    weights = _settled(tmp_path / "settled.safetensors")
    still = msgspec.structs.replace(RECIPE.trained, learning_rate=1e-9, freeze_batch_norm=True)
    probed = msgspec.structs.replace(with_stock(), fit=msgspec.structs.replace(still, linear_probe_views=400))
    info = fit(probed, colour_photos, tmp_path / "probed", Silent(), weights)
    chance = fit(
        msgspec.structs.replace(with_stock(), fit=still), colour_photos, tmp_path / "chance", Silent(), weights
    )
    assert info.scores is not None
    assert chance.scores is not None
    assert info.scores.accuracy > 0.8, "three colours need no trained features"
    assert chance.scores.accuracy < 0.7, "a head at random knows no colour"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("stock.side_px=8", "stock.side_px must be 32 to 1024"),
        ("stock.margin=[0.4, 0.2]", "stock.margin must be two shares"),
        ("stock.strange_share=1.0", "stock.strange_share"),
        ("backgrounds.share=0.5", "backgrounds.share must be 0 with"),
        ("fit.layer_decay=0.0", "fit.layer_decay and fit.wise_ft"),
        ("fit.frozen_stages=-1", "fit.frozen_stages must not be negative"),
        ("model.width=0.5", "model.width is not for efficientnet_lite2"),
        ("model.hidden=[4]", "hidden"),
        ("distill.method=dist", "dist"),
    ],
)
def test_a_wrong_key_is_named(change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_recipe("teacher_lite2", [change, "model.hidden_dropout=[0.1]"] if "hidden=" in change else [change])


def test_the_lowest_stages_stay_as_they_are() -> None:
    network = build_network(ModelSpec(architecture="mobilenet_v1", width=0.25), 3)
    freeze_stages(network, 3)
    still = {name for name, one in network.named_parameters() if not one.requires_grad}
    assert still == {
        name for name, _ in network.named_parameters() if name.startswith(("conv_stem", "bn1", "blocks.0", "blocks.1"))
    }
    optimizer = make_optimizer(network, nn.Identity(), FitSpec(epochs=1))
    assert sum(len(group["params"]) for group in optimizer.param_groups) == sum(
        one.requires_grad for one in network.parameters()
    )
    with pytest.raises(ConfigError, match=r"fit.frozen_stages must be less than 6, the network's stages, got 6"):
        freeze_stages(network, 6)
