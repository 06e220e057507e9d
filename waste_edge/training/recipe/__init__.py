"""A recipe: everything that decides a training run but the photographs. Strict TOML, one file a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from waste_edge.dataset import SplitSpec
from waste_edge.errors import ConfigError
from waste_edge.preprocess import InputSpec
from waste_edge.resources import find
from waste_edge.strict import Strict, read_toml


class ModelSpec(Strict, frozen=True):
    """Which network.

    Attributes:
        architecture: `mobilenet_v1` (the deployable student), `mobilenet_v2` (torchvision's), or
            `cnn4` (the students' four-block network, to compare with).
        width: channel multiplier.
        dropout: before the classifier, while training.
        pretrained: what to start from when no --weights are given: `imagenet` downloads torchvision's
            weights (mobilenet_v2 of width 1 only), `none` starts at random.
    """

    architecture: Literal["mobilenet_v1", "mobilenet_v2", "cnn4"]
    width: float = 1.0
    dropout: float = 0.2
    pretrained: Literal["imagenet", "none"] = "none"

    def __post_init__(self) -> None:
        if not 0.1 <= self.width <= 2.0:
            raise ValueError(f"model.width must be 0.1 to 2, got {self.width}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"model.dropout must be 0 to 1, got {self.dropout}")
        if self.pretrained == "imagenet" and (self.architecture, self.width) != ("mobilenet_v2", 1.0):
            raise ValueError("model.pretrained = 'imagenet' is there for mobilenet_v2 of width 1 only; use --weights")


class FitSpec(Strict, frozen=True):
    """How it is trained: AdamW, one warm-up then a cosine down to zero, label smoothing."""

    epochs: int
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    warmup_epochs: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise ValueError("fit.epochs must be at least 1 and fit.batch_size at least 2")
        if self.learning_rate <= 0 or self.weight_decay < 0 or self.warmup_epochs < 0:
            raise ValueError("fit.learning_rate must be positive, weight_decay and warmup_epochs not negative")
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"fit.label_smoothing must be 0 to 1, got {self.label_smoothing}")


class AugmentSpec(Strict, frozen=True):
    """What is done to training pictures only. The student and its teacher see the same augmented view.

    Attributes:
        min_area: smallest share of the picture that a random crop keeps.
        rotation_deg: largest turn either way.
        colour_jitter: brightness, contrast and saturation vary by this share; hue by a tenth of it.
        erase_probability: chance that a random rectangle is painted over.
    """

    min_area: float = 0.4
    rotation_deg: float = 0.0
    flip: bool = True
    colour_jitter: float = 0.3
    erase_probability: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.min_area <= 1.0 or not 0.0 <= self.erase_probability <= 1.0:
            raise ValueError("augment.min_area and augment.erase_probability must be 0 to 1")
        if not 0.0 <= self.colour_jitter < 1.0 or not 0.0 <= self.rotation_deg <= 180.0:
            raise ValueError("augment.colour_jitter must be 0 to 1, augment.rotation_deg 0 to 180")


class RenderedSpec(Strict, frozen=True):
    """Views the project renders itself, added to the training part and to nothing else."""

    views_per_label: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.views_per_label <= 10_000:
            raise ValueError(f"rendered.views_per_label must be 0 to 10000, got {self.views_per_label}")


class DistillSpec(Strict, frozen=True):
    """Hinton, Vinyals and Dean 2015: alpha * T^2 * KL(teacher || student) + (1 - alpha) * cross entropy."""

    temperature: float = 3.0
    alpha: float = 0.7

    def __post_init__(self) -> None:
        if self.temperature <= 0 or not 0.0 <= self.alpha <= 1.0:
            raise ValueError("distill.temperature must be positive and distill.alpha 0 to 1")


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


class Recipe(Strict, frozen=True):
    """One `training/*.toml`."""

    name: str
    model: ModelSpec
    input: InputSpec
    fit: FitSpec
    split: SplitSpec = msgspec.field(default_factory=SplitSpec)
    augment: AugmentSpec = msgspec.field(default_factory=AugmentSpec)
    rendered: RenderedSpec = msgspec.field(default_factory=RenderedSpec)
    distill: DistillSpec | None = None
    quantize_aware: QuantizeAwareSpec | None = None

    def __post_init__(self) -> None:
        spec = self.quantize_aware
        if spec and max(spec.freeze_batch_norm_after, spec.freeze_ranges_after) >= self.fit.epochs:
            raise ValueError(
                "quantize_aware.freeze_batch_norm_after and freeze_ranges_after must be less than fit.epochs "
                f"({self.fit.epochs}): the last steps train the network as it will be deployed"
            )


def read_recipe(given: str) -> Recipe:
    """Read a recipe by path, or by the name of a shipped one.

    Raises:
        ConfigError: missing, or a key that is unknown or has a wrong value; the message names it.
    """
    path = find(given, "training")
    if not path.exists() and path.suffix != ".toml":
        names = ", ".join(sorted(entry.stem for entry in shipped_recipes()))
        raise ConfigError(f"{given}: no such recipe; give a .toml file, or a shipped one ({names})")
    return read_toml(path, Recipe)


def shipped_recipes() -> list[Path]:
    """Every recipe the project ships."""
    from waste_edge.resources import shipped

    return sorted(shipped("training").glob("*.toml"))
