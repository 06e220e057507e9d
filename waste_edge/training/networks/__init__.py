"""Networks, built from a recipe.

Those for pictures take float (B, 3, H, W) in [-1, 1) and give logits (B, C) and features (B, F).
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from waste_edge.training.networks.cnn import Cnn4
from waste_edge.training.networks.efficientnet import EfficientNetLite
from waste_edge.training.networks.layers import SameConv2d, count_macs, count_parameters, feature_count, normalize, pool
from waste_edge.training.networks.mobilenet import MobileNetV1, MobileNetV2
from waste_edge.training.networks.weights import load_initial_weights
from waste_edge.training.recipe import ModelSpec
from waste_edge.training.recipe.architectures import builder_of

__all__ = [
    "Cnn4",
    "EfficientNetLite",
    "MobileNetV1",
    "MobileNetV2",
    "SameConv2d",
    "build_network",
    "count_macs",
    "count_parameters",
    "feature_count",
    "load_initial_weights",
    "normalize",
    "pool",
    "starting_image_network",
]


def build_network(spec: ModelSpec, classes: int) -> nn.Module:
    """A network with random weights drawn from torch's global generator."""
    return builder_of(spec.architecture)(classes, spec)


def starting_image_network(spec: ModelSpec, classes: int, weights: Path | None) -> tuple[nn.Module, str]:
    """A network with the weights that training begins from: a file's, a download's, or random ones.

    Returns:
        The network, and in words what it starts from.

    Raises:
        ConfigError, UserError: the weights do not fit, or cannot be had.
    """
    if spec.library and spec.pretrained == "imagenet" and weights is None:
        from waste_edge.training.networks.backbones import Backbone

        return Backbone(classes, spec, download=True), f"{spec.architecture}, its library's ImageNet weights"
    network = build_network(spec, classes)
    return network, load_initial_weights(network, spec, weights)
