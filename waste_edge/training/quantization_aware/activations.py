"""Activations that the INT8 kernels write to memory: these, and no others, are rounded to 8 bits."""

from __future__ import annotations

from typing import Any

from torch import fx, nn
from torch.nn import functional

from waste_edge.errors import ConfigError

_COMPUTING_MODULES = (nn.Conv2d, nn.Linear, nn.AdaptiveAvgPool2d)
_COMPUTING_FUNCTIONS = ("add", "iadd", "adaptive_avg_pool2d")
# A convolution's kernel does these on its way out: the value before them is never written.
_ABSORBED_MODULES = (nn.BatchNorm2d, nn.ReLU6, nn.ReLU, nn.Identity)
_ABSORBED_FUNCTIONS = (functional.relu6, functional.relu)
# These only move values that are rounded already.
_MOVING_MODULES = (nn.Dropout, nn.Flatten, nn.MaxPool2d, nn.Identity)
_MOVING_METHODS = ("flatten",)


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
