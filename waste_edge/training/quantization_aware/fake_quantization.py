"""Quantization-aware training: a network that computes in float what its INT8 file will compute in integers.

Jacob et al. 2018 (arXiv:1712.05877) and Krishnamoorthi 2018 (arXiv:1806.08342): weights INT8 per channel and
symmetric, activations INT8 per tensor and asymmetric, gradients straight through the rounding. The pixels need
nothing: they are multiples of 1/128 already.

Both papers fold batch norms into the weights while training, since folding changes what per-tensor rounding does.
Per channel it does not: a channel's scale follows whatever factor the batch norm multiplies the channel by, so
rounding before or after folding gives the same integers. The network therefore keeps its shape and its names.

Activations that the INT8 kernels write to memory, and no others, are rounded to 8 bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call
from torch.nn import functional

from waste_edge.errors import ConfigError, RunError
from waste_edge.files.strict import Strict
from waste_edge.training.recipe import QuantizeAwareSpec

_COMPUTING_MODULES = (nn.Conv2d, nn.Linear, nn.AdaptiveAvgPool2d)
_COMPUTING_FUNCTIONS = ("add", "iadd", "adaptive_avg_pool2d")
# A convolution's kernel does these on its way out: the value before them is never written.
_ABSORBED_MODULES = (nn.BatchNorm2d, nn.ReLU6, nn.ReLU, nn.Identity)
_ABSORBED_FUNCTIONS = (functional.relu6, functional.relu)
# These only move values that are rounded already.
_MOVING_MODULES = (nn.Dropout, nn.Flatten, nn.MaxPool2d, nn.Identity)
_MOVING_METHODS = ("flatten",)
LOWEST, HIGHEST = -128, 127  # of an INT8 activation
_WEIGHT_STEPS = 127  # symmetric: -127 to 127, as both exporters do
_SMALLEST_SCALE = 1e-8  # of a tensor that is always zero


class _Tracer(fx.Tracer):
    """Sees convolutions as a whole, our own among them (their padding asks for the input's size)."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


def find_activations(network: nn.Module) -> tuple[fx.Graph, list[tuple[str, fx.Node]]]:
    """Trace a network and find what its INT8 kernels write.

    Returns:
        The graph, and for each activation, in the order of computing, the name of the layer that computes it and
        the node that holds its final value. A network and its copy with folded batch norms give the same names.

    Raises:
        ConfigError: an operation whose INT8 counterpart is not known here; the message names it.
    """
    graph = _Tracer().trace(network)
    modules: dict[str, nn.Module] = dict(network.named_modules())
    found: list[tuple[str, fx.Node]] = []
    absorbed: set[fx.Node] = set()
    for node in graph.nodes:
        if _computes(node, modules):
            followers = _followers(node, modules)
            absorbed.update(followers)
            layer = str(node.target) if node.op == "call_module" else node.name
            found.append((layer, [node, *followers][-1]))
        elif not (node.op in ("placeholder", "output") or node in absorbed or _moves(node, modules)):
            raise ConfigError(
                f"quantize_aware: {_described(node, modules)} has no INT8 counterpart that is known here; train this "
                "network without a [quantize_aware] part and quantize it at export"
            )
    return graph, found


def _computes(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], _COMPUTING_MODULES)
    return node.op == "call_function" and getattr(node.target, "__name__", "") in _COMPUTING_FUNCTIONS


def _absorbed(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], _ABSORBED_MODULES)
    return node.op == "call_function" and node.target in _ABSORBED_FUNCTIONS


def _moves(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], _MOVING_MODULES)
    return node.op == "call_method" and node.target in _MOVING_METHODS


def _followers(node: fx.Node, modules: dict[str, nn.Module]) -> list[fx.Node]:
    """The nodes that the kernel of `node` absorbs, in their order."""
    followers: list[fx.Node] = []
    while len(node.users) == 1 and _absorbed(node := next(iter(node.users)), modules):
        followers.append(node)
    return followers


