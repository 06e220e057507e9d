"""Networks as they are exported: batch norms folded, pixels in, named outputs out."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from waste_edge.training.networks import normalize


class Graphs(NamedTuple):
    """A quantized file's bytes, and those of the float file it was made from."""

    floating: bytes
    quantized: bytes


class FromPixels(nn.Module):
    """uint8 NHWC pixels in; normalization is part of the graph.

    `channels_first` says when the layout changes: ONNX turns the small uint8 tensor first; LiteRT's
    converter makes a turn after normalization vanish.
    """

    def __init__(self, network: nn.Module, channels_first: bool) -> None:
        super().__init__()
        self.network = network
        self.channels_first = channels_first

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        if self.channels_first:
            # Without `contiguous` the exporter flattens the pooled features through a Gather.
            logits, features = self.network(normalize(pixels.permute(0, 3, 1, 2).contiguous()))
        else:
            logits, features = self.network(normalize(pixels).permute(0, 3, 1, 2))
        return {"logits": logits, "features": features}


class FromNormalized(nn.Module):
    """float values in [-1, 1) in: what a quantizer is given. Its input becomes the pixels themselves."""

    def __init__(self, network: nn.Module, channels_first: bool) -> None:
        super().__init__()
        self.network = network
        self.channels_first = channels_first

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        logits, features = self.network(pixels if self.channels_first else pixels.permute(0, 3, 1, 2))
        return {"logits": logits, "features": features}


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose batch norms live on in the weights of the convolutions before them."""
    folded = copy.deepcopy(network).eval().cpu()
    for parent in list(folded.modules()):
        previous: tuple[str, nn.Conv2d] | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and previous is not None:
                # In our networks a batch norm always normalizes the convolution defined just before it.
                setattr(parent, previous[0], fuse_conv_bn_eval(previous[1], child))
                setattr(parent, name, nn.Identity())
            previous = (name, child) if isinstance(child, nn.Conv2d) else None
    return folded


def example_pixels(height_px: int, width_px: int) -> Tensor:
    """An input for tracing: uint8 (1, H, W, 3)."""
    return torch.zeros(1, height_px, width_px, 3, dtype=torch.uint8)
