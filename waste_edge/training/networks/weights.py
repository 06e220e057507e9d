"""Initial weights of this project's networks: from a file, a download, or at random."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from waste_edge.errors import ConfigError, UserError
from waste_edge.training.networks.mobilenet import MobileNetV1
from waste_edge.training.recipe import ModelSpec


def load_initial_weights(network: nn.Module, spec: ModelSpec, weights: Path | None) -> str:
    """Start from a safetensors file, a bundle's `model-fp32.onnx`, torchvision's download, or at random.

    The classifier is left random where its shape differs; every other tensor must fit.

    Returns:
        In words, what the network starts from.
    """
    if weights is not None:
        state = _of_exported(weights, network) if weights.suffix == ".onnx" else _read_weights(weights)
        _load_matching(network, state, str(weights))
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


def _of_exported(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of a network that was exported in float32, layer after layer.

    Its batch norms were folded into the convolutions, so that no statistics are left: those here are neutral, and a
    training that goes on from such a file needs `fit.freeze_batch_norm`.
    """
    layers = _exported_layers(path)
    own = [(name, one) for name, one in network.named_modules() if isinstance(one, (nn.Conv2d, nn.Linear))]
    if [tuple(weight.shape) for weight, _ in layers] != [tuple(one.weight.shape) for _, one in own]:
        raise ConfigError(
            f"{path}: its {len(layers)} layers are not the {len(own)} of the recipe's network; give the "
            "model-fp32.onnx of a bundle with the same [model] and labels"
        )
    norms = _norm_behind(network)
    state: dict[str, Tensor] = {}
    for (name, _), (weight, bias) in zip(own, layers, strict=True):
        state[f"{name}.weight"] = weight
        if name not in norms:
            state[f"{name}.bias"] = bias
            continue
        at, eps = norms[name]
        state[f"{at}.weight"] = torch.full_like(bias, math.sqrt(1 + eps))
        state[f"{at}.bias"] = bias
        state[f"{at}.running_mean"], state[f"{at}.running_var"] = torch.zeros_like(bias), torch.ones_like(bias)
        state[f"{at}.num_batches_tracked"] = torch.tensor(1)
    return state


def _exported_layers(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution and linear layer, from the input up."""
    import onnx  # takes long, and few need it
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        graph = onnx.load_model(str(path), load_external_data=False).graph
        values = {one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy()) for one in graph.initializer}
        nodes = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
        return [(values[node.input[1]], values[node.input[2]]) for node in nodes]
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such weights file; check --weights") from error
    except (DecodeError, KeyError, IndexError, ValueError, OSError) as error:
        raise ConfigError(f"{path}: not a network that waste-edge exported in float32 ({error})") from error


def _norm_behind(network: nn.Module) -> dict[str, tuple[str, float]]:
    """For each convolution with a batch norm behind it: that one's name and epsilon."""
    found, before = {}, ""
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d) and before:
            found[before] = name, module.eps
        before = name if isinstance(module, nn.Conv2d) else ""
    return found


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
