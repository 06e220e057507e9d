"""Outputs of frozen stages, remembered where views come again: most of a gentle fine-tuning's time lies in them."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor, nn

from waste_edge.training.networks.efficientnet import EfficientNetLite
from waste_edge.training.recipe import Recipe


class FrozenOutputs:
    """Runs a network's frozen stages once a batch, and the others each time.

    Outputs are kept in float16, half of what they take in float32: 44 kB a view of EfficientNet-Lite0 at 224 px with
    six frozen stages.
    """

    def __init__(self, network: EfficientNetLite, stages: int) -> None:
        self._network, self._stages = network, stages
        self._kept: dict[Hashable, Tensor] = {}

    def __call__(self, pixels: Tensor, batch: Hashable) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and features (B, F) of pixels (B, 3, H, W).

        Args:
            pixels: the inputs, normalized.
            batch: names them; the same name, the same pixels.
        """
        if batch not in self._kept:
            with torch.no_grad():
                self._kept[batch] = self._network.below(pixels, self._stages).half()
        return self._network.above(self._kept[batch].float(), self._stages)


def remembers(recipe: Recipe, network: nn.Module, processes: int) -> bool:
    """Return whether a training can: the same batches come again, and nothing below changes, not even a statistic."""
    fit, augment = recipe.trained, recipe.augment
    still = fit.frozen_stages > 0 and fit.freeze_batch_norm and fit.precision == "fp32" and not fit.compile
    again = recipe.stock is not None and augment.view_sets > 0 and not augment.mixup and not augment.cutmix
    return still and again and processes == 1 and isinstance(network, EfficientNetLite)
