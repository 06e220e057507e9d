"""Building blocks of networks (normalization, pooling, TensorFlow's padding, the head), and what a network costs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from waste_edge.training.recipe import ModelSpec


def normalize(pixels: Tensor) -> Tensor:
    """uint8 levels to [-1, 1): the scale 1/128 is exactly what INT8 arithmetic can represent."""
    return (pixels.to(torch.float32) - 128.0) * (1.0 / 128.0)


def pool(x: Tensor) -> Tensor:
    """Global average, (B, F, H, W) to (B, F). Written this way LiteRT needs no transpose for it."""
    return functional.adaptive_avg_pool2d(x, 1).flatten(1)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow does it: a stride-2 3x3 pads after, not before (even sizes)."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for axis in (1, 0):  # functional.pad counts from the last dimension
            size, kernel, stride = int(x.shape[2 + axis]), self.kernel_size[axis], self.stride[axis]
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] == pads[2] == pads[3]:
            return functional.conv2d(x, self.weight, self.bias, self.stride, pads[0], self.dilation, self.groups)
        padded = functional.pad(x, pads)
        return functional.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def classifier_head(features: int, classes: int, spec: ModelSpec) -> nn.Module:
    """From pooled features to logits: one linear layer, below it the recipe's hidden ones."""
    layers: list[nn.Module] = []
    for units, dropout in zip(spec.hidden, spec.hidden_dropout, strict=True):
        layers += [nn.Linear(features, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(dropout)]
        features = units
    last = nn.Linear(features, classes)
    return nn.Sequential(*layers, last) if layers else last


def channels_last(network: nn.Module) -> nn.Module:
    """The memory layout in which CPUs and tensor cores train convolutions several times faster."""
    return network.to(memory_format=torch.channels_last)


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