def _described(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    target: Any = modules[str(node.target)] if node.op == "call_module" else node.target
    kind = type(target).__name__ if isinstance(target, nn.Module) else getattr(target, "__name__", target)
    return f"{kind} ({node.name})"


class TrainedRange(Strict, frozen=True):
    """Range that one activation was rounded to while training: value = scale * (int8 - zero_point)."""

    layer: str
    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not self.scale > 0 or not LOWEST <= self.zero_point <= HIGHEST:
            raise ValueError(f"range of {self.layer}: scale must be positive and zero_point -128 to 127")


class ActivationRounding(nn.Module):
    """Rounds an activation to 256 levels between the moving averages of its batches' least and greatest value."""

    low: Tensor
    high: Tensor
    scale: Tensor
    zero_point: Tensor

    def __init__(self, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.seen = False  # any batch
        self.watching = True  # while in training mode
        self.rounding = False
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.watching:
            self._watch(x.detach())
        if not self.rounding:
            return x
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, LOWEST, HIGHEST)

    def restore(self, trained: TrainedRange) -> None:
        """Round as it was trained, for good."""
        self.scale.fill_(trained.scale)
        self.zero_point.fill_(trained.zero_point)
        self.watching, self.rounding = False, True

    def _watch(self, x: Tensor) -> None:
        low, high = torch.aminmax(x)
        share = self.momentum if self.seen else 1.0
        self.low.lerp_(low, share)
        self.high.lerp_(high, share)
        self.seen = True
        # Zero itself must be a level: padding is made of it (Jacob et al. 2018, section 2.1).
        least, greatest = self.low.clamp(max=0.0), self.high.clamp(min=0.0)
        self.scale.copy_(((greatest - least) / (HIGHEST - LOWEST)).clamp(min=_SMALLEST_SCALE))
        self.zero_point.copy_((LOWEST - least / self.scale).round().clamp(LOWEST, HIGHEST))


class FakeQuantized(nn.Module):
    """A float network seen through INT8: same input, same outputs, weights and activations rounded.

    The float network is shared, not copied: training this trains that. Either `observe` some batches and then
    train, calling `advance` before each step; or `restore` what a finished run trained.
    """

    def __init__(self, network: nn.Module, spec: QuantizeAwareSpec | None = None) -> None:
        """Find the network's activations; nothing is rounded yet.

        Raises:
            ConfigError: the network has an operation of which the INT8 counterpart is not known here.
        """
        super().__init__()
        self.float_network = network
        self.spec = spec or QuantizeAwareSpec()
        self.rounding = False
        self._batch_norms_frozen = False
        graph, activations = find_activations(network)
        self.layers = [layer for layer, _ in activations]
        self.roundings = nn.ModuleList(ActivationRounding(self.spec.range_momentum) for _ in activations)
        self._rounded = _insert(graph, [place for _, place in activations], network, self.roundings)
        self._weighted = [name for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Float (B, 3, H, W) to logits (B, C) and features (B, F), as the float network."""
        weights: dict[str, Tensor] = {}
        if self.rounding:
            modules = ((name, self.float_network.get_submodule(name)) for name in self._weighted)
            weights = {f"{name}.weight": round_weight(module.weight) for name, module in modules}  # type: ignore[arg-type]
        logits, features = functional_call(self._rounded, weights, (x,))
        return logits, features

    def watch(self, batches: Iterable[Tensor]) -> list[tuple[float, float]]:
        """Least and greatest value of each activation over batches of inputs, in evaluation mode."""
        self.eval()
        self.roundings.train()
        with torch.no_grad():
            for batch in batches:
                self(batch)
        return [(float(one.low), float(one.high)) for one in self._all()]

    def observe(self, batches: Iterable[Tensor]) -> None:
        """Take the first ranges from some training batches, then round: a start without ranges would be noise."""
        self.watch(batches)
        self.rounding = True
        for one in self._all():
            one.rounding = True

    def resume(self) -> None:
        """Round by ranges that a checkpoint brought back."""
        self.rounding = True
        for one in self._all():
            one.rounding, one.seen = True, True

    def advance(self, epochs_done: float) -> None:
        """Freeze what the recipe says is to be frozen by now."""
        if epochs_done >= self.spec.freeze_batch_norm_after:
            self._batch_norms_frozen = True
            self.train(self.training)
        if epochs_done >= self.spec.freeze_ranges_after:
            for one in self._all():
                one.watching = False

    def train(self, mode: bool = True) -> FakeQuantized:
        """Training mode, but frozen batch norms keep to their running statistics, as deployed ones do."""
        super().train(mode)
        if self._batch_norms_frozen:
            for module in self.float_network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def trained_ranges(self) -> list[TrainedRange]:
        """Every activation's rounding, in the order in which they are computed."""
        return [
            TrainedRange(layer=layer, scale=float(one.scale), zero_point=int(one.zero_point))
            for layer, one in zip(self.layers, self._all(), strict=True)
        ]

    def restore(self, ranges: Sequence[TrainedRange]) -> FakeQuantized:
        """Round as a finished run did.

        Raises:
            RunError: the ranges are another network's.
        """
        check_layers(self.layers, ranges)
        for one, trained in zip(self._all(), ranges, strict=True):
            one.restore(trained)
        self.rounding = True
        return self

    def _all(self) -> list[ActivationRounding]:
        return [one for one in self.roundings if isinstance(one, ActivationRounding)]


def round_weight(weight: Tensor) -> Tensor:
    """A weight (out, ...) on the grid of its INT8 values: one symmetric scale for each output channel."""
    per_channel = weight.detach().abs().flatten(1).amax(dim=1)
    scale = (per_channel / _WEIGHT_STEPS).clamp(min=_SMALLEST_SCALE)
    zero_points = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero_points, 0, -_WEIGHT_STEPS, _WEIGHT_STEPS)


def float_network(network: nn.Module) -> nn.Module:
    """The network whose weights are to be kept."""
    return network.float_network if isinstance(network, FakeQuantized) else network


def check_layers(layers: Sequence[str], ranges: Sequence[TrainedRange]) -> None:
    """Raise RunError unless the ranges were trained for these activations."""
    if [trained.layer for trained in ranges] != list(layers):
        raise RunError(
            f"the run holds {len(ranges)} trained ranges, which are not those of its network's {len(layers)} "
            "activations; train it again with this version of waste-edge"
        )


def _insert(graph: fx.Graph, places: Sequence[fx.Node], network: nn.Module, roundings: nn.ModuleList) -> fx.GraphModule:
    """The traced network with a rounding after each place; its other modules are the network's own."""
    parts = {str(n.target): network.get_submodule(str(n.target)) for n in graph.nodes if n.op == "call_module"}
    for index, (place, rounding) in enumerate(zip(places, roundings, strict=True)):
        name = f"rounding_{index}"
        parts[name] = rounding
        with graph.inserting_after(place):
            rounded = graph.call_module(name, (place,))
        place.replace_all_uses_with(rounded, delete_user_cb=lambda user, own=rounded: user is not own)  # type: ignore[misc]
    return fx.GraphModule(parts, graph)
