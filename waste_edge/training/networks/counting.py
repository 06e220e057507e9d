"""Cost of a network: parameters and multiply-accumulates."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def count_macs(network: nn.Module, height_px: int, width_px: int) -> int:
    """Multiply-accumulates of one picture in convolutions and linear layers."""
    total = 0

    def add(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            kernel = module.kernel_size[0] * module.kernel_size[1]
            total += output.numel() * kernel * module.in_channels // module.groups
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features

    hooks = [m.register_forward_hook(add) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, height_px, width_px))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers: batch norm's scale and shift included, its running statistics not."""
    return sum(parameter.numel() for parameter in network.parameters())


def feature_count(network: nn.Module) -> int:
    """Length of the features: what the first layer of the classifier takes; of a weighted fusion that of both."""
    if not hasattr(network, "classifier") and hasattr(network, "image"):
        return feature_count(network.get_submodule("image")) + feature_count(network.get_submodule("text"))
    classifier = network.get_submodule("classifier")
    return next(module.in_features for module in classifier.modules() if isinstance(module, nn.Linear))
