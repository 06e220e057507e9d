"""The parts of a recipe that say which network is trained."""

from __future__ import annotations

from typing import Literal

import msgspec

from waste_edge.files.strict import Strict
from waste_edge.training.recipe.architectures import NetworkSpec, network_spec

V1_BLOCKS = (1, 2, 2, 6, 2)  # of MobileNetV1's five stages
_V1_CHANNELS = (64, 128, 256, 512, 1024)  # of each at width 1


class ModelSpec(Strict, frozen=True):
    """Network for pictures.

    Attributes:
        architecture: `mobilenet_v1` (the smallest deployable student), `mobilenet_v2`, `efficientnet_lite0` and
            `efficientnet_lite2`, `cnn4` (earlier projects' four-block network), a library's own by name,
            `torchvision:NAME` or `timm:NAME`, or one that a plug-in brings; see `architectures.NETWORKS`.
        width: channel multiplier of this project's networks; EfficientNets have their own.
        blocks: of `mobilenet_v1`: how many blocks of each stage are there, at most all of them (1, 2, 2, 6, 2), 0 for
            none; empty: all. The last stage holds half of the parameters.
        last_channels: of `mobilenet_v1`: how many features the last block gives; 0: as many as its stage has channels.
        dropout: before the classifier, while training.
        hidden: layers between the pooled features and the logits, each with batch norm and ReLU.
        hidden_dropout: after each of them, while training; as long as `hidden`.
        pretrained: what to start from when no --weights are given: `imagenet` downloads the library's own
            weights (of `mobilenet_v2` at width 1 too), `none` starts at random.
        normalization: what a library's network was trained to see: `imagenet` (mean and deviation of its channels)
            or `half` (-1 to 1). This project's own networks always see `half`, which INT8 represents exactly.
        options: further arguments of the library's constructor.
    """

    architecture: str
    width: float = 1.0
    blocks: list[int] = msgspec.field(default_factory=list)
    last_channels: int = 0
    dropout: float = 0.2
    hidden: list[int] = msgspec.field(default_factory=list)
    hidden_dropout: list[float] = msgspec.field(default_factory=list)
    pretrained: Literal["imagenet", "none"] = "none"
    normalization: Literal["half", "imagenet"] = "half"
    options: dict[str, bool | int | float | str | list[int]] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        spec = network_spec(self.architecture)
        if not 0.1 <= self.width <= 2.0:
            raise ValueError(f"model.width must be 0.1 to 2, got {self.width}")
        self._check_blocks(spec)
        self._check_last_channels(spec)
        check_dropout("model.dropout", self.dropout)
        if len(self.hidden) != len(self.hidden_dropout):
            raise ValueError(f"model.hidden_dropout must have {len(self.hidden)} entries, one for each hidden layer")
        for share in self.hidden_dropout:
            check_dropout("model.hidden_dropout", share)
        if any(units < 1 for units in self.hidden):
            raise ValueError(f"model.hidden must hold positive numbers, got {self.hidden}")
        self._check_library(spec)

    def _check_blocks(self, spec: NetworkSpec) -> None:
        if not self.blocks:
            return
        if not spec.blocks:
            raise ValueError(f"model.blocks is for mobilenet_v1 only, got {self.architecture!r}; remove it")
        most, filled = list(V1_BLOCKS), [count > 0 for count in self.blocks]
        fits = len(self.blocks) == len(most) and all(0 <= n <= m for n, m in zip(self.blocks, most, strict=True))
        if not fits or not filled[0] or filled != sorted(filled, reverse=True):
            raise ValueError(
                f"model.blocks must hold five counts, at most {most}, the first not 0 and none after a 0 but 0, "
                f"got {self.blocks}"
            )

    def _check_last_channels(self, spec: NetworkSpec) -> None:
        if not self.last_channels:
            return
        if not spec.blocks:
            raise ValueError(f"model.last_channels is for mobilenet_v1 only, got {self.architecture!r}; remove it")
        stage = max(index for index, count in enumerate(self.blocks or V1_BLOCKS) if count)
        most = v1_channels(stage, self.width)
        if not 1 <= self.last_channels <= most:
            raise ValueError(f"model.last_channels must be 0 to {most}, its stage's, got {self.last_channels}")

    def _check_library(self, spec: NetworkSpec) -> None:
        if spec.is_library:
            if self.width != 1.0:
                raise ValueError("model.width is of this project's networks only; use model.options for a library's")
            return
        if self.width != 1.0 and not spec.width:
            raise ValueError(f"model.width is not for {self.architecture}, whose name says its width; remove it")
        if self.pretrained == "imagenet" and self.width != spec.imagenet_width:
            raise ValueError(
                "model.pretrained = 'imagenet' is there for mobilenet_v2 of width 1 and for torchvision: and timm: "
                "networks; use --weights"
            )
        if self.normalization != "half" or self.options:
            raise ValueError("model.normalization and model.options are for torchvision: and timm: networks only")

    @property
    def shape(self) -> str:
        """The network whose weights these are, in words: equal exactly where they fit and mean the same."""
        words = [self.architecture if self.width_is_its_own else f"{self.architecture} of width {self.width}"]
        if self.blocks and tuple(self.blocks) != V1_BLOCKS:
            words.append(f"blocks {self.blocks}")
        if self.last_channels:
            words.append(f"{self.last_channels} last channels")
        if self.hidden:
            words.append(f"hidden {self.hidden}")
        if self.options:
            words.append("options " + ", ".join(f"{key} {value}" for key, value in sorted(self.options.items())))
        if self.normalization != "half":
            words.append(f"normalization {self.normalization}")
        return ", ".join(words)

    @property
    def width_is_its_own(self) -> bool:
        """True if its name alone says how wide it is."""
        return not network_spec(self.architecture).width

    @property
    def library(self) -> str:
        """`torchvision` or `timm`; empty for this project's own networks."""
        return self.architecture.partition(":")[0] if network_spec(self.architecture).is_library else ""


