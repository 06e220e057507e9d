"""Networks of torchvision and timm by name, with their own pretrained weights or a local file's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

from waste_edge.errors import ConfigError, UserError
from waste_edge.files.text import first_line
from waste_edge.training.networks.layers import classifier_head
from waste_edge.training.recipe import ModelSpec

_HEADS = ("classifier", "fc", "heads", "head")  # what torchvision calls the layers above the features
_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """A library's network without its classifier, under a head of ours.

    `body` keeps the library's parameter names, so that its weight files load as they are.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, classes: int, spec: ModelSpec, download: bool = False) -> None:
        """Build it, with the library's pretrained weights if `download`.

        Raises:
            ConfigError: the library has no such network, or it does not take the recipe's options.
            UserError: the weights cannot be downloaded.
        """
        super().__init__()
        make = _from_torchvision if spec.library == "torchvision" else _from_timm
        self.body, features = make(spec, download)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = classifier_head(features, classes, spec)
        imagenet = spec.normalization == "imagenet"
        mean, deviation = (_IMAGENET_MEAN, _IMAGENET_DEVIATION) if imagenet else ((0.5,) * 3, (0.5,) * 3)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(((x + 1) / 2 - self.mean) / self.deviation).flatten(1)
        return self.classifier(self.dropout(features)), features


def _from_torchvision(spec: ModelSpec, download: bool) -> tuple[nn.Module, int]:
    name = spec.architecture.partition(":")[2]
    if name not in torchvision.models.list_models(torchvision.models):
        raise ConfigError(f"model.architecture: torchvision has no classifier {name!r}; see torchvision.models")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of Inception, about a default it will change
        network = _made(
            spec, lambda: torchvision.models.get_model(name, weights="DEFAULT" if download else None, **spec.options)
        )
    if getattr(network, "AuxLogits", None) is not None:  # Inception's second head would need a loss of its own
        setattr(network, "AuxLogits", None)  # noqa: B010  # a module's attribute, which types know as a tensor
        setattr(network, "aux_logits", False)  # noqa: B010
    head = next(part for part in _HEADS if hasattr(network, part))
    features = next(m.in_features for m in getattr(network, head).modules() if isinstance(m, nn.Linear))
    setattr(network, head, nn.Identity())
    return network, features


def _from_timm(spec: ModelSpec, download: bool) -> tuple[nn.Module, int]:
    name = spec.architecture.partition(":")[2]
    if not timm.is_model(name):
        raise ConfigError(f"model.architecture: timm has no network {name!r}; see timm.list_models()")
    options: dict[str, Any] = dict(spec.options)
    network = _made(spec, lambda: timm.create_model(name, pretrained=download, num_classes=0, **options))
    features: Any = getattr(network, "head_hidden_size", None) or network.num_features
    return network, int(features)


def _made(spec: ModelSpec, make: Callable[[], nn.Module]) -> nn.Module:
    try:
        return make()
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{spec.architecture}: pretrained weights cannot be downloaded ({first_line(error)}); "
            "give a file with --weights, or set model.pretrained = 'none' in the recipe"
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model.options: {spec.architecture} does not take them ({error})") from error
