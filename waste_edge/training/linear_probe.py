"""The head fitted alone, before the whole is fine-tuned: a head at random would first tear the features apart.

Kumar, Raghunathan, Jones, Ma and Liang 2022 (arXiv:2202.10054).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from waste_edge.training.input_pipeline.inputs import Inputs, run_network
from waste_edge.training.networks import normalize
from waste_edge.training.stock.batches import FIRST_PROBE_EPOCH, StockBatches

_PENALTY = 1 / 3000  # of the squared weights, for features of the usual size
_USUAL = 0.1  # mean square of such a feature


def fit_head(network: nn.Module, batches: StockBatches, count: int, classes: int, device: torch.device) -> float:
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
    network: nn.Module, batches: StockBatches, count: int, classes: int, device: torch.device
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
