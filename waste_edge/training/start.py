"""What a training starts with: random weights, a file's, or a finished run's."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from waste_edge.dataset import Dataset
from waste_edge.errors import ConfigError, RunError
from waste_edge.files import sha256_of
from waste_edge.training.fake_quantization import FakeQuantized
from waste_edge.training.networks import build_network, load_initial_weights
from waste_edge.training.recipe import Recipe
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
    if (model.architecture, model.width) != (other.architecture, other.width):
        raise RunError(
            f"{start.folder}: a {other.architecture} of width {other.width}, the recipe's network is a "
            f"{model.architecture} of width {model.width}; give a run of the same network to --from"
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


def starting_network(
    recipe: Recipe, classes: int, weights: Path | None, start: Run | None
) -> tuple[nn.Module, str, str]:
    """The network to train, in words what its weights are, and their SHA-256 (empty if they are no file's)."""
    if start is None:
        network = build_network(recipe.model, classes)
        initial = load_initial_weights(network, recipe.model, weights)
        return network, initial, sha256_of(weights) if weights else ""
    network = build_network(recipe.model, classes)  # its dropout is this recipe's
    network.load_state_dict(start.network.state_dict())
    if recipe.quantize_aware:
        network = FakeQuantized(network, recipe.quantize_aware)
    return network, f"run {start.info.recipe.name}, itself from {start.info.initial_weights}", start.info.weights_sha256
