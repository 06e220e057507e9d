"""Losses: the truth's part, the teacher's part, the label tree's part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from waste_edge.errors import ConfigError
from waste_edge.training.recipe import DistillSpec, TreeSpec

Outputs = tuple[Tensor, Tensor]  # logits (B, C) and features (B, F)


class Objective(nn.Module):
    """The loss of a batch. Its own parameters, if it has any, are trained with the network."""

    tree: Tensor | None
    class_weights: Tensor | None

    def __init__(
        self,
        smoothing: float = 0.0,
        class_weights: Tensor | None = None,
        distill: DistillSpec | None = None,
        features: tuple[int, int] | None = None,
        tree: Tensor | None = None,
        tree_weight: float = 0.0,
    ) -> None:
        """Choose the terms of the loss.

        Args:
            smoothing: label smoothing of the cross entropy with the truth.
            class_weights: (C,) weights of the labels in it.
            distill: how to learn from a teacher; None: not at all.
            features: lengths of the student's and the teacher's features, for the `features` method.
            tree: (P, C) 1 where a label is a parent's child; see `tree_matrix`.
            tree_weight: share of the parents' part in the truth's part.
        """
        super().__init__()
        self.smoothing = smoothing
        self.distill = distill
        self.tree_weight = tree_weight
        self.register_buffer("class_weights", class_weights)
        self.register_buffer("tree", tree)
        self.projection: nn.Linear | None = None
        if distill and distill.method == "features" and features:
            self.projection = nn.Linear(*features)

    def forward(self, student: Outputs, truth: Tensor, teacher: Outputs | None) -> Tensor:
        """Compute the loss, a scalar tensor.

        Args:
            student: its logits and features.
            truth: label indices (B,), or after mixing shares of labels (B, C).
            teacher: its logits and features for the same views; None without a teacher.
        """
        hard = self._truth_loss(student[0], truth)
        if self.distill is None or teacher is None:
            return hard
        alpha = self.distill.alpha
        loss = alpha * teacher_loss(student[0], teacher[0], self.distill) + (1 - alpha) * hard
        if self.projection is not None:
            loss = loss + self.distill.feature_weight * feature_loss(self.projection(student[1]), teacher[1])
        return loss

    def _truth_loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        loss = functional.cross_entropy(logits, truth, self.class_weights, label_smoothing=self.smoothing)
        if self.tree is None or not self.tree_weight:
            return loss
        shares = truth if truth.ndim == 2 else functional.one_hot(truth, logits.shape[1])
        parents = functional.cross_entropy(parent_logits(logits, self.tree), shares.to(logits.dtype) @ self.tree.T)
        return (1 - self.tree_weight) * loss + self.tree_weight * parents


def teacher_loss(student: Tensor, teacher: Tensor, spec: DistillSpec) -> Tensor:
    """Compute the loss of a student's logits (B, C) against its teacher's, by the recipe's method."""
    if spec.method == "dist":
        return dist_loss(student, teacher, spec.temperature)
    if spec.method == "logit_standardization":
        student, teacher = standardized(student), standardized(teacher)
    return hinton_loss(student, teacher, spec.temperature)


def hinton_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 * KL(teacher || student) of logits (B, C); Hinton, Vinyals and Dean 2015 (arXiv:1503.02531), section 2."""
    divergence = functional.kl_div(
        functional.log_softmax(student / temperature, dim=1),
        functional.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    # T^2 keeps the gradients at the size of the hard part's, whatever the temperature.
    return temperature**2 * divergence


def standardized(logits: Tensor) -> Tensor:
    """Logits (B, C) of mean 0 and deviation 1 in each row: a student need not match its teacher's magnitude.

    Sun, Ren, Li, Wang and Cao 2024 (arXiv:2403.01427), equation 12, with the sample's deviation as in their code.
    """
    return (logits - logits.mean(dim=1, keepdim=True)) / (logits.std(dim=1, keepdim=True) + 1e-7)


def dist_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """DIST: correlations instead of divergences. Huang, You, Wang, Qian and Xu 2022 (arXiv:2205.10536), equation 11.

    One minus Pearson's correlation of the two sides' probabilities, over the labels of each picture and over the
    pictures of each label, both with weight 1, times T^2.
    """
    ours, theirs = functional.softmax(student / temperature, dim=1), functional.softmax(teacher / temperature, dim=1)
    between = 1 - _correlation(ours, theirs).mean()
    within = 1 - _correlation(ours.T, theirs.T).mean()
    return temperature**2 * (between + within)


def feature_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared distance of unit vectors (B, F), after FitNets (Romero et al. 2015, arXiv:1412.6550)."""
    apart = functional.normalize(student, dim=1) - functional.normalize(teacher, dim=1)
    return apart.square().sum(dim=1).mean()


def tree_matrix(tree: TreeSpec, labels: Sequence[str]) -> Tensor:
    """Float (P, C): 1 where a label is the parent's child, parents in the tree's order."""
    return torch.tensor([[float(label in children) for label in labels] for children in tree.parents.values()])


def check_tree(tree: TreeSpec, labels: Sequence[str]) -> None:
    """Raise ConfigError unless every label has a parent and every child is a label."""
    children = {label for labels in tree.parents.values() for label in labels}
    if children != set(labels):
        odd = ", ".join(sorted(children ^ set(labels)))
        raise ConfigError(f"tree.parents: {odd}: must name each of the data's labels once ({', '.join(labels)})")


def parent_logits(logits: Tensor, tree: Tensor) -> Tensor:
    """Log probabilities (B, P) of the parents: the sums of their children's probabilities."""
    own = functional.log_softmax(logits, dim=1)[:, None, :]
    return own.masked_fill(tree[None] == 0, -torch.inf).logsumexp(dim=2)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of each row of (N, M) with the same row of the other; 0 where one does not vary."""
    return functional.cosine_similarity(a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True), dim=1)
