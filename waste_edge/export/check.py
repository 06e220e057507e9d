"""Checks of export: weights must be finite, and graphs made for their target."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.graph.report import check_file
from waste_edge.engines.graph.targets import default_target, read_target
from waste_edge.errors import GraphError, RunError


def refuse_bad_weights(network: nn.Module, source: Path) -> None:
    """Raise RunError naming the first tensor of `network` with a NaN or an infinity; `source` is the run's folder."""
    for name, tensor in network.state_dict().items():
        bad = int((~torch.isfinite(tensor)).sum()) if tensor.is_floating_point() else 0
        if bad:
            raise RunError(
                f"{source}: {bad} of {tensor.numel()} numbers in {name} are NaN or infinite; "
                "the training diverged: lower learning_rate in its recipe and train again"
            )


def refuse_foreign_graph(path: Path, artifact: ArtifactName, float_layers: bool = False) -> None:
    """Raise GraphError, naming operator and target, unless a file is made for the target of its kind.

    Args:
        path: the file just written.
        artifact: which artifact it is.
        float_layers: the recipe left layers in float on purpose.

    Raises:
        GraphError: an operator the target lacks, or a broken rule; the message counts the others.
    """
    target = read_target(default_target(artifact))
    findings = check_file(path, artifact, target, float_layers)
    if not findings:
        return
    first, others = findings[0], len(findings) - 1
    more = f" (and {others} more)" if others else ""
    raise GraphError(f"{artifact} for {target.name}: operator {first.operator} at {first.place}: {first.message}{more}")
