"""CLIP's image encoder, frozen, under a linear layer (Radford et al. 2021, arXiv:2103.00020, section 3.2)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPVisionConfig, CLIPVisionModelWithProjection

from waste_edge.errors import ConfigError, RunError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.text import first_line
from waste_edge.training.networks.hub import CONFIGURATION, WEIGHTS, encoder_folder, quiet_transformers
from waste_edge.training.recipe import ProbeSpec

ENCODER_FOLDER = "encoder"  # in a run: the encoder's configuration; its weights are in the run's own
_KEY = "probe.encoder"
_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of CLIP's training data


class ClipProbe(nn.Module):
    """Pixels to unit embeddings, the features, and through one linear layer to logits."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, encoder: CLIPVisionModelWithProjection, classes: int) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.encoder.train(False)
        self.classifier = nn.Linear(encoder.config.projection_dim, classes)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1), persistent=False)

    def embed(self, pixels: Tensor) -> Tensor:
        """Embeddings (B, F) of length one of pixels (B, 3, H, W) in [-1, 1)."""
        embedded: Tensor = self.encoder(pixel_values=((pixels + 1) / 2 - self.mean) / self.deviation).image_embeds
        return functional.normalize(embedded, dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.embed(x)
        return self.classifier(features), features


def load_encoder(spec: ProbeSpec) -> CLIPVisionModelWithProjection:
    """The recipe's encoder, with its own weights or with random ones from the recipe's seed.

    Raises:
        ConfigError: it is no CLIP model, or its files are damaged or incomplete.
        UserError: it cannot be downloaded.
    """
    patterns = (*CONFIGURATION, *WEIGHTS) if spec.pretrained else CONFIGURATION
    folder = encoder_folder(_KEY, spec.encoder, patterns)
    config = _read_config(folder)
    if not spec.pretrained:
        torch.manual_seed(spec.seed)
        return CLIPVisionModelWithProjection(config)
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"{_KEY}: {spec.encoder} has no .safetensors weights, and other formats can carry code; choose a model "
            "that has, or convert it"
        )
    try:
        with quiet_transformers():
            loaded: Any = CLIPVisionModelWithProjection.from_pretrained(
                folder, config=config, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{_KEY}: {spec.encoder} cannot be read ({first_line(error)})") from error
    encoder: CLIPVisionModelWithProjection = loaded[0].float()
    if missing := sorted(loaded[1]["missing_keys"]):
        raise ConfigError(
            f"{_KEY}: {spec.encoder} lacks {len(missing)} of the image encoder's tensors, first {missing[0]}; give a "
            "whole CLIP model"
        )
    return encoder


def save_encoder_config(run: Path, encoder: CLIPVisionModelWithProjection) -> None:
    """Write into a run what is needed, besides its weights, to build the encoder again."""
    write_atomically(run / ENCODER_FOLDER / "config.json", encoder.config.to_json_string(use_diff=False))


def rebuild_probe(run: Path, classes: int) -> ClipProbe:
    """A run's network before its weights are read.

    Raises:
        RunError: the encoder's configuration is missing or damaged.
    """
    folder = run / ENCODER_FOLDER
    try:
        return ClipProbe(CLIPVisionModelWithProjection(_read_config(folder)), classes)
    except ConfigError as error:
        raise RunError(f"{folder}: the run's encoder cannot be built ({error}); train again") from error


def identity(encoder: CLIPVisionModelWithProjection) -> str:
    """SHA-256 over an encoder's configuration and weights: equal exactly when its embeddings are."""
    config = {
        key: value
        for key, value in encoder.config.to_dict().items()
        if key not in ("transformers_version", "architectures", "_name_or_path")
    }
    total = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        total.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


class _Kind(msgspec.Struct):  # of a configuration that has many more keys
    model_type: str = ""


def _read_config(folder: Path) -> CLIPVisionConfig:
    """The image part of a CLIP model's configuration."""
    path = folder / "config.json"
    try:
        kind = msgspec.json.decode(path.read_bytes(), type=_Kind).model_type
        if kind == "clip":
            whole = CLIPConfig.from_json_file(path)
            vision: Any = whole.vision_config
            vision.projection_dim = whole.projection_dim
            return CLIPVisionConfig(**vision.to_dict())
        if kind == "clip_vision_model":
            return CLIPVisionConfig.from_json_file(path)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{_KEY}: {path} cannot be read ({first_line(error)})") from error
    raise ConfigError(f"{_KEY}: {path}: model_type is {kind!r}; expected clip or clip_vision_model")
