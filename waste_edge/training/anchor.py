"""The weights that a training starts with: pulled towards while it runs (L2-SP), mixed into what is kept (WiSE-FT)."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.optim import Optimizer

from waste_edge.training.recipe import FitSpec


class Anchor:
    """A copy of a network as training starts; `network` is it, for checkpoints."""

    def __init__(self, network: nn.Module, spec: FitSpec) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._spec = spec

    @torch.no_grad()
    def pull(self, network: nn.Module, optimizer: Optimizer) -> None:
        """Move every weight towards its first value after a step, by its learning rate times `l2_sp`.

        Decoupled from the gradient's moments, as AdamW's weight decay is (Loshchilov and Hutter 2019).
        """
        if not self._spec.l2_sp:
            return
        first = {id(own): one for own, one in zip(network.parameters(), self.network.parameters(), strict=True)}
        for group in optimizer.param_groups:
            moved = [one for one in group["params"] if id(one) in first]
            if moved:
                torch._foreach_lerp_(moved, [first[id(one)] for one in moved], group["lr"] * self._spec.l2_sp)

    @torch.no_grad()
    def mixed(self, network: nn.Module) -> nn.Module:
        """A network between the first one and the trained one: `wise_ft` of the way, statistics too."""
        if self._spec.wise_ft == 1.0:
            return network
        between = copy.deepcopy(network)
        trained = network.state_dict()
        for name, first in self.network.state_dict().items():
            if first.is_floating_point():
                between.state_dict()[name].copy_(torch.lerp(first, trained[name], self._spec.wise_ft))
        return between
