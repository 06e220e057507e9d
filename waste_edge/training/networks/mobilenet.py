"""MobileNets made to be deployed: ReLU6, no squeeze-excite, no hard-swish, and TensorFlow's SAME padding, so that
the exported graph needs no PAD operator and weights trained with that padding fit.
"""

from __future__ import annotations

import torchvision
from torch import Tensor, nn
from torch.nn import functional

from waste_edge.training.networks.layers import SameConv2d, classifier_head, pool
from waste_edge.training.recipe import ModelSpec
from waste_edge.training.recipe.models import V1_BLOCKS, v1_channels


class _SeparableBlock(nn.Module):
    """Depthwise 3x3, then pointwise 1x1, each with batch norm and ReLU6."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = SameConv2d(channels_in, channels_in, 3, stride, groups=channels_in, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv_pw = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self.bn1(self.conv_dw(x)))
        return functional.relu6(self.bn2(self.conv_pw(x)))


class MobileNetV1(nn.Module):
    """Howard et al. 2017. Parameter names are timm's, so that its weight files load as they are."""

    def __init__(self, classes: int, spec: ModelSpec) -> None:
        super().__init__()
        channels = max(8, round(32 * spec.width))
        self.conv_stem = SameConv2d(3, channels, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        stages: list[nn.Module] = []
        left = sum(spec.blocks or V1_BLOCKS)
        for index, depth in enumerate(spec.blocks or V1_BLOCKS):
            blocks: list[nn.Module] = []
            for position in range(depth):
                left -= 1
                out, stride = v1_channels(index, spec.width), 2 if index and not position else 1
                if not left:
                    out = spec.last_channels or out
                blocks.append(_SeparableBlock(channels, out, stride))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = classifier_head(channels, classes, spec)
        self.features = channels

    def from_whole(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A whole network's weights with only so many channels of the last block as this one has, the first ones."""
        pointwise = [name for name, _ in self.named_modules() if name.endswith("conv_pw")][-1]
        cut = (pointwise, f"{pointwise.removesuffix('conv_pw')}bn2")
        return {
            name: tensor[: self.features] if tensor.ndim and name.rpartition(".")[0] in cut else tensor
            for name, tensor in state.items()
        }

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = functional.relu6(self.bn1(self.conv_stem(x)))
        features = pool(self.blocks(x))
        return self.classifier(self.dropout(features)), features


class MobileNetV2(nn.Module):
    """torchvision's MobileNetV2 (Sandler et al. 2018) with SAME padding, giving its features as well."""

    def __init__(self, classes: int, spec: ModelSpec) -> None:
        super().__init__()
        network = torchvision.models.mobilenet_v2(num_classes=classes, width_mult=spec.width, dropout=spec.dropout)
        self.features = network.features
        self.classifier = network.classifier  # torchvision's: dropout and a linear layer
        if spec.hidden:
            features = network.classifier[1].in_features
            self.classifier = nn.Sequential(nn.Dropout(spec.dropout), classifier_head(features, classes, spec))
        _pad_like_tensorflow(self.features)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = pool(self.features(x))
        return self.classifier(features), features


def _pad_like_tensorflow(network: nn.Module) -> None:
    """Give every padded convolution SAME padding; names and weights stay as they are."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
            module.__class__ = SameConv2d
