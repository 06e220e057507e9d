"""Networks that look and read: one over both, and two whose logits are weighed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from waste_edge.training.networks.layers import feature_count
from waste_edge.training.networks.text import encoder_width, first_token
from waste_edge.training.recipe import FusionSpec


class ConcatenatedNetwork(nn.Module):
    """Pooled features of a picture and [CLS] of a text, each projected, concatenated, under one hidden layer.

    The image network's classifier goes. The dropouts of the two stand before their projections.
    """

    reads = ("pixels", "tokens", "mask")

    def __init__(
        self, image: nn.Module, encoder: nn.Module, classes: int, spec: FusionSpec, dropouts: tuple[float, float]
    ) -> None:
        super().__init__()
        widths = {"image": feature_count(image), "text": encoder_width(encoder)}
        image.classifier = nn.Identity()
        self.image = image
        self.encoder = encoder
        self.projection = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Dropout(dropout),
                    nn.Linear(width, spec.projection),
                    nn.BatchNorm1d(spec.projection),
                    nn.ReLU(),
                )
                for (name, width), dropout in zip(widths.items(), dropouts, strict=True)
            }
        )
        self.classifier = nn.Sequential(
            nn.Linear(2 * spec.projection, spec.hidden),
            nn.ReLU(),
            nn.Dropout(spec.dropout),
            nn.Linear(spec.hidden, classes),
        )

    def forward(self, pixels: Tensor, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.projection["image"](self.image(pixels)[1])
        read = self.projection["text"](first_token(self.encoder, tokens, mask))
        features = torch.cat([seen, read], dim=1)
        return self.classifier(features), features


class WeightedLogits(nn.Module):
    """`alpha * text + (1 - alpha) * image` of two trained networks' logits; the features are both ones' together."""

    reads = ("pixels", "tokens", "mask")

    def __init__(self, image: nn.Module, text: nn.Module, alpha: float) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.alpha = alpha

    def forward(self, pixels: Tensor, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        seen, image_features = self.image(pixels)
        read, text_features = self.text(tokens, mask)
        return self.alpha * read + (1 - self.alpha) * seen, torch.cat([image_features, text_features], dim=1)
