import copy

import msgspec
import pytest
import torch
from torch import nn

from waste_edge.errors import ConfigError, RunError
from waste_edge.export.formats.graphs import fold_batch_norms
from waste_edge.training.networks import build_network
from waste_edge.training.quantization_aware.fake_quantization import (
    ActivationRounding,
    FakeQuantized,
    TrainedRange,
    find_activations,
    round_weight,
)
from waste_edge.training.recipe import ModelSpec, QuantizeAwareSpec


def network(architecture: str = "mobilenet_v1") -> nn.Module:
    torch.manual_seed(0)
    made = build_network(ModelSpec(architecture=architecture, width=0.25, dropout=0.0), 3)  # type: ignore[arg-type]
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
            nn.init.normal_(module.weight, 0.0, 1.0)
            nn.init.normal_(module.bias, 0.5, 0.3)
    return made


def pictures(seed: int, count: int = 4) -> torch.Tensor:
    return torch.randint(-128, 128, (count, 3, 32, 32), generator=torch.Generator().manual_seed(seed)) / 128


def test_rounding_weights_before_folding_a_batch_norm_gives_the_integers_of_rounding_after() -> None:
    """What lets the network keep its batch norms while it is trained; negative factors are among these."""
    torch.manual_seed(1)
    weight, factor = torch.randn(64, 8, 3, 3), torch.randn(64, 1, 1, 1)
    before, after = round_weight(weight) * factor, round_weight(weight * factor)
    torch.testing.assert_close(before, after, rtol=1e-5, atol=1e-7)


def test_a_rounded_weight_has_255_levels_a_channel_and_passes_its_gradient() -> None:
    weight = nn.Parameter(torch.randn(4, 300) * torch.tensor([[1e-4], [1.0], [50.0], [0.0]]))
    rounded = round_weight(weight)
    scale = weight.detach().abs().amax(dim=1, keepdim=True).clamp(min=1e-6) / 127
    steps = rounded.detach() / scale
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)
    assert float(steps.abs().max()) == pytest.approx(127)
    assert not bool((rounded.detach() == weight.detach())[:3].all()), "nothing was rounded"
    rounded.sum().backward()  # type: ignore[no-untyped-call]
    assert bool((weight.grad == 1).all()), "straight through"


def test_ranges_follow_the_batches_and_zero_is_a_level() -> None:
    rounding = ActivationRounding(momentum=0.5)
    rounding(torch.tensor([1.0, 3.0]))
    assert (float(rounding.low), float(rounding.high)) == (1.0, 3.0)
    rounding(torch.tensor([-1.0, 5.0]))
    assert (float(rounding.low), float(rounding.high)) == (0.0, 4.0)
    rounding(torch.tensor([-2.0, 4.0]))
    rounding.rounding = True
    assert float(rounding.scale) == pytest.approx(5.0 / 255)
    assert float(rounding.eval()(torch.zeros(1))) == 0.0
    assert float(rounding(torch.full((1,), 99.0))) == pytest.approx(4.0, abs=0.02), "clipped at the range's end"
    assert float(rounding.high) == 4.0, "evaluation moves no range"


def test_it_rounds_only_after_it_observed() -> None:
    floating = network().eval()
    seen = FakeQuantized(floating)
    seen.eval()
    x = pictures(0)
    with torch.no_grad():
        expected = floating(x)[0]
        torch.testing.assert_close(seen(x)[0], expected, rtol=0, atol=0)
        seen.observe([x, pictures(1)])
        rounded = seen.eval()(x)[0]
    step = seen.trained_ranges()[-1].scale
    assert 0 < float((rounded - expected).abs().max()) < 12 * step


@pytest.mark.parametrize("architecture", ["mobilenet_v1", "mobilenet_v2"])
def test_what_a_run_keeps_restores_the_very_same_network(architecture: str) -> None:
    floating = network(architecture)
    trained = FakeQuantized(floating)
    trained.observe([pictures(0), pictures(1)])
    text = msgspec.json.encode(trained.trained_ranges())
    restored = FakeQuantized(copy.deepcopy(floating)).restore(msgspec.json.decode(text, type=list[TrainedRange]))
    x = pictures(2)
    with torch.no_grad():
        for got, expected in zip(restored.eval()(x), trained.eval()(x), strict=True):
            assert torch.equal(got, expected)


@pytest.mark.parametrize(("architecture", "activations"), [("mobilenet_v1", 29), ("mobilenet_v2", 65)])
def test_activations_are_what_the_kernels_write_and_folding_keeps_their_names(
    architecture: str, activations: int
) -> None:
    made = network(architecture)
    names = [name for name, _ in find_activations(made)[1]]
    assert len(names) == activations == len(set(names))
    assert names == [name for name, _ in find_activations(fold_batch_norms(made))[1]]


def test_an_operation_without_int8_counterpart_is_refused_by_name() -> None:
    strange = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Hardswish(), nn.Flatten())
    with pytest.raises(ConfigError, match=r"Hardswish.*\[quantize_aware\]"):
        FakeQuantized(strange)
    lonely = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1))
    with pytest.raises(ConfigError, match="BatchNorm2d"):
        FakeQuantized(lonely)


def test_freezing_stops_batch_norms_first_and_ranges_later() -> None:
    seen = FakeQuantized(network(), QuantizeAwareSpec(freeze_batch_norm_after=0.5, freeze_ranges_after=1.5))
    seen.observe([pictures(0)])

    def state() -> tuple[float, float]:
        mean = next(m.running_mean for m in seen.float_network.modules() if isinstance(m, nn.BatchNorm2d))
        return float(mean.sum()), sum(trained.scale for trained in seen.trained_ranges())  # type: ignore[union-attr]

    changed = []
    for epochs_done in (0.25, 0.75, 1.75):
        seen.train()
        seen.advance(epochs_done)
        before = state()
        seen(pictures(int(epochs_done * 100)))
        changed.append(tuple(now != then for now, then in zip(state(), before, strict=True)))
    assert changed == [(True, True), (False, True), (False, False)]
    assert seen.float_network.classifier.training, "dropout and all else go on"  # type: ignore[union-attr]


def test_another_networks_ranges_are_refused() -> None:
    trained = FakeQuantized(network("mobilenet_v2"))
    trained.observe([pictures(0)])
    with pytest.raises(RunError, match=r"65 trained ranges.*29 activations"):
        FakeQuantized(network()).restore(trained.trained_ranges())
    with pytest.raises(msgspec.ValidationError, match="scale must be positive"):
        msgspec.json.decode(b'{"layer": "a", "scale": 0.0, "zero_point": 0}', type=TrainedRange)
