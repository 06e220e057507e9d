"""Initial weights of a training: random, a file's, or a finished run's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from waste_edge.dataset import Dataset
from waste_edge.errors import ConfigError, RunError
from waste_edge.files.atomic import sha256_of
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.input_pipeline.inputs import Tokenize
from waste_edge.training.networks import build_network, starting_image_network
from waste_edge.training.networks.weights import balance
from waste_edge.training.quantization_aware.fake_quantization import FakeQuantized
from waste_edge.training.recipe import Recipe, TextSpec
from waste_edge.training.runs import Run


def check_start(recipe: Recipe, start: Run | None, weights: Path | None, dataset: Dataset) -> None:
    """Raise ConfigError or RunError unless training by this recipe can start where it is told to."""
    if start is None:
        if recipe.quantize_aware:
            raise ConfigError(
                f"recipe {recipe.name!r} has a [quantize_aware] part, which fine-tunes a finished run; "
                "name one with --from"
            )
        return
    if weights is not None:
        raise ConfigError("--weights and --from both say what to start with; give one of them")
    before = start.info
    model, other = recipe.model, before.recipe.model
    if model is None or other is None or recipe.text or before.recipe.text:
        raise ConfigError("--from goes on from a network of pictures alone; give --weights or start anew")
    if model.shape != other.shape:
        raise RunError(
            f"{start.folder}: its network is {other.shape}, the recipe's is {model.shape}; give a run of the same "
            "network to --from"
        )
    if tuple(before.labels) != dataset.labels:
        raise RunError(
            f"{start.folder}: its labels ({', '.join(before.labels)}) are not the data's "
            f"({', '.join(dataset.labels)}); give a run with the same labels to --from"
        )
    if before.data_fingerprint == dataset.fingerprint() and before.recipe.split != recipe.split:
        raise RunError(
            f"{start.folder}: was trained with another [split], so it has seen pictures that this recipe would "
            "validate on; copy its split part into the recipe"
        )


@dataclass(frozen=True, eq=False)
class Start:
    """Initial state of a training.

    Attributes:
        network: with its first weights.
        words: what these are.
        sha256: of the file they come from; empty if they are no file's.
        tokenize: of a network that reads text.
        save_beside: writes into a run's folder what is needed, besides the weights, to build the network again.
    """

    network: nn.Module
    words: str
    sha256: str = ""
    tokenize: Tokenize | None = None
    save_beside: Callable[[Path], None] = lambda folder: None


def starting_network(recipe: Recipe, labels: Sequence[str], weights: Path | None, start: Run | None) -> Start:
    """The network to train, as a recipe and the command line say.

    Raises:
        ConfigError, UserError: the weights or the encoder do not fit, or cannot be had.
    """
    begun = _first_weights(recipe, labels, weights, start)
    if recipe.trained.balance_weights and not balance(begun.network, _some_pixels(recipe.sees)):
        raise ConfigError(
            f"recipe {recipe.name!r}: fit.balance_weights would change nothing, as no convolution of its network has a "
            "batch norm above it; remove it"
        )
    return begun


def _some_pixels(spec: InputSpec) -> Tensor:
    """Noise (2, 3, H, W) of a generator of its own, so that the training's chances stay what they are."""
    return 2 * torch.rand(2, 3, spec.height_px, spec.width_px, generator=torch.Generator().manual_seed(0)) - 1


def _first_weights(recipe: Recipe, labels: Sequence[str], weights: Path | None, start: Run | None) -> Start:
    model = recipe.model
    if recipe.text:
        return _reading_network(recipe, recipe.text, len(labels), weights)
    if model is None:
        raise ConfigError(f"recipe {recipe.name!r} has no [model] part")
    if start is None:
        network, words = starting_image_network(model, len(labels), weights)
        return Start(network, words, sha256_of(weights) if weights else "")
    network = build_network(model, len(labels))  # its dropout is this recipe's
    network.load_state_dict(start.network.state_dict())
    if recipe.quantize_aware:
        network = FakeQuantized(network, recipe.quantize_aware)
    words = f"run {start.info.recipe.name}, itself from {start.info.initial_weights}"
    return Start(network, words, start.info.weights_sha256)


def _reading_network(recipe: Recipe, text: TextSpec, classes: int, weights: Path | None) -> Start:
    """A network that reads, and looks too if the recipe has a [model]; `weights` are those of what looks."""
    from waste_edge.training.networks.fusion import ConcatenatedNetwork
    from waste_edge.training.networks.text import TextNetwork, starting_encoder

    model, fusion = recipe.model, recipe.fusion
    if model is None or fusion is None:
        if weights is not None:
            raise ConfigError("--weights is for networks that look at pictures; text.encoder names the one that reads")
        encoder = starting_encoder(text)
        network: nn.Module = TextNetwork(encoder.network, classes, text.dropout)
        return Start(network, encoder.words, encoder.sha256, encoder.tokenize, encoder.save)
    if model.hidden:
        raise ConfigError("model.hidden is of an image network's own head; with [fusion] there is fusion.hidden")
    encoder = starting_encoder(text)
    image, words = starting_image_network(model, classes, weights)
    network = ConcatenatedNetwork(image, encoder.network, classes, fusion, (model.dropout, text.dropout))
    of_text = f"{encoder.words} (sha256:{encoder.sha256})" if encoder.sha256 else encoder.words
    sha256 = sha256_of(weights) if weights else ""
    return Start(network, f"image: {words}; text: {of_text}", sha256, encoder.tokenize, encoder.save)
