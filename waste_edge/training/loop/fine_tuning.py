"""Fine-tuning of pretrained networks: head first, frozen stages remembered, weights kept near where they began.

A head at random would first tear the features apart, so `fit_head` fits it alone before the whole is tuned (Kumar,
Raghunathan, Jones, Ma and Liang 2022, arXiv:2202.10054). `FrozenOutputs` saves most of a gentle fine-tuning's time.
`Anchor` holds the weights that a training starts with: pulled towards while it runs (L2-SP), mixed into what is kept
(WiSE-FT).
"""

from __future__ import annotations

import copy
from collections.abc import Hashable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from waste_edge.training.input_pipeline.inputs import Inputs, run_network
from waste_edge.training.networks import normalize
from waste_edge.training.networks.efficientnet import EfficientNetLite
from waste_edge.training.recipe import FitSpec, Recipe
from waste_edge.training.view_cache.batches import FIRST_PROBE_EPOCH, ViewCacheBatches

_PENALTY = 1 / 3000  # of the squared weights, for features of the usual size
_USUAL = 0.1  # mean square of such a feature


def fit_head(network: nn.Module, batches: ViewCacheBatches, count: int, classes: int, device: torch.device) -> float:
    """Fit the classifier, one linear layer, to `count` views; returns the loss it came to.

    What has no label is fitted to equal shares of all labels.
    """
    features, shares = _features(network, batches, count, classes, device)
    head = network.get_submodule("classifier")
    assert isinstance(head, nn.Linear)
    scale = (_USUAL / features.square().mean()).sqrt()
    features = features * scale
    weight = torch.zeros(classes, features.shape[1], device=device, requires_grad=True)
    bias = torch.zeros(classes, device=device, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, tolerance_change=1e-7, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = functional.cross_entropy(features @ weight.T + bias, shares)
        loss = loss + _PENALTY / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        head.weight.copy_(weight * scale)
        head.bias.copy_(bias)
    return float(closure().detach())


@torch.no_grad()
def _features(
    network: nn.Module, batches: ViewCacheBatches, count: int, classes: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Features (N, F) of the network as it stands and shares of labels (N, C), of at least `count` views."""
    network.eval()
    features: list[Tensor] = []
    truths: list[Tensor] = []
    seen, epoch = 0, FIRST_PROBE_EPOCH
    while seen < count:
        batches.set_epoch(epoch)
        for batch in batches:
            inputs = Inputs(normalize(batch.pixels), batch.tokens, batch.mask).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                features.append(run_network(network, inputs)[1].float())
            truths.append(batch.truth.to(device))
            seen += len(batch.truth)
            if seen >= count:
                break
        epoch += 1
    truth = torch.cat(truths)
    shares = torch.full((len(truth), classes), 1 / classes, device=device)
    known = truth >= 0
    shares[known] = functional.one_hot(truth[known], classes).float()
    return torch.cat(features), shares


class Anchor:
    """A copy of a network as training starts; `network` is it, for checkpoints."""

    def __init__(self, network: nn.Module, spec: FitSpec) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._spec = spec

    @torch.no_grad()
    def pull(self, network: nn.Module, optimizer: Optimizer) -> None:
        """Move every weight towards its first value after a step, by its learning rate times `l2_sp`.

        Decoupled from the gradient's moments, as AdamW's weight decay is (Loshchilov and Hutter 2019).
        """
        if not self._spec.l2_sp:
            return
        first = {id(own): one for own, one in zip(network.parameters(), self.network.parameters(), strict=True)}
        for group in optimizer.param_groups:
            moved = [one for one in group["params"] if id(one) in first]
            if moved:
                torch._foreach_lerp_(moved, [first[id(one)] for one in moved], group["lr"] * self._spec.l2_sp)

    @torch.no_grad()
    def mixed(self, network: nn.Module) -> nn.Module:
        """A network between the first one and the trained one: `wise_ft` of the way, statistics too."""
        if self._spec.wise_ft == 1.0:
            return network
        between = copy.deepcopy(network)
        trained = network.state_dict()
        for name, first in self.network.state_dict().items():
            if first.is_floating_point():
                between.state_dict()[name].copy_(torch.lerp(first, trained[name], self._spec.wise_ft))
        return between


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
