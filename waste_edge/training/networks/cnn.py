"""Four-block CNN of earlier projects."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from waste_edge.training.networks.layers import SameConv2d, classifier_head, pool
from waste_edge.training.recipe import ModelSpec

_CNN4_CHANNELS = (32, 64, 128, 256)  # at width 1


class _PlainBlock(nn.Module):
    """3x3 convolution, batch norm, ReLU, then half the size by 2x2 maxima."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = SameConv2d(channels_in, channels_out, 3, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(functional.relu(self.bn(self.conv(x))), 2)


class Cnn4(nn.Module):
    """Network of an earlier project, to compare with: four full convolutions, few parameters, many operations.

    At width 1 and 224 px 0.39 million parameters and 737 million multiply-accumulates, 35 times those of
    MobileNetV1 of width 0.25 at 160 px.
    """

    def __init__(self, classes: int, spec: ModelSpec) -> None:
        super().__init__()
        channels = [3, *(max(8, round(wide * spec.width)) for wide in _CNN4_CHANNELS)]
        self.blocks = nn.Sequential(*(_PlainBlock(*pair) for pair in pairwise(channels)))
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = classifier_head(channels[-1], classes, spec)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = pool(self.blocks(x))
        return self.classifier(self.dropout(features)), features
