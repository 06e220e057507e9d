"""Cross-layer equalization: rescale channels between two layers so that eight bits serve all of them.

Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction (2019): between two
layers with a positively homogeneous activation, channel i of the first can be divided by s_i and the second's
weights for it multiplied by s_i without changing the function. There both weight tensors have one scale. Ours
have one a channel, so that the first layer's weights need no help; what has one scale is the activation between
them, so its range takes their place (as in SmoothQuant, Xiao et al. 2023, with alpha 1/2):

    s_i = sqrt(activation_i / weight_i)     the second layer mixes channels (pointwise, linear)
    s_i = activation_i                      the second layer is depthwise: its scale a channel swallows s_i

ReLU6 is not homogeneous: its cap would have to become 6 / s_i. A channel is therefore left alone if it meets the
cap on any calibration picture, and no other is scaled up beyond the cap less a reserve. On the calibration
pictures the function is then unchanged but for rounding; on others it may differ where an activation is
larger than any that was seen. (The paper replaces ReLU6 by ReLU, which changes every saturated channel.)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from waste_edge.imaging.frames import Pixels
from waste_edge.training.networks import normalize

_RESERVE = 1.25  # an activation may be so many times the largest seen before the cap changes it
_SMALLEST = 1e-3  # no channel is scaled by less, or by more than its inverse
_CAPPED: dict[object, float] = {functional.relu6: 6.0, nn.ReLU6: 6.0, functional.relu: math.inf, nn.ReLU: math.inf}
_PASSING = (nn.Identity, nn.Dropout, nn.MaxPool2d, nn.AvgPool2d)  # commute with a positive scale, keep channels apart


class Pair(NamedTuple):
    """Two layers by name; where the activation between them is cut off, 6 or infinity; whether it passes negatives."""

    first: str
    second: str
    cap: float
    signed: bool


class _Tracer(fx.Tracer):
    """Takes convolutions whole: their padding depends on the size of what they are given."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


def equalize(network: nn.Module, calibration: Sequence[Pixels]) -> nn.Module:
    """A copy of a folded network with its pairs of layers equalized, from the input on.

    Args:
        network: folded, in evaluation mode; takes (B, 3, H, W).
        calibration: prepared training pictures, uint8 (H, W, 3) each.
    """
    equalized = copy.deepcopy(network)
    pairs = find_pairs(equalized)
    with torch.no_grad():
        largest = _largest(equalized, pairs, calibration)
        for pair in pairs:
            first, second = equalized.get_submodule(pair.first), equalized.get_submodule(pair.second)
            assert isinstance(first, nn.Conv2d)
            assert isinstance(second, nn.Conv2d)
            scale = _scales(largest[pair.first], second, pair.cap)
            first.weight /= scale.reshape(-1, 1, 1, 1)
            if first.bias is not None:
                first.bias /= scale
            second.weight *= scale.reshape((-1, 1, 1, 1) if second.groups > 1 else (1, -1, 1, 1))
    return equalized


def find_pairs(network: nn.Module) -> list[Pair]:
    """Convolutions whose output goes through a clipping activation into one other layer and nowhere else."""
    graph = _Tracer().trace(network)
    modules = dict(network.named_modules())
    pairs: list[Pair] = []
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(modules[node.target], nn.Conv2d):
            continue
        cap, signed, following = math.inf, True, node
        while len(following.users) == 1:
            following = next(iter(following.users))
            kind = type(modules[following.target]) if following.op == "call_module" else following.target
            if kind in _CAPPED:
                cap, signed = min(cap, _CAPPED[kind]), False
            elif not (isinstance(kind, type) and issubclass(kind, _PASSING)):
                break
        second = modules[following.target] if following.op == "call_module" else None
        if following is not node and isinstance(second, nn.Conv2d) and second.groups in (1, second.in_channels):
            pairs.append(Pair(str(node.target), str(following.target), cap, signed))
    return pairs


def _largest(network: nn.Module, pairs: Sequence[Pair], calibration: Sequence[Pixels]) -> dict[str, Tensor]:
    """Measure the largest output of each channel of the pairs' first layers, (C,) by layer, after ReLU's limits."""
    found: dict[str, Tensor] = {}

    def watch(pair: Pair, output: Tensor) -> None:
        values = output.abs() if pair.signed else output.clamp_min(0.0)
        seen = values.amax(dim=(0, 2, 3))
        found[pair.first] = torch.maximum(found[pair.first], seen) if pair.first in found else seen

    hooks = [
        network.get_submodule(pair.first).register_forward_hook(lambda _m, _i, output, pair=pair: watch(pair, output))
        for pair in pairs
    ]
    try:
        for pixels in calibration:
            network(normalize(torch.from_numpy(pixels)).permute(2, 0, 1)[None])
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _scales(largest: Tensor, second: nn.Conv2d, cap: float) -> Tensor:
    """s (C,) of the module's docstring; 1 where the cap forbids it, or where a channel or its weights are all zero."""
    reach = torch.ones_like(largest)
    if second.groups == 1:
        weights = second.weight.abs().amax(dim=(2, 3))  # (out, in)
        # Each output channel has a scale of its own, so a weight counts by its share of the largest beside it.
        reach = (weights / weights.amax(dim=1, keepdim=True).clamp_min(1e-12)).amax(dim=0)
    free = (largest > 0) & (reach > 0) & (largest < cap)
    if not free.any():
        return torch.ones_like(largest)
    if second.groups > 1:
        # Up to the cap less its reserve, or to what the tensor reached before: eight bits are then used in full.
        scale = largest / min(float(largest.clamp_max(cap).max()), cap / _RESERVE)
    else:
        wanted = (largest.clamp_max(cap) / reach.clamp_min(1e-12)).sqrt()
        # Channels that the cap holds at 1 are the measure for the others; without any, the tensor's range stays.
        held = (largest >= cap) & (reach > 0)
        unit = wanted[held].log().mean().exp() if held.any() else wanted[free][(largest / wanted)[free].argmax()]
        scale = torch.maximum(wanted / unit, largest * _RESERVE / cap)
    return torch.where(free, scale.clamp(_SMALLEST, 1 / _SMALLEST), torch.ones_like(scale))
