"""The networks. Each takes float (B, 3, H, W) in [-1, 1) and gives logits (B, C) and pooled features (B, F).

The MobileNets are made to be deployed: ReLU6, no squeeze-excite, no hard-swish, and TensorFlow's SAME padding,
so that the exported graph needs no PAD operator and weights trained with that padding fit.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from waste_edge.errors import ConfigError, UserError
from waste_edge.training.recipe import ModelSpec

_CNN4_CHANNELS = (32, 64, 128, 256)  # at width 1
_V1_STAGES = ((64, 1), (128, 2), (256, 2), (512, 6), (1024, 2))  # output channels at width 1, blocks


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

    def __init__(self, classes: int, width: float, dropout: float) -> None:
        super().__init__()
        channels = max(8, round(32 * width))
        self.conv_stem = SameConv2d(3, channels, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        stages: list[nn.Module] = []
        for index, (wide, depth) in enumerate(_V1_STAGES):
            blocks: list[nn.Module] = []
            for position in range(depth):
                out, stride = max(8, round(wide * width)), 2 if index and not position else 1
                blocks.append(_SeparableBlock(channels, out, stride))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = functional.relu6(self.bn1(self.conv_stem(x)))
        features = pool(self.blocks(x))
        return self.classifier(self.dropout(features)), features


class MobileNetV2(nn.Module):
    """torchvision's MobileNetV2 (Sandler et al. 2018) with SAME padding, giving its features as well."""

    def __init__(self, classes: int, width: float, dropout: float) -> None:
        super().__init__()
        network = torchvision.models.mobilenet_v2(num_classes=classes, width_mult=width, dropout=dropout)
        self.features = network.features
        self.classifier = network.classifier
        _pad_like_tensorflow(self.features)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = pool(self.features(x))
        return self.classifier(features), features


class _PlainBlock(nn.Module):
    """3x3 convolution, batch norm, ReLU, then half the size by 2x2 maxima."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = SameConv2d(channels_in, channels_out, 3, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(functional.relu(self.bn(self.conv(x))), 2)


class Cnn4(nn.Module):
    """The students' project's network, the row to compare with: four full convolutions, few parameters, much work.

    At width 1 and 224 px 0.39 million parameters and 737 million multiply-accumulates, 35 times those of
    MobileNetV1 of width 0.25 at 160 px.
    """

    def __init__(self, classes: int, width: float, dropout: float) -> None:
        super().__init__()
        channels = [3, *(max(8, round(wide * width)) for wide in _CNN4_CHANNELS)]
        self.blocks = nn.Sequential(*(_PlainBlock(*pair) for pair in pairwise(channels)))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = pool(self.blocks(x))
        return self.classifier(self.dropout(features)), features


def build_network(spec: ModelSpec, classes: int) -> nn.Module:
    """A network with random weights drawn from torch's global generator."""
    kind = {"mobilenet_v1": MobileNetV1, "mobilenet_v2": MobileNetV2, "cnn4": Cnn4}[spec.architecture]
    return kind(classes, spec.width, spec.dropout)


def load_initial_weights(network: nn.Module, spec: ModelSpec, weights: Path | None) -> str:
    """Start from a safetensors file, from torchvision's download, or at random, as the recipe says.

    The classifier is left random where its shape differs; every other tensor must fit.

    Returns:
        In words, what the network starts from.
    """
    if weights is not None:
        _load_matching(network, _read_weights(weights), str(weights))
        return weights.name
    if spec.pretrained == "none":
        return "random"
    try:
        state = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.get_state_dict(progress=False)
    except OSError as error:
        raise UserError(
            f"pretrained weights cannot be downloaded ({error}); give a file with --weights, "
            "or set model.pretrained = 'none' in the recipe"
        ) from error
    _load_matching(network, dict(state), "torchvision's ImageNet weights")
    return "torchvision MobileNet_V2_Weights.IMAGENET1K_V1"


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
    """Length of the pooled features: what the last linear layer takes."""
    return [module.in_features for module in network.modules() if isinstance(module, nn.Linear)][-1]


def _pad_like_tensorflow(network: nn.Module) -> None:
    """Give every padded convolution SAME padding; names and weights stay as they are."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
            module.__class__ = SameConv2d


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such weights file; check --weights") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable .safetensors file ({error})") from error


def _load_matching(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    own = network.state_dict()
    head = {name for name in own if name.startswith("classifier")}
    wrong = [name for name in own if name not in head and (name not in state or state[name].shape != own[name].shape)]
    if wrong:
        raise ConfigError(
            f"{source}: does not fit the recipe's network ({len(wrong)} of {len(own)} tensors, first {wrong[0]}); "
            "check model.architecture and model.width"
        )
    fitting = {name: state[name] for name in own if name in state and state[name].shape == own[name].shape}
    network.load_state_dict(fitting, strict=False)
