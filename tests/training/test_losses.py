import numpy as np
import pytest
import torch
from torch.nn import functional

from waste_edge.metrics import softmax
from waste_edge.training.losses import distillation_loss
from waste_edge.training.recipe import DistillSpec

STUDENT = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]])
TEACHER = torch.tensor([[3.0, 1.0, 0.0], [-1.0, 0.0, 2.0]])
TRUTH = torch.tensor([0, 2])


def test_the_loss_is_the_papers_formula() -> None:
    spec = DistillSpec(temperature=2.0, alpha=0.7)
    p, q = softmax(TEACHER.numpy(), 2.0), softmax(STUDENT.numpy(), 2.0)
    divergence = float((p * np.log(p / q)).sum(axis=1).mean())
    hard = -float(np.log(softmax(STUDENT.numpy())[[0, 1], TRUTH.numpy()]).mean())
    got = float(distillation_loss(STUDENT, TEACHER, TRUTH, spec, smoothing=0.0))
    assert got == pytest.approx(0.7 * 4.0 * divergence + 0.3 * hard, rel=1e-5)


def test_without_alpha_it_is_cross_entropy() -> None:
    got = distillation_loss(STUDENT, TEACHER, TRUTH, DistillSpec(alpha=0.0), smoothing=0.1)
    torch.testing.assert_close(got, functional.cross_entropy(STUDENT, TRUTH, label_smoothing=0.1))


def test_a_student_that_equals_its_teacher_has_nothing_to_learn() -> None:
    loss = distillation_loss(TEACHER, TEACHER, TRUTH, DistillSpec(alpha=1.0), smoothing=0.0)
    assert float(loss) == pytest.approx(0.0, abs=1e-6)
