from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from waste_edge.errors import ConfigError
from waste_edge.metrics.classification import softmax
from waste_edge.training.distillation.losses import (
    Objective,
    check_tree,
    dist_loss,
    feature_loss,
    hinton_loss,
    parent_logits,
    standardized,
    teacher_loss,
    tree_matrix,
)
from waste_edge.training.recipe import DistillSpec, TreeSpec

STUDENT = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]])
TEACHER = torch.tensor([[3.0, 1.0, 0.0], [-1.0, 0.5, 2.0]])
FEATURES = torch.zeros(2, 4)
TRUTH = torch.tensor([0, 2])
LABELS = ("glass", "metal", "paper")
TREE = TreeSpec(parents={"dry": ["paper"], "hard": ["metal", "glass"]}, weight=0.25)
METHODS = ("hinton", "logit_standardization", "dist", "features")


def cross_entropy(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    return -np.log(softmax(logits)[np.arange(len(truth)), truth])


def test_hintons_loss_is_the_papers_formula() -> None:
    p, q = softmax(TEACHER.numpy(), 2.0), softmax(STUDENT.numpy(), 2.0)
    divergence = float((p * np.log(p / q)).sum(axis=1).mean())
    assert float(hinton_loss(STUDENT, TEACHER, 2.0)) == pytest.approx(4.0 * divergence, rel=1e-5)
    objective = Objective(distill=DistillSpec(temperature=2.0, alpha=0.7))
    hard = float(cross_entropy(STUDENT.numpy(), TRUTH.numpy()).mean())
    got = float(objective((STUDENT, FEATURES), TRUTH, (TEACHER, FEATURES)))
    assert got == pytest.approx(0.7 * 4.0 * divergence + 0.3 * hard, rel=1e-5)


def test_hintons_gradient_keeps_its_size_at_high_temperatures() -> None:
    gradients = []
    for temperature in (50.0, 500.0):
        student = STUDENT.clone().requires_grad_()
        hinton_loss(student, TEACHER, temperature).backward()
        gradients.append(student.grad)
    centred = (STUDENT - STUDENT.mean(1, keepdim=True)) - (TEACHER - TEACHER.mean(1, keepdim=True))
    torch.testing.assert_close(gradients[1], centred / (2 * 3), rtol=0.01, atol=1e-3)  # the paper's equation 4
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0.1, atol=0.01)


def test_without_a_teacher_or_its_share_it_is_cross_entropy() -> None:
    wanted = functional.cross_entropy(STUDENT, TRUTH, label_smoothing=0.1)
    unheard = Objective(smoothing=0.1, distill=DistillSpec(alpha=0.0))
    torch.testing.assert_close(unheard((STUDENT, FEATURES), TRUTH, (TEACHER, FEATURES)), wanted)
    torch.testing.assert_close(Objective(smoothing=0.1)((STUDENT, FEATURES), TRUTH, None), wanted)


def test_weights_of_labels_weigh() -> None:
    weights = torch.tensor([1.0, 5.0, 3.0])
    each = cross_entropy(STUDENT.numpy(), TRUTH.numpy())
    wanted = (1.0 * each[0] + 3.0 * each[1]) / 4.0
    got = Objective(class_weights=weights)((STUDENT, FEATURES), TRUTH, None)
    assert float(got) == pytest.approx(wanted, rel=1e-5)


def test_shares_of_labels_are_means_of_the_labels_losses() -> None:
    shares = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    objective = Objective()
    parts = [float(objective((STUDENT[:1], FEATURES), torch.tensor([label]), None)) for label in (0, 1)]
    second = float(objective((STUDENT[1:], FEATURES), torch.tensor([2]), None))
    got = float(objective((STUDENT, FEATURES), shares, None))
    assert got == pytest.approx((0.25 * parts[0] + 0.75 * parts[1] + second) / 2, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_student_that_equals_its_teacher_has_nothing_to_learn(method: str) -> None:
    spec = spec_of(method)
    student = TEACHER.clone().requires_grad_()
    loss = teacher_loss(student, TEACHER, spec)
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-5)
    loss.backward()
    assert float(student.grad.abs().max()) < 1e-4  # type: ignore[union-attr]
    assert float(teacher_loss(STUDENT, TEACHER, spec)) > 0.05


def spec_of(method: str) -> DistillSpec:
    return DistillSpec(method=method, temperature=2.0)  # type: ignore[arg-type]


