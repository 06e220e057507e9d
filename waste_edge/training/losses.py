"""What is minimized."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from waste_edge.training.recipe import DistillSpec


def distillation_loss(student: Tensor, teacher: Tensor, truth: Tensor, spec: DistillSpec, smoothing: float) -> Tensor:
    """Hinton, Vinyals and Dean 2015 (arXiv:1503.02531), section 2.

    Args:
        student: logits (B, C).
        teacher: logits (B, C), without gradient.
        truth: label indices (B,).
        spec: temperature and alpha.
        smoothing: label smoothing of the cross-entropy part.
    """
    soft = functional.kl_div(
        functional.log_softmax(student / spec.temperature, dim=1),
        functional.log_softmax(teacher / spec.temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    hard = functional.cross_entropy(student, truth, label_smoothing=smoothing)
    # T^2 keeps the soft part's gradients at the size of the hard part's, whatever the temperature.
    return spec.alpha * spec.temperature**2 * soft + (1 - spec.alpha) * hard
