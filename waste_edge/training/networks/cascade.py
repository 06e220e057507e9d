"""Two stages as one network: which parent, and by another network which of its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


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
        """Put it together.

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
        """What stands above the features."""
        return self.first.get_submodule("classifier")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        parents, features = self.first(x)
        chances = functional.log_softmax(parents, dim=1)
        columns: dict[int, Tensor] = {}
        for parent, leaves in enumerate(self.leaves):
            below = chances[:, parent : parent + 1]
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
