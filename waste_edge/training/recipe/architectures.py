"""The table of networks: what `model.architecture` may say, and what each one takes of `[model]`.

The next network is a file in `training/networks/` and a row in `NETWORKS`; one from another distribution is an entry
point of the group `waste_edge.networks` that leads to a `NetworkSpec` (docs/extend.md). Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

from waste_edge.plugins import UnknownPartError, find_plugin, load_plugin, resolve

if TYPE_CHECKING:
    from torch import nn

Builder = Callable[..., "nn.Module"]  # takes the number of classes and a ModelSpec


@dataclass(frozen=True)
class NetworkSpec:
    """One network, or a library's networks.

    Attributes:
        builder: `module:name` of what takes the number of classes and a `ModelSpec` and gives a torch module with
            random weights: float (B, 3, H, W) in [-1, 1) to logits (B, C) and features (B, F). Its last layer is
            called `classifier`.
        width: `model.width` widens it; else its name says how wide it is.
        blocks: it takes `model.blocks` and `model.last_channels`.
        imagenet_width: the `model.width` that a download of ImageNet's weights is there for; None: there is none.
        is_library: the name of a library, whose network follows after a colon; `model.normalization` and
            `model.options` are for these.
    """

    builder: str
    width: bool = True
    blocks: bool = False
    imagenet_width: float | None = None
    is_library: bool = False


_HERE = "waste_edge.training.networks"
_LITE = NetworkSpec(builder=f"{_HERE}.efficientnet:EfficientNetLite", width=False)
_LIBRARY = NetworkSpec(builder=f"{_HERE}.backbones:Backbone", width=False, is_library=True)
NETWORKS: dict[str, NetworkSpec] = {
    # of this project, made to be deployed
    "mobilenet_v1": NetworkSpec(builder=f"{_HERE}.mobilenet:MobileNetV1", blocks=True),
    "mobilenet_v2": NetworkSpec(builder=f"{_HERE}.mobilenet:MobileNetV2", imagenet_width=1.0),
    "efficientnet_lite0": _LITE,
    "efficientnet_lite2": _LITE,
    "cnn4": NetworkSpec(builder=f"{_HERE}.cnn:Cnn4"),
    # of others, as teachers
    "torchvision": _LIBRARY,
    "timm": _LIBRARY,
}
OWN = tuple(name for name, spec in NETWORKS.items() if not spec.is_library)


def network_spec(architecture: str) -> NetworkSpec:
    """Return the table's row of an architecture; a plug-in is imported now.

    Raises:
        ValueError: no network is called so, or the plug-in cannot be loaded.
    """
    name, colon, member = architecture.partition(":")
    spec = NETWORKS.get(name)
    if spec is not None and spec.is_library == bool(member) == bool(colon):
        return spec
    if spec is None and not colon:
        try:
            return _plugin_spec(name)
        except UnknownPartError:
            pass
    raise ValueError(
        f"model.architecture must be one of {', '.join(OWN)}, torchvision:NAME or timm:NAME, or a plug-in's name "
        f"(waste_edge.networks), got {architecture!r}"
    )


@cache
def _plugin_spec(name: str) -> NetworkSpec:
    return load_plugin(find_plugin("networks", name, NETWORKS), NetworkSpec)


def builder_of(architecture: str) -> Builder:
    """Import the function that builds an architecture's network."""
    return cast(Builder, resolve(network_spec(architecture).builder))
