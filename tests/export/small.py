"""A network of four layers that exports in seconds, and how to spoil it for eight bits without changing its answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.dataset import Photo
from waste_edge.engines.engine import open_engine
from waste_edge.export.formats import onnx, tflite
from waste_edge.export.formats.graphs import Graphs
from waste_edge.export.quantization.gate import compare_quantized
from waste_edge.export.recipe import ExportRecipe
from waste_edge.imaging.frames import Pixels
from waste_edge.metrics.classification import Comparison
from waste_edge.training.networks import SameConv2d, normalize, pool

LABELS = ("a", "b", "c")
SIZE_PX = 24


class Small(nn.Module):
    """Stem, depthwise, pointwise, linear; as our students, batch norms folded."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 8, 3, 2)
        self.depthwise = SameConv2d(8, 8, 3, 1, groups=8)
        self.pointwise = nn.Conv2d(8, 16, 1)
        self.classifier = nn.Linear(16, len(LABELS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = functional.relu6(self.stem(x))
        x = functional.relu6(self.depthwise(x))
        features = pool(functional.relu6(self.pointwise(x)))
        return self.classifier(features), features


def small_network(pictures: list[Pixels]) -> Small:
    """Random weights, logits centred so that the pictures get different labels, and nothing near the cap of 6."""
    torch.manual_seed(1)
    network = Small().eval()
    with torch.no_grad():
        for layer in (network.stem, network.depthwise, network.pointwise):
            layer.weight *= 2.0
        network.classifier.weight *= 30.0
        network.classifier.bias -= torch.stack([answer(network, one) for one in pictures]).mean(dim=0)
    return network


def with_one_huge_channel(network: Small, factor: float = 3000.0) -> Small:
    """The same function, but one channel of the pointwise weights is huge and what it multiplies is tiny."""
    with torch.no_grad():
        network.depthwise.weight[2] /= factor
        assert network.depthwise.bias is not None
        network.depthwise.bias[2] /= factor
        network.pointwise.weight[:, 2] *= factor
    return network


def some_pictures(count: int = 60) -> list[Pixels]:
    """Coloured noise on coloured ground, uint8 (24, 24, 3) each."""
    generator = np.random.default_rng(5)
    grounds = generator.integers(20, 235, (count, 1, 1, 3))
    noise = generator.normal(0, 30, (count, SIZE_PX, SIZE_PX, 3))
    return list(np.clip(grounds + noise, 0, 255).astype(np.uint8))


def answer(network: nn.Module, pixels: Pixels) -> Tensor:
    with torch.no_grad():
        logits: Tensor = network(normalize(torch.from_numpy(pixels)).permute(2, 0, 1)[None])[0][0]
    return logits


def answers(network: nn.Module, pictures: list[Pixels]) -> NDArray[np.float32]:
    return torch.stack([answer(network, one) for one in pictures]).numpy()


def quantized(
    network: nn.Module, pictures: list[Pixels], recipe: ExportRecipe, folder: Path
) -> tuple[dict[ArtifactName, Graphs], dict[ArtifactName, NDArray[np.float32]]]:
    """Both INT8 files, and what they answer to the pictures."""
    files: dict[ArtifactName, Path] = {"onnx-int8": folder / "q.onnx", "tflite-int8": folder / "q.tflite"}
    size = pictures[0].shape[0], pictures[0].shape[1]
    graphs: dict[ArtifactName, Graphs] = {
        "onnx-int8": onnx.export_int8(network, size, onnx.ranges_from(pictures, recipe), recipe, files["onnx-int8"]),
        "tflite-int8": tflite.export_int8(
            network, size, tflite.ranges_from(pictures, recipe), recipe, files["tflite-int8"]
        ),
    }
    found = {}
    for name, path in files.items():
        engine = open_engine(path, name)
        found[name] = np.stack([engine.infer(one).logits for one in pictures])
    return graphs, found


def compared(
    network: nn.Module, found: dict[ArtifactName, NDArray[np.float32]], pictures: list[Pixels]
) -> dict[ArtifactName, Comparison]:
    """INT8 against the torch network, which is right by definition."""
    floating = answers(network, pictures)
    truth = floating.argmax(axis=1)
    photos = [Photo(Path("x"), f"{index}.png", LABELS[label], str(index)) for index, label in enumerate(truth)]
    return compare_quantized({"onnx-fp32": floating, "tflite-fp32": floating, **found}, photos, LABELS)
