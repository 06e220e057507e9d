"""The parts of a recipe whose model is put together from others."""

from __future__ import annotations

from typing import ClassVar

from waste_edge.files.strict import Strict


class CompositeSpec(Strict, frozen=True):
    """Base of the parts that make a recipe's model one put together from others; the part's key is the recipe's kind.

    The next one is a file in `training/composites/`, its part here and a line in `Recipe`.

    Attributes:
        trainer: `module:name` of what takes a `TrainRequest` and gives the `RunInfo` of the run that it left.
        builder: `module:name` of what takes a run's folder, its `RunInfo` and its opened members, and gives the
            network, whose weights are read afterwards if the run has no members, and what tokenizes for it or None.
        needs: keys of the recipe that must be there, and why.
    """

    trainer: ClassVar[str]
    builder: ClassVar[str]
    needs: ClassVar[dict[str, str]] = {}


class ProbeSpec(CompositeSpec, frozen=True):
    """Logistic regression on the embeddings of a frozen image encoder (Radford et al. 2021, section 3.2).

    Attributes:
        encoder: a transformers CLIP model by its name on the hub, or a local folder that holds one.
        pretrained: take its weights; false takes only its configuration.
        c: inverse strength of the regularization, scikit-learn's `C`.
        max_iter: at most so many iterations of the solver.
        batch_size: pictures embedded at once.
        seed: of the encoder's random weights where `pretrained` is false.
    """

    trainer: ClassVar[str] = "waste_edge.training.composites.probe:fit_probe"
    builder: ClassVar[str] = "waste_edge.training.composites.probe:build_probe"
    needs: ClassVar[dict[str, str]] = {"input": "the encoder looks at pictures"}

    encoder: str
    pretrained: bool = True
    c: float = 0.316
    max_iter: int = 1000
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.encoder:
            raise ValueError("probe.encoder must name a CLIP model or a folder that holds one")
        if self.c <= 0 or self.max_iter < 1 or self.batch_size < 1:
            raise ValueError("probe.c, probe.max_iter and probe.batch_size must be positive")


class WeightedFusionSpec(CompositeSpec, frozen=True):
    """`alpha * text + (1 - alpha) * image` of two models' logits, alpha chosen on the validation part.

    Attributes:
        image, text: recipes of the two, by name or path beside this one; both are trained on this recipe's [split]
            and [labels] instead of their own.
        steps: the sweep is 0, 1/steps, ... 1.
    """

    trainer: ClassVar[str] = "waste_edge.training.composites.weighted_fusion:fit_weighted_fusion"
    builder: ClassVar[str] = "waste_edge.training.composites.weighted_fusion:build_weighted_fusion"

    image: str
    text: str
    steps: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 1000:
            raise ValueError(f"weighted_fusion.steps must be 1 to 1000, got {self.steps}")


class TreeSpec(Strict, frozen=True):
    """Labels in two stages: each parent with its children. One network learns the children, and the parents by them.

    Attributes:
        parents: parent to its labels; every label has exactly one. A parent may be called like its only label.
        weight: share of the parents' part in the loss: cross entropy of the children's summed probabilities.
    """

    parents: dict[str, list[str]]
    weight: float = 0.3

    def __post_init__(self) -> None:
        if len(self.parents) < 2 or not all(self.parents.values()):
            raise ValueError("tree.parents must have at least two parents, and none without labels")
        children = [label for labels in self.parents.values() for label in labels]
        if doubled := sorted({label for label in children if children.count(label) > 1}):
            raise ValueError(f"tree.parents: {', '.join(doubled)} has more than one parent")
        if unclear := [name for name in self.parents if name in children and self.parents[name] != [name]]:
            raise ValueError(f"tree.parents: {unclear[0]} is a parent and a label too; call the parent otherwise")
        if not 0.0 <= self.weight <= 1.0:
            raise ValueError(f"tree.weight must be 0 to 1, got {self.weight}")

    def parent_of(self) -> dict[str, str]:
        """Label to parent, as a bundle's manifest has it; a parent called like its label is left out."""
        return {label: parent for parent, labels in self.parents.items() for label in labels if label != parent}


class CascadeSpec(CompositeSpec, frozen=True):
    """Two models one after the other: the first says which parent of `[tree]`, the second which of its labels.

    Attributes:
        first, second: recipes of the two, by name or path beside this one. The second is trained once for each
            parent that has several labels, on those alone.
    """

    trainer: ClassVar[str] = "waste_edge.training.composites.cascade:fit_cascade"
    builder: ClassVar[str] = "waste_edge.training.composites.cascade:build_cascade"
    needs: ClassVar[dict[str, str]] = {"tree": "a cascade needs the parents and their labels"}

    first: str
    second: str