class TextSpec(Strict, frozen=True):
    """Network for the text that goes with a picture.

    Attributes:
        encoder: a transformers model by its name on the hub, or a local folder that holds one.
        pretrained: start from its weights; false takes only its configuration and tokenizer.
        source: `file_name` reads the picture's name as text, `column` the data's text column.
        max_tokens: a longer text is cut.
        dropout: before the classifier, while training.
    """

    encoder: str
    pretrained: bool = True
    source: Literal["file_name", "column"] = "file_name"
    max_tokens: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if not self.encoder:
            raise ValueError("text.encoder must name a transformers model or a folder that holds one")
        if not 4 <= self.max_tokens <= 512:
            raise ValueError(f"text.max_tokens must be 4 to 512, got {self.max_tokens}")
        check_dropout("text.dropout", self.dropout)


class FusionSpec(Strict, frozen=True):
    """Image and text, each projected with batch norm, concatenated, and one hidden layer above both.

    Attributes:
        projection: units that each is projected to, from its features after `model.dropout` or `text.dropout`.
        hidden: units above both.
        dropout: after these, while training.
    """

    projection: int = 750
    hidden: int = 1000
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.projection < 1 or self.hidden < 1:
            raise ValueError("fusion.projection and fusion.hidden must be positive")
        check_dropout("fusion.dropout", self.dropout)


def v1_channels(stage: int, width: float) -> int:
    """Channels of a stage of MobileNetV1, from 0, at a width."""
    return max(8, round(_V1_CHANNELS[stage] * width))


def check_dropout(key: str, share: float) -> None:
    """Raise ValueError unless a share of units can be dropped."""
    if not 0.0 <= share < 1.0:
        raise ValueError(f"{key} must be 0 to 1, got {share}")