def test_standardized_logits_forget_shift_and_scale() -> None:
    torch.testing.assert_close(standardized(3.0 * STUDENT - 7.0), standardized(STUDENT), rtol=1e-4, atol=1e-5)
    rows = standardized(STUDENT).numpy()
    np.testing.assert_allclose(rows.mean(axis=1), 0.0, atol=1e-6)
    np.testing.assert_allclose(rows.std(axis=1, ddof=1), 1.0, rtol=1e-5)
    spec = spec_of("logit_standardization")
    assert float(teacher_loss(5.0 * TEACHER + 1.0, TEACHER, spec)) == pytest.approx(0.0, abs=1e-5)
    assert float(hinton_loss(5.0 * TEACHER + 1.0, TEACHER, 2.0)) > 0.5


def test_dist_is_one_minus_pearsons_correlation_both_ways() -> None:
    ours, theirs = softmax(STUDENT.numpy(), 3.0), softmax(TEACHER.numpy(), 3.0)
    between = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ours, theirs, strict=True)])
    within = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T, theirs.T, strict=True)])
    assert float(dist_loss(STUDENT, TEACHER, 3.0)) == pytest.approx(9.0 * (between + within), rel=1e-4)


def test_dist_forgets_scale_and_shift_of_the_probabilities() -> None:
    flatter = 0.3 * functional.softmax(TEACHER, dim=1) + 0.7 / 3
    assert float(dist_loss(flatter.log(), TEACHER, 1.0)) == pytest.approx(0.0, abs=1e-5)
    assert float(hinton_loss(flatter.log(), TEACHER, 1.0)) > 0.1


def test_features_are_compared_by_direction() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(5, 8), torch.randn(5, 8)
    assert float(feature_loss(2.5 * a, a)) == pytest.approx(0.0, abs=1e-6)
    cosines = functional.cosine_similarity(a, b)
    assert float(feature_loss(a, b)) == pytest.approx(float((2 - 2 * cosines).mean()), rel=1e-5)


def test_the_features_projection_learns_with_the_student() -> None:
    torch.manual_seed(0)
    objective = Objective(distill=DistillSpec(method="features", feature_weight=2.0), features=(4, 6))
    assert objective.projection is not None
    optimizer = torch.optim.AdamW(objective.parameters(), lr=0.05)
    seen, wise = torch.randn(16, 4), torch.randn(16, 6)
    losses = []
    for _ in range(60):
        loss = feature_loss(objective.projection(seen), wise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    logits = torch.zeros(16, 3)
    truth = torch.zeros(16, dtype=torch.int64)
    with_features = objective((logits, seen), truth, (logits, wise))
    plain = Objective(distill=DistillSpec())((logits, seen), truth, (logits, wise))
    assert float((with_features - plain).detach()) == pytest.approx(2.0 * losses[-1], rel=0.05)


def test_a_parents_probability_is_the_sum_of_its_labels() -> None:
    matrix = tree_matrix(TREE, LABELS)
    assert matrix.tolist() == [[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    probabilities = softmax(STUDENT.numpy())
    wanted = np.stack([probabilities[:, 2], probabilities[:, 0] + probabilities[:, 1]], axis=1)
    np.testing.assert_allclose(parent_logits(STUDENT, matrix).exp().numpy(), wanted, rtol=1e-5)


def test_the_trees_part_is_the_parents_cross_entropy() -> None:
    matrix = tree_matrix(TREE, LABELS)
    objective = Objective(tree=matrix, tree_weight=TREE.weight)
    labels = cross_entropy(STUDENT.numpy(), TRUTH.numpy()).mean()
    probabilities = softmax(STUDENT.numpy())
    parents = -np.log([probabilities[0, :2].sum(), probabilities[1, 2]]).mean()
    got = float(objective((STUDENT, FEATURES), TRUTH, None))
    assert got == pytest.approx(0.75 * labels + 0.25 * parents, rel=1e-5)
    student = (torch.eye(3) * 40.0).requires_grad_()
    perfect = objective((student, FEATURES), torch.arange(3), None)
    perfect.backward()
    assert float(perfect.detach()) == pytest.approx(0.0, abs=1e-5)
    assert bool(student.grad.isfinite().all())  # type: ignore[union-attr]


def test_a_tree_that_misses_a_label_is_refused() -> None:
    check_tree(TREE, LABELS)
    with pytest.raises(ConfigError, match=r"tree.parents: glass, textile: must name each"):
        check_tree(TreeSpec(parents={"dry": ["paper"], "hard": ["metal", "textile"]}), LABELS)
