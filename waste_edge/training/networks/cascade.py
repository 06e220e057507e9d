"""Two stages as one network: which parent, and by another network which of its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from waste_edge.training.recipe import TreeSpec

FIRST = "first"  # the first stage's name among a run's members


class Cascade(nn.Module):
    """Log P(parent) + log P(label | parent) as logits, and the first stage's features.

    Attributes:
        seconds: by the parent's index, as text; a parent of one label has none.
    """

    def __init__(
        self,
        first: nn.Module,
        seconds: Mapping[int, nn.Module],
        leaves: Sequence[Sequence[int]],
    ) -> None:
        """Assemble the cascade.

        Args:
            first: network of the parents.
            seconds: networks of the labels of one parent, by the parent's index.
            leaves: of each parent, the indices of its labels, in the order of its network's logits.
        """
        super().__init__()
        self.first = first
        self.seconds = nn.ModuleDict({str(parent): network for parent, network in seconds.items()})
        self.leaves = [list(some) for some in leaves]

    @property
    def classifier(self) -> nn.Module:
        """Layers above the features."""
        return self.first.get_submodule("classifier")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        parents, features = self.first(x)
        log_probabilities = functional.log_softmax(parents, dim=1)
        columns: dict[int, Tensor] = {}
        for parent, leaves in enumerate(self.leaves):
            below = log_probabilities[:, parent : parent + 1]
            if str(parent) in self.seconds:
                below = below + functional.log_softmax(self.seconds[str(parent)](x)[0], dim=1)
            columns.update(zip(leaves, below.unbind(dim=1), strict=True))
        return torch.stack([columns[leaf] for leaf in range(len(columns))], dim=1), features

    def decide(self, x: Tensor) -> int:
        """The label of one picture (1, 3, H, W), asking only the second network that the first one chooses."""
        parent = int(self.first(x)[0].argmax())
        if str(parent) not in self.seconds:
            return self.leaves[parent][0]
        return self.leaves[parent][int(self.seconds[str(parent)](x)[0].argmax())]


def assemble_cascade(
    tree: TreeSpec, labels: Sequence[str], members: Mapping[str, tuple[list[str], nn.Module]]
) -> Cascade:
    """Put a cascade together from its trained stages.

    Args:
        tree: parents with their labels.
        labels: the cascade's own, in output order.
        members: labels and network of each stage, by its name.

    Raises:
        ValueError: the members are not those of the tree.
    """
    parents = members[FIRST][0] if FIRST in members else []
    seconds = {parent: members.get(second_name(parent)) for parent in parents_of_several(tree)}
    if sorted(parents) != sorted(tree.parents) or None in seconds.values() or len(members) != 1 + len(seconds):
        raise ValueError(f"its members ({', '.join(members)}) are not those of its tree")
    found = {parent: member for parent, member in seconds.items() if member}
    below = {parent: found[parent][0] if parent in found else tree.parents[parent] for parent in parents}
    return Cascade(
        members[FIRST][1],
        {parents.index(parent): network for parent, (_, network) in found.items()},
        [[labels.index(label) for label in below[parent]] for parent in parents],
    )


def parents_of_several(tree: TreeSpec) -> list[str]:
    """The parents of more than one label, which need a second stage."""
    return [parent for parent, labels in tree.parents.items() if len(labels) > 1]


def second_name(parent: str) -> str:
    """Name of the second stage of a parent, which is also its sub-folder in a run."""
    return f"second-{re.sub(r'[^A-Za-z0-9_-]+', '_', parent)}"
