"""Learning rate schedules: by step, and for `plateau` by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import nn
from torch.optim import AdamW

from waste_edge.errors import ConfigError
from waste_edge.files.strict import Strict
from waste_edge.training.recipe import FitSpec


class RateState(Strict, frozen=True):
    """State of a learning rate for a checkpoint; `least_loss` is None before a plateau's first epoch."""

    steps: int
    reduction: float
    least_loss: float | None
    waited: int


def make_optimizer(network: nn.Module, extra: nn.Module, spec: FitSpec) -> AdamW:
    """AdamW over a network and what is trained beside it.

    Weight decay is for matrices and kernels; biases and batch norms it would only harm. The head, which starts at
    random, may have a learning rate of its own, and each stage below the next a lower one (`layer_decay`).
    """
    head_rate = spec.head_learning_rate or spec.learning_rate
    named = [(name, one) for name, one in network.named_parameters() if one.requires_grad]
    heights = _heights([name for name, _ in named])
    rates = [
        head_rate if _is_head(name) else spec.learning_rate * spec.layer_decay ** heights[name] for name, _ in named
    ]
    pairs = [(one, rate) for (_, one), rate in zip(named, rates, strict=True)]
    pairs += [(one, head_rate) for one in extra.parameters()]
    groups = []
    # The first group's rate is the one that is told: the recipe's own.
    for rate in sorted({*rates, head_rate}, key=lambda one: (one != spec.learning_rate, -one)):
        for decayed in (True, False):
            chosen = [one for one, own in pairs if own == rate and (one.ndim > 1) == decayed]
            if chosen:
                decay = spec.weight_decay if decayed else 0.0
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return AdamW(groups, lr=spec.learning_rate)


class LearningRate:
    """Sets the optimizer's rates: by step the warm-up and the fall, by epoch the plateau's reductions.

    torch's schedulers each own the rate, so a warm-up and a plateau cannot be put together from them.
    """

    def __init__(self, optimizer: AdamW, spec: FitSpec, steps_per_epoch: int) -> None:
        self._optimizer = optimizer
        self._spec = spec
        self._factor = _factor(spec, steps_per_epoch)
        self._bases = [float(group["lr"]) for group in optimizer.param_groups]
        self._steps = 0
        self._reduction = 1.0
        self._least_loss = math.inf
        self._waited = 0
        self._set()

    def step(self) -> None:
        """Advance by a batch."""
        self._steps += 1
        self._set()

    def epoch(self, validation_loss: float | None) -> None:
        """An epoch is done; a `plateau` schedule waits for the loss to fall, and then lowers the rate."""
        if self._spec.schedule != "plateau" or validation_loss is None:
            return
        if validation_loss < self._least_loss:
            self._least_loss, self._waited = validation_loss, 0
            return
        self._waited += 1
        if self._waited > self._spec.plateau_epochs:
            self._reduction, self._waited = self._reduction * self._spec.plateau_factor, 0
            self._set()

    def state(self) -> RateState:
        """Return the state for a checkpoint."""
        least = self._least_loss if math.isfinite(self._least_loss) else None
        return RateState(steps=self._steps, reduction=self._reduction, least_loss=least, waited=self._waited)

    def restore(self, state: RateState) -> None:
        """Continue from `state()`."""
        self._steps, self._reduction, self._waited = state.steps, state.reduction, state.waited
        self._least_loss = math.inf if state.least_loss is None else state.least_loss
        self._set()

    def _set(self) -> None:
        for group, base in zip(self._optimizer.param_groups, self._bases, strict=True):
            group["lr"] = base * self._factor(self._steps) * self._reduction


def freeze_stages(network: nn.Module, count: int) -> None:
    """Keep the lowest `count` stages (the stem is the first) as they are: no gradients, no backward pass.

    Raises:
        ConfigError: the network has not so many stages below its head.
    """
    heights = _heights([name for name, _ in network.named_parameters()])
    stages = max(heights.values(), default=-1) + 1
    if count >= max(stages, 1) and count:
        raise ConfigError(f"fit.frozen_stages must be less than {stages}, the network's stages, got {count}")
    for name, parameter in network.named_parameters():
        if name in heights and heights[name] >= stages - count:
            parameter.requires_grad_(False)


def _heights(names: Sequence[str]) -> dict[str, int]:
    """Count the stages between each parameter's stage and the head, by name; names come from the bottom up.

    A stage is what is numbered, e.g. `blocks.3`; what comes before the first is the stem, what comes after is the top.
    """
    stages: dict[str, str] = {}
    outside = "stem"
    for name in names:
        if _is_head(name):
            continue
        parts = name.split(".")
        number = next((index for index, part in enumerate(parts) if part.isdigit()), None)
        if number is not None:
            outside = "top"
        stages[name] = outside if number is None else ".".join(parts[: number + 1])
    order = list(dict.fromkeys(stages.values()))
    return {name: len(order) - 1 - order.index(stage) for name, stage in stages.items()}


def _is_head(name: str) -> bool:
    parts = name.split(".")
    return "classifier" in parts or parts[0] == "projection"


def _factor(spec: FitSpec, steps_per_epoch: int) -> Callable[[int], float]:
    """From step to learning-rate factor; the cosine is that of Loshchilov and Hutter 2017, without restarts."""
    total = spec.epochs * steps_per_epoch
    warmup = min(total, round(spec.warmup_epochs * steps_per_epoch))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = (step - warmup) / max(1, total - warmup)
        if spec.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        return 1 - progress if spec.schedule == "linear" else 1.0

    return factor
