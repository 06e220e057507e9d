from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from waste_edge.errors import ConfigError
from waste_edge.training.networks import (
    SameConv2d,
    build_network,
    count_macs,
    count_parameters,
    feature_count,
    load_initial_weights,
    normalize,
)
from waste_edge.training.recipe import ModelSpec

V1 = ModelSpec(architecture="mobilenet_v1", width=0.25)
CNN4 = ModelSpec(architecture="cnn4", dropout=0.5)
V2 = ModelSpec(architecture="mobilenet_v2", width=1.0)


@pytest.mark.parametrize(
    ("spec", "size_px", "parameters", "macs", "features"),
    [
        (V1, 160, 214_614, 20_804_736, 256),
        (V2, 160, 2_231_558, 152_810_880, 1280),
        (CNN4, 224, 390_438, 736_986_624, 256),
    ],
    ids=["v1-025", "v2-100", "cnn4"],
)
def test_sizes_are_the_published_ones(spec: ModelSpec, size_px: int, parameters: int, macs: int, features: int) -> None:
    network = build_network(spec, 6)
    assert count_parameters(network) == parameters
    assert count_macs(network, size_px, size_px) == macs
    assert feature_count(network) == features
    assert network.training, "counting must leave the mode as it was"


@pytest.mark.parametrize("spec", [V1, V2, CNN4], ids=["v1", "v2", "cnn4"])
def test_a_network_gives_logits_and_pooled_features(spec: ModelSpec) -> None:
    network = build_network(spec, 4).eval()
    logits, features = network(torch.zeros(2, 3, 64, 48))
    assert logits.shape == (2, 4)
    assert features.shape == (2, feature_count(network))


@pytest.mark.parametrize(("size", "stride"), [(8, 1), (8, 2), (7, 2), (9, 1), (10, 2)])
def test_same_convolution_pads_as_tensorflow_does(size: int, stride: int) -> None:
    torch.manual_seed(0)
    convolution = SameConv2d(2, 3, 3, stride, bias=False)
    x = torch.randn(1, 2, size, size)
    out = -(-size // stride)
    total = max((out - 1) * stride + 3 - size, 0)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), *[(total // 2, total - total // 2)] * 2))
    expected = functional.conv2d(torch.from_numpy(padded), convolution.weight, stride=stride)
    assert convolution(x).shape == (1, 3, out, out)
    torch.testing.assert_close(convolution(x), expected)


def test_every_padded_convolution_is_a_same_convolution() -> None:
    for spec in (V1, V2, CNN4):
        convolutions = [module for module in build_network(spec, 3).modules() if isinstance(module, nn.Conv2d)]
        wide = [module for module in convolutions if module.kernel_size != (1, 1)]
        assert wide
        assert all(isinstance(module, SameConv2d) for module in wide)


def test_normalization_is_exact_in_eight_bits() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    np.testing.assert_array_equal(normalize(levels).numpy() * 128 + 128, np.arange(256))


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"conv_stem.weight": torch.zeros(8, 3, 5, 5)}, path)
    with pytest.raises(ConfigError, match=r"other.safetensors: does not fit .* first conv_stem.weight"):
        load_initial_weights(build_network(V1, 6), V1, path)


@pytest.mark.parametrize("content", [b"", b"not a safetensors file at all"])
def test_damaged_weights_are_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"damaged\.safetensors"):
        load_initial_weights(build_network(V1, 6), V1, path)


def test_everything_but_the_classifier_is_taken_over(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = build_network(V1, 10)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    torch.manual_seed(2)
    target = build_network(V1, 3)
    head = target.state_dict()["classifier.weight"].clone()
    assert load_initial_weights(target, V1, tmp_path / "w.safetensors") == "w.safetensors"
    for name, tensor in target.state_dict().items():
        expected = head if name == "classifier.weight" else source.state_dict()[name]
        if name != "classifier.bias":
            torch.testing.assert_close(tensor, expected)


def test_a_truncated_network_is_the_beginning_of_the_whole_one(tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = build_network(V1, 3).eval()
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    shorter = ModelSpec(architecture="mobilenet_v1", width=0.25, blocks=[1, 2, 2, 4, 0])
    network = build_network(shorter, 3).eval()
    assert feature_count(network) == 128
    assert count_parameters(network) < 0.4 * count_parameters(whole)
    assert load_initial_weights(network, shorter, tmp_path / "w.safetensors") == "w.safetensors"
    x = torch.rand(1, 3, 64, 64)
    for at in range(3):
        torch.testing.assert_close(network.blocks[: at + 1](stem(network, x)), whole.blocks[: at + 1](stem(whole, x)))
    assert network(x)[1].shape == (1, 128)


def test_the_last_blocks_channels_are_the_first_of_the_whole_networks(tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = build_network(ModelSpec(architecture="mobilenet_v1", width=0.25, blocks=[1, 2, 2, 4, 0]), 3).eval()
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    spec = ModelSpec(architecture="mobilenet_v1", width=0.25, blocks=[1, 2, 2, 4, 0], last_channels=50)
    narrower = build_network(spec, 3).eval()
    load_initial_weights(narrower, spec, tmp_path / "w.safetensors")
    x = torch.rand(1, 3, 64, 64)
    assert feature_count(narrower) == 50
    torch.testing.assert_close(narrower(x)[1], whole(x)[1][:, :50])
    assert spec.shape == "mobilenet_v1 of width 0.25, blocks [1, 2, 2, 4, 0], 50 last channels"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"last_channels": 129}, "must be 0 to 128, its stage's, got 129"),
        ({"last_channels": -1}, "must be 0 to 128"),
        (
            {"architecture": "mobilenet_v2", "blocks": [], "last_channels": 8},
            "for mobilenet_v1 only, got 'mobilenet_v2'",
        ),
    ],
)
def test_last_channels_are_at_most_their_stages(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ModelSpec(**{"architecture": "mobilenet_v1", "width": 0.25, "blocks": [1, 2, 2, 4, 0]} | options)


def stem(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return functional.relu6(network.bn1(network.conv_stem(x)))


def test_all_blocks_named_are_the_network_of_none_named() -> None:
    named = ModelSpec(architecture="mobilenet_v1", width=0.25, blocks=[1, 2, 2, 6, 2])
    assert build_network(named, 6).state_dict().keys() == build_network(V1, 6).state_dict().keys()
    assert named.shape == V1.shape


def test_the_given_weights_fit(shared: Path) -> None:
    for spec, name in ((V1, "mobilenetv1_025-imagenet"), (V2, "mobilenet_v2-100-imagenet")):
        path = shared / "weights" / f"{name}.safetensors"
        assert load_initial_weights(build_network(spec, 6), spec, path) == path.name
    shorter = ModelSpec(architecture="mobilenet_v1", width=0.25, blocks=[1, 2, 2, 6, 0])
    path = shared / "weights" / "mobilenetv1_025-imagenet.safetensors"
    assert load_initial_weights(build_network(shorter, 6), shorter, path) == path.name
