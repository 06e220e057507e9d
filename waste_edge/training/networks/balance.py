"""Weights of one spread in every layer, without a change to what the network computes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from waste_edge.errors import ConfigError

_Convolution = nn.Conv1d | nn.Conv2d
_DEAD = 1e-8  # a channel of less spread gives nothing, and stays so


def balance(network: nn.Module, pixels: Tensor) -> int:
    """Rescale each output channel of every convolution to the spread it would have been initialized with.

    The batch norm above takes the factor out again (Ioffe and Szegedy 2015, section 3.3), so that the answers stay the
    same; with a batch's own statistics all but for `eps`. Adam's steps are of one size whatever the weight's: where
    batch norms were folded once, as in files that come from TFLite, kernels of a spread of 0.02 stand beside others of
    1.3, and a rate that moves these tears those apart.

    Args:
        network: for pictures; left in evaluation mode.
        pixels: some input (B, 3, H, W), to see that the answers stay.

    Returns:
        How many convolutions have been rescaled.

    Raises:
        ConfigError: between a convolution and the batch norm after it lies something else, as in networks that
            normalize before they convolve.
    """
    pairs = _pairs(network)
    before = _answers(network, pixels)
    for convolution, norm in pairs:
        _rescale(convolution, norm)
    if not torch.allclose(_answers(network, pixels), before, rtol=1e-3, atol=1e-3 * float(before.abs().max())):
        raise ConfigError(
            "fit.balance_weights: this network's batch norms do not stand right above its convolutions; remove the key"
        )
    return len(pairs)


@torch.no_grad()
def _answers(network: nn.Module, pixels: Tensor) -> Tensor:
    logits: Tensor = network.eval()(pixels)[0]
    return logits


def _pairs(network: nn.Module) -> list[tuple[_Convolution, _BatchNorm]]:
    """Convolutions and the batch norms next to them, in the order in which networks are written down."""
    pairs, before = [], None
    for module in network.modules():
        if isinstance(module, _Convolution):
            before = module
        elif isinstance(module, _BatchNorm):
            if before is not None and before.out_channels == module.num_features and module.affine:
                pairs.append((before, module))
            before = None
    return pairs


@torch.no_grad()
def _rescale(convolution: _Convolution, norm: _BatchNorm) -> None:
    weight = convolution.weight
    spread = weight.flatten(1).square().mean(dim=1).sqrt()
    usual = math.sqrt(2 / weight[0].numel())  # He et al. 2015, of the inputs
    factor = torch.where(spread > _DEAD, usual / spread.clamp_min(_DEAD), torch.ones_like(spread))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight *= factor.view(-1, *[1] * (weight.ndim - 1))
    if convolution.bias is not None:
        convolution.bias *= factor
    # Batch norms add `eps` to the variance before and after alike.
    norm.weight.mul_((norm.running_var * factor**2 + norm.eps).sqrt() / (factor * (norm.running_var + norm.eps).sqrt()))
    norm.running_mean *= factor
    norm.running_var *= factor**2
