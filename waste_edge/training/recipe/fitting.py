"""The parts of a recipe that say how a network is trained."""

from __future__ import annotations

from typing import Literal

from waste_edge.files.strict import Strict

Schedule = Literal["cosine", "linear", "plateau", "constant"]
Method = Literal["hinton", "logit_standardization", "dist", "features"]


class FitSpec(Strict, frozen=True):
    """Training of a network: AdamW, and what goes around it.

    Attributes:
        learning_rate: of everything, or of the backbone if `head_learning_rate` is given.
        head_learning_rate: of the layers that start at random above a pretrained backbone; 0: the same.
        schedule: after a linear warm-up, a `cosine` or a `linear` fall to zero, `constant`, or `plateau`: the rate
            times `plateau_factor` whenever the validation loss has not fallen for more than `plateau_epochs`.
        stop_after: stop when the validation loss has not fallen for so many epochs; 0: never.
        keep: the weights of the `last` epoch, or those of the `best` validation loss. The best one is chosen by
            looking, so its validation accuracy flatters it: keep a test part.
        clip_norm: gradients are scaled down to this norm; 0: never.
        ema_decay: keep a moving average of the weights (Polyak and Juditsky 1992) and score that; 0: none.
        class_weights: weigh the loss of a picture by how rare its label is.
        balance_weights: before the first step, give every convolution below a batch norm the spread of fresh weights;
            the network computes the same, and one learning rate suits all of its layers. For weights that come from
            TFLite or another format without batch norms.
        freeze_batch_norm: batch norms keep the statistics they start with.
        linear_probe_views: before the first step, fit the head alone to so many views, by logistic regression on the
            features that the network starts with (linear probe, then fine-tune: Kumar et al. 2022, arXiv:2202.10054);
            0: the head starts at random.
        layer_decay: factor of the learning rate from each stage of the network to the one below it; 1: none.
        frozen_stages: so many stages, counted from the stem, keep the weights they start with and take no part in the
            backward pass, where the lowest cost the most, since their pictures are the largest; 0: none.
        l2_sp: pull towards the weights that training starts with, beside the weight decay towards zero and like it in
            size (L2-SP, Li, Grandvalet and Davoine 2018, arXiv:1802.01483); 0: none.
        wise_ft: share of the trained weights in those that are kept, the rest are those that training starts with,
            after the linear probe (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903); 1: the trained ones.
        precision: `bf16` multiplies in bfloat16 and keeps weights in float32: about twice as fast for full
            convolutions where the processor has it (AVX512-BF16, tensor cores), slower for depthwise ones.
        compile: torch.compile the network; worth it on a GPU, and needs a C++ compiler on a CPU.
        workers: processes that read pictures, at most the cores; 0: none.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 1e-3
    head_learning_rate: float = 0.0
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    schedule: Schedule = "cosine"
    warmup_epochs: float = 1.0
    plateau_epochs: int = 5
    plateau_factor: float = 0.1
    stop_after: int = 0
    keep: Literal["last", "best"] = "last"
    clip_norm: float = 0.0
    ema_decay: float = 0.0
    class_weights: bool = False
    balance_weights: bool = False
    freeze_batch_norm: bool = False
    linear_probe_views: int = 0
    layer_decay: float = 1.0
    frozen_stages: int = 0
    l2_sp: float = 0.0
    wise_ft: float = 1.0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise ValueError("fit.epochs must be at least 1 and fit.batch_size at least 2")
        if self.learning_rate <= 0 or self.weight_decay < 0 or self.warmup_epochs < 0:
            raise ValueError("fit.learning_rate must be positive, weight_decay and warmup_epochs not negative")
        if min(self.head_learning_rate, self.clip_norm, self.stop_after, self.workers) < 0:
            raise ValueError("fit.head_learning_rate, clip_norm, stop_after and workers must not be negative")
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"fit.label_smoothing must be 0 to 1, got {self.label_smoothing}")
        if not 0.0 <= self.ema_decay < 1.0:
            raise ValueError(f"fit.ema_decay must be 0 to 1, got {self.ema_decay}")
        if min(self.linear_probe_views, self.l2_sp, self.frozen_stages) < 0:
            raise ValueError("fit.linear_probe_views, fit.l2_sp and fit.frozen_stages must not be negative")
        if not 0.0 < self.layer_decay <= 1.0 or not 0.0 < self.wise_ft <= 1.0:
            raise ValueError("fit.layer_decay and fit.wise_ft must be above 0 and at most 1")
        if self.plateau_epochs < 1 or not 0.0 < self.plateau_factor < 1.0:
            raise ValueError("fit.plateau_epochs must be at least 1 and fit.plateau_factor 0 to 1")

    @property
    def needs_validation(self) -> bool:
        """True if something is decided by the validation loss."""
        return self.schedule == "plateau" or self.stop_after > 0 or self.keep == "best"


class DistillSpec(Strict, frozen=True):
    """Distillation: a student learns from its teacher's answers to the same augmented view.

    Attributes:
        method: `hinton` (Hinton, Vinyals and Dean 2015), `logit_standardization` (Sun et al. 2024), `dist`
            (Huang et al. 2022), `features` (Hinton's loss, and the teacher's pooled features by a linear
            projection; Romero et al. 2015).
        temperature: by which both sides' logits are divided; 1 or more.
        alpha: share of the teacher's part in the loss; the rest is cross entropy with the true labels.
        feature_weight: of the features' part, for `features`.
    """

    method: Method = "hinton"
    temperature: float = 3.0
    alpha: float = 0.7
    feature_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature <= 0 or not 0.0 <= self.alpha <= 1.0:
            raise ValueError("distill.temperature must be positive and distill.alpha 0 to 1")
        if self.feature_weight < 0:
            raise ValueError(f"distill.feature_weight must not be negative, got {self.feature_weight}")


class QuantizeAwareSpec(Strict, frozen=True):
    """Fine-tuning under INT8 rounding (Jacob et al. 2018, Krishnamoorthi 2018); see `fake_quantization`.

    Attributes:
        observe_batches: training batches that give the activations' first ranges, before any rounding.
        range_momentum: share of a new batch's least and greatest value in their moving averages.
        freeze_batch_norm_after: epochs; from then on batch norms use the statistics they will be deployed with.
        freeze_ranges_after: epochs; from then on the ranges are those that will be deployed.
    """

    observe_batches: int = 20
    range_momentum: float = 0.01
    freeze_batch_norm_after: float = 1.0
    freeze_ranges_after: float = 2.0

    def __post_init__(self) -> None:
        if self.observe_batches < 1:
            raise ValueError(f"quantize_aware.observe_batches must be at least 1, got {self.observe_batches}")
        if not 0.0 < self.range_momentum <= 1.0:
            raise ValueError(f"quantize_aware.range_momentum must be above 0 and at most 1, got {self.range_momentum}")
        if self.freeze_batch_norm_after < 0 or self.freeze_ranges_after < 0:
            raise ValueError("quantize_aware.freeze_batch_norm_after and freeze_ranges_after must not be negative")
