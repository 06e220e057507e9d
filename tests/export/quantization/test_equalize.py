import pytest
import torch

from tests.export.small import answers, small_network, some_pictures, with_one_huge_channel
from waste_edge.export.formats.graphs import fold_batch_norms
from waste_edge.export.quantization.equalize import Pair, equalize, find_pairs
from waste_edge.training.networks import build_network
from waste_edge.training.recipe import ModelSpec

PICTURES = some_pictures(24)


def test_pairs_of_our_students() -> None:
    v1 = fold_batch_norms(build_network(ModelSpec(architecture="mobilenet_v1", width=0.25), 6))
    pairs = find_pairs(v1)
    assert pairs[0] == Pair("conv_stem", "blocks.0.0.conv_dw", 6.0, signed=False)
    assert len(pairs) == 26, "all 27 convolutions in a row"
    v2 = fold_batch_norms(build_network(ModelSpec(architecture="mobilenet_v2", width=0.35), 6))
    found = {(pair.first, pair.second): pair for pair in find_pairs(v2)}
    assert found[("features.2.conv.0.0", "features.2.conv.1.0")].cap == 6.0
    assert found[("features.1.conv.1", "features.2.conv.0.0")].signed, "a linear bottleneck has no activation"
    assert not any(first == "features.2.conv.2" for first, _ in found), "added to later: two readers"


def test_the_function_stays_the_same_on_the_calibration_pictures() -> None:
    network = small_network(PICTURES)
    equalized = equalize(network, PICTURES)
    assert not torch.equal(equalized.pointwise.weight, network.pointwise.weight)
    torch.testing.assert_close(
        torch.from_numpy(answers(equalized, PICTURES)),
        torch.from_numpy(answers(network, PICTURES)),
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize("gain", [1.0, 12.0])
def test_a_channel_that_meets_the_cap_is_left_alone(gain: float) -> None:
    network = small_network(PICTURES)
    with torch.no_grad():
        network.depthwise.weight[5] *= gain
        network.depthwise.bias[5] = 2.0 * gain
    equalized = equalize(network, PICTURES)
    same = torch.equal(equalized.pointwise.weight[:, 5], network.pointwise.weight[:, 5])
    assert same is (gain > 1), "12 * 2 is above 6 on every picture"
    difference = abs(answers(equalized, PICTURES) - answers(network, PICTURES)).max()
    assert difference < 1e-3 * abs(answers(network, PICTURES)).max()


def test_a_huge_channel_becomes_like_the_others() -> None:
    network = with_one_huge_channel(small_network(PICTURES))

    def spread(weights: torch.Tensor) -> float:
        reach = weights.detach().abs().amax(dim=(0, 2, 3))
        return float(reach.max() / reach.median())

    assert spread(network.pointwise.weight) > 1000
    assert spread(equalize(network, PICTURES).pointwise.weight) < 30
