"""Networks that read: a BERT-like encoder of transformers under a head of ours.

Importing this module imports transformers, so it is imported where a recipe has a [text] part and nowhere else.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from waste_edge.errors import ConfigError, RunError
from waste_edge.files.atomic import sha256_of, write_atomically
from waste_edge.files.text import first_line
from waste_edge.training.networks.hub import CONFIGURATION, WEIGHTS, encoder_folder, quiet_transformers
from waste_edge.training.recipe import TextSpec

ENCODER_FOLDER = "encoder"  # in a run: configuration and tokenizer; the weights are in the run's own
_KEY = "text.encoder"
_TOKENIZER = ("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "*.model")
_VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model")  # without one of these transformers makes an empty tokenizer
_NOT_IN_USE = "pooler."  # of BERT's own, which [CLS] makes needless

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a few short texts; forked workers would be warned about


class Tokenizer:
    """Texts to token ids and mask, int64 (B, T): padded to the longest of them, cut at `max_tokens`."""

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        clean = [text.encode("utf-8", "replace").decode() for text in texts]  # a file's name may hold any bytes
        read = self._tokenizer(clean, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt")
        return read["input_ids"], read["attention_mask"]


class TextNetwork(nn.Module):
    """Tokens to logits as DistilBertForSequenceClassification does it; the features are the encoder's [CLS]."""

    reads = ("tokens", "mask")

    def __init__(self, encoder: nn.Module, classes: int, dropout: float) -> None:
        super().__init__()
        width = encoder_width(encoder)
        self.encoder = encoder
        self.classifier = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, classes)
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        features = first_token(self.encoder, tokens, mask)
        return self.classifier(features), features


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network that reads, with what makes its tokens.

    Attributes:
        words: what its weights are.
        sha256: of the weights' file; empty if they are random.
    """

    network: nn.Module
    config: Any
    tokenizer: Any
    tokenize: Tokenizer
    words: str
    sha256: str

    def save(self, run: Path) -> None:
        """Write configuration and tokenizer into a run's folder, each file in one piece."""
        with tempfile.TemporaryDirectory() as name:
            self.config.save_pretrained(name)
            self.tokenizer.save_pretrained(name)
            for path in sorted(Path(name).iterdir()):
                write_atomically(run / ENCODER_FOLDER / path.name, path.read_bytes())


def starting_encoder(spec: TextSpec) -> Encoder:
    """The recipe's encoder, with its own weights or with random ones of torch's global generator.

    Raises:
        ConfigError: it is no BERT-like model, or its files are damaged or incomplete.
        UserError: it cannot be downloaded.
    """
    patterns = (*CONFIGURATION, *_TOKENIZER, *(WEIGHTS if spec.pretrained else ()))
    folder = encoder_folder(_KEY, spec.encoder, patterns)
    with quiet_transformers():
        config, tokenizer = _read(folder, spec)
        if not spec.pretrained:
            words = f"{spec.encoder}, random weights"
            return Encoder(_empty(folder, config), config, tokenizer, Tokenizer(tokenizer, spec.max_tokens), words, "")
        network = _with_weights(folder, config)
    weights = folder / "model.safetensors"  # large models come in several files
    return Encoder(
        network=network,
        config=config,
        tokenizer=tokenizer,
        tokenize=Tokenizer(tokenizer, spec.max_tokens),
        words=f"{spec.encoder}, pretrained",
        sha256=sha256_of(weights) if weights.is_file() else "",
    )


def encoder_of_run(run: Path, spec: TextSpec) -> tuple[nn.Module, Tokenizer]:
    """A run's encoder before its weights are read, and its tokenizer, from the run's folder alone.

    Raises:
        RunError: the folder holds none, or a damaged one.
    """
    folder = run / ENCODER_FOLDER
    try:
        with quiet_transformers():
            config, tokenizer = _read(folder, spec)
            return _empty(folder, config), Tokenizer(tokenizer, spec.max_tokens)
    except ConfigError as error:
        raise RunError(f"{folder}: missing or damaged ({error}); train again") from error


def first_token(encoder: nn.Module, tokens: Tensor, mask: Tensor) -> Tensor:
    """The encoder's last hidden state of [CLS], (B, F)."""
    states: Tensor = encoder(input_ids=tokens, attention_mask=mask).last_hidden_state
    return states[:, 0]


def encoder_width(encoder: nn.Module) -> int:
    """Length of an encoder's hidden states: 768 for DistilBERT."""
    config: Any = encoder.config
    return int(config.hidden_size)


def _read(folder: Path, spec: TextSpec) -> tuple[Any, Any]:
    """Configuration and tokenizer of a folder that fit each other and the recipe."""
    if not any(path for pattern in _VOCABULARIES for path in folder.glob(pattern)):
        raise ConfigError(f"{_KEY}: {folder} holds no tokenizer (tokenizer.json or vocab.txt); copy it there too")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # damaged files make transformers raise nearly anything
        raise ConfigError(f"{_KEY}: {folder} cannot be read ({first_line(error)})") from error
    if getattr(config, "is_encoder_decoder", False) or not getattr(config, "hidden_size", None):
        raise ConfigError(f"{_KEY}: {folder} holds a {config.model_type}, expected an encoder like DistilBERT or BERT")
    if tokenizer.pad_token_id is None or len(tokenizer) > config.vocab_size:
        raise ConfigError(
            f"{_KEY}: {folder}: the tokenizer ({len(tokenizer)} tokens) does not fit the model ({config.vocab_size})"
        )
    longest = getattr(config, "max_position_embeddings", spec.max_tokens)
    if spec.max_tokens > longest:
        raise ConfigError(f"text.max_tokens must be at most {longest} for {folder}, got {spec.max_tokens}")
    return config, tokenizer


def _empty(folder: Path, config: Any) -> nn.Module:
    try:
        network = AutoModel.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.float32, trust_remote_code=False
        )
        return _without_pooler(network)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{_KEY}: {folder} holds no encoder ({first_line(error)})") from error


def _with_weights(folder: Path, config: Any) -> nn.Module:
    try:
        network, found = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ConfigError(
            f"{_KEY}: {folder} holds no readable weights in model.safetensors ({first_line(error)}); "
            "set text.pretrained = false to start at random"
        ) from error
    if missing := sorted(name for name in found["missing_keys"] if not name.startswith(_NOT_IN_USE)):
        raise ConfigError(
            f"{_KEY}: the weights in {folder} are not this model's ({len(missing)} tensors missing, first {missing[0]})"
        )
    return _without_pooler(network)


def _without_pooler(encoder: nn.Module) -> nn.Module:
    if getattr(encoder, "pooler", None) is not None:
        setattr(encoder, "pooler", None)  # noqa: B010  # a module's attribute, which types know as a tensor
    return encoder
