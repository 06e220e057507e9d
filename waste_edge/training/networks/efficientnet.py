"""EfficientNet-Lite: ReLU6 everywhere, no squeeze-excite, SAME padding, so that INT8 kernels suit all of it.

Liu 2020, of the EfficientNets of Tan and Le 2019 (arXiv:1905.11946).
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from waste_edge.training.networks.layers import SameConv2d, classifier_head, pool
from waste_edge.training.recipe import ModelSpec

# Of Lite0: blocks, kernel, stride of the first block, expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite2": (1.1, 1.2)}  # of channels, of depth
_STEM, _HEAD, _EPS = 32, 1280, 1e-3


class _Separable(nn.Module):
    """Depthwise, then pointwise without an activation; the first stage has these."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _depthwise(channels_in, kernel, stride)
        self.bn1 = nn.BatchNorm2d(channels_in, _EPS)
        self.conv_pw = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out, _EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self.bn1(self.conv_dw(x)))
        projected: Tensor = self.bn2(self.conv_pw(x))
        return projected


class _InvertedResidual(nn.Module):
    """Expand, depthwise, project (Sandler et al. 2018), with a skip where the shape stays."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = channels_in * expansion
        self.conv_pw = nn.Conv2d(channels_in, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle, _EPS)
        self.conv_dw = _depthwise(middle, kernel, stride)
        self.bn2 = nn.BatchNorm2d(middle, _EPS)
        self.conv_pwl = nn.Conv2d(middle, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out, _EPS)
        self.skips = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu6(self.bn1(self.conv_pw(x)))
        inner = functional.relu6(self.bn2(self.conv_dw(inner)))
        projected: Tensor = self.bn3(self.conv_pwl(inner))
        return projected + x if self.skips else projected


class EfficientNetLite(nn.Module):
    """Lite0 (224 px) or Lite2 (260 px). Parameter names are timm's, so that its weight files load as they are."""

    def __init__(self, classes: int, spec: ModelSpec) -> None:
        super().__init__()
        widen, deepen = _SCALES[spec.architecture]
        self.conv_stem = SameConv2d(3, _STEM, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM, _EPS)
        stages: list[nn.Module] = []
        channels = _STEM
        for index, (depth, kernel, stride, expansion, out) in enumerate(_STAGES):
            ends = index in (0, len(_STAGES) - 1)  # neither is made deeper
            out = _rounded(out * widen)
            blocks: list[nn.Module] = []
            for position in range(depth if ends else math.ceil(depth * deepen)):
                step = 1 if position else stride
                blocks.append(
                    _InvertedResidual(channels, out, kernel, step, expansion)
                    if expansion > 1
                    else _Separable(channels, out, kernel, step)
                )
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(channels, _HEAD, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(_HEAD, _EPS)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = classifier_head(_HEAD, classes, spec)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._top(self.blocks(functional.relu6(self.bn1(self.conv_stem(x)))))  # unsliced: it is traced

    def below(self, x: Tensor, stages: int) -> Tensor:
        """Run the lowest stages on pixels (B, 3, H, W): the stem is the first, the blocks follow."""
        below: Tensor = self.blocks[: stages - 1](functional.relu6(self.bn1(self.conv_stem(x))))
        return below

    def above(self, x: Tensor, stages: int) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and features (B, F) of what the lowest stages made."""
        return self._top(self.blocks[stages - 1 :](x))

    def _top(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = pool(functional.relu6(self.bn2(self.conv_head(x))))
        return self.classifier(self.dropout(features)), features


def _depthwise(channels: int, kernel: int, stride: int) -> SameConv2d:
    return SameConv2d(channels, channels, kernel, stride, groups=channels, bias=False)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8, not less than nine tenths of what was asked for."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
