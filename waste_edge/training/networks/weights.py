"""Initial weights of this project's networks: from a file, a download, or at random."""

from __future__ import annotations

from pathlib import Path

import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from waste_edge.errors import ConfigError, UserError
from waste_edge.training.networks.mobilenet import MobileNetV1
from waste_edge.training.recipe import ModelSpec


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


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such weights file; check --weights") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable .safetensors file ({error})") from error


def _load_matching(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    network = getattr(network, "body", network)  # a library's network keeps its names below our head
    if isinstance(network, MobileNetV1):
        state = network.from_whole(state)
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
