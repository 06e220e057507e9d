"""Initial weights of this project's networks: from a file, a download, or at random.

`balance` gives the weights of every layer one spread, without a change to what the network computes.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from waste_edge.errors import ConfigError, UserError
from waste_edge.training.networks.mobilenet import MobileNetV1
from waste_edge.training.recipe import ModelSpec

_Convolution = nn.Conv1d | nn.Conv2d
_DEAD = 1e-8  # a channel of less spread gives nothing, and stays so


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


def balance(network: nn.Module, pixels: Tensor) -> int:
    """Rescale each output channel of every convolution to the spread it would have been initialized with.

    The batch norm above takes the factor out again (Ioffe and Szegedy 2015, section 3.3), so that the answers stay the
    same; with a batch's own statistics all but for `eps`. Adam's steps are of one size whatever the weight's: where
    batch norms were folded once, as in files that come from TFLite, kernels of a spread of 0.02 stand beside others of
    1.3, and a rate that moves these tears those apart.

    Args:
        network: for pictures; left in evaluation mode.
        pixels: some input (B, 3, H, W), to see that the answers stay.

    Returns:
        How many convolutions have been rescaled.

    Raises:
        ConfigError: between a convolution and the batch norm after it lies something else, as in networks that
            normalize before they convolve.
    """
    pairs = _pairs(network)
    before = _answers(network, pixels)
    for convolution, norm in pairs:
        _rescale(convolution, norm)
    if not torch.allclose(_answers(network, pixels), before, rtol=1e-3, atol=1e-3 * float(before.abs().max())):
        raise ConfigError(
            "fit.balance_weights: this network's batch norms do not stand right above its convolutions; remove the key"
        )
    return len(pairs)


@torch.no_grad()
def _answers(network: nn.Module, pixels: Tensor) -> Tensor:
    logits: Tensor = network.eval()(pixels)[0]
    return logits


def _pairs(network: nn.Module) -> list[tuple[_Convolution, _BatchNorm]]:
    """Convolutions and the batch norms next to them, in the order in which networks are written down."""
    pairs, before = [], None
    for module in network.modules():
        if isinstance(module, _Convolution):
            before = module
        elif isinstance(module, _BatchNorm):
            if before is not None and before.out_channels == module.num_features and module.affine:
                pairs.append((before, module))
            before = None
    return pairs


@torch.no_grad()
def _rescale(convolution: _Convolution, norm: _BatchNorm) -> None:
    weight = convolution.weight
    spread = weight.flatten(1).square().mean(dim=1).sqrt()
    usual = math.sqrt(2 / weight[0].numel())  # He et al. 2015, of the inputs
    factor = torch.where(spread > _DEAD, usual / spread.clamp_min(_DEAD), torch.ones_like(spread))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight *= factor.view(-1, *[1] * (weight.ndim - 1))
    if convolution.bias is not None:
        convolution.bias *= factor
    # Batch norms add `eps` to the variance before and after alike.
    norm.weight.mul_((norm.running_var * factor**2 + norm.eps).sqrt() / (factor * (norm.running_var + norm.eps).sqrt()))
    norm.running_mean *= factor
    norm.running_var *= factor**2
