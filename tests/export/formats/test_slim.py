"""Slimmed files are smaller, and answer what they answered before, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.engines.engine import open_engine
from waste_edge.engines.graph.graph import Graph
from waste_edge.engines.graph.report import read_graph
from waste_edge.engines.graph.rules import check_graph, default_target, read_target
from waste_edge.export.formats import onnx as onnx_export
from waste_edge.export.formats import tflite as tflite_export
from waste_edge.export.formats.graphs import fold_batch_norms
from waste_edge.export.formats.slim import slim_onnx, slim_tflite
from waste_edge.export.recipe import ExportRecipe
from waste_edge.files.atomic import write_atomically
from waste_edge.imaging.frames import Pixels
from waste_edge.training.networks import build_network, count_parameters
from waste_edge.training.recipe import ModelSpec

SIZE_PX = 64
ARCHITECTURES = ("mobilenet_v1", "mobilenet_v2")


def trained_looking(architecture: str) -> tuple[torch.nn.Module, int]:
    """A folded network of width 0.35 whose batch norms are not the identity, and its parameters."""
    torch.manual_seed(0)
    network = build_network(ModelSpec(architecture=architecture, width=0.35), 6)  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias, std=0.1)
            torch.nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return fold_batch_norms(network), count_parameters(network)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A folder with every artifact as `fat-NAME`, as the exporters left it, and `slim-NAME`; and the parameters."""
    folder = tmp_path_factory.mktemp(request.param)
    network, parameters = trained_looking(request.param)
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 256, (SIZE_PX, SIZE_PX, 3), np.uint8) for _ in range(4)]
    size, recipe = (SIZE_PX, SIZE_PX), ExportRecipe(name="static_wi8_ai8")
    writers: dict[ArtifactName, Callable[[Path], None]] = {
        "onnx-fp32": lambda path: onnx_export.export_fp32(network, *size, path),
        "onnx-int8": lambda path: _quantize(onnx_export, network, pictures, recipe, path),
        "tflite-fp32": lambda path: tflite_export.export_fp32(network, *size, path),
        "tflite-int8": lambda path: _quantize(tflite_export, network, pictures, recipe, path),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_export, "slim_onnx", lambda _model: None)
        patch.setattr(tflite_export, "slim_tflite", lambda content: content)
        for name, write in writers.items():
            write(folder / f"fat-{name}")
    for name in writers:
        write_atomically(folder / f"slim-{name}", slimmed((folder / f"fat-{name}").read_bytes(), name))
    return folder, parameters


def _quantize(
    exporter: ModuleType, network: nn.Module, pictures: list[Pixels], recipe: ExportRecipe, path: Path
) -> None:
    exporter.export_int8(network, (SIZE_PX, SIZE_PX), exporter.ranges_from(pictures, recipe), recipe, path)


def slimmed(content: bytes, artifact: ArtifactName) -> bytes:
    if artifact.startswith("tflite"):
        return slim_tflite(content)
    model = onnx.load_from_string(content)
    slim_onnx(model)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("artifact", ARTIFACT_NAMES)
def test_every_output_stays_the_same_to_the_bit(exported: tuple[Path, int], artifact: ArtifactName) -> None:
    fat, slim = (open_engine(exported[0] / f"{kind}-{artifact}", artifact) for kind in ("fat", "slim"))
    generator = np.random.default_rng(1)
    for _ in range(5):
        pixels = generator.integers(0, 256, (SIZE_PX, SIZE_PX, 3), np.uint8)
        for before, after in zip(fat.infer(pixels)[:2], slim.infer(pixels)[:2], strict=True):
            assert np.ptp(before) > 0
            assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("artifact", ARTIFACT_NAMES)
def test_only_what_nobody_reads_is_gone(exported: tuple[Path, int], artifact: ArtifactName) -> None:
    fat, slim = (read_graph(exported[0] / f"{kind}-{artifact}", artifact) for kind in ("fat", "slim"))
    assert [one.kind for one in fat.operators] == [one.kind for one in slim.operators]
    assert (fat.size.weights, fat.size.biases) == (slim.size.weights, slim.size.biases)
    assert slim.size.names < fat.size.names / 5
    assert slim.size.zero_points <= fat.size.zero_points / 2
    assert check_graph(slim, artifact, read_target(default_target(artifact))) == []


@pytest.mark.parametrize("artifact", ["onnx-int8", "tflite-int8"])
def test_a_student_of_0_4_million_parameters_stays_below_1_3_bytes_each(
    exported: tuple[Path, int], artifact: ArtifactName
) -> None:
    folder, parameters = exported
    assert 0.35e6 < parameters < 0.5e6
    fat, slim = ((folder / f"{kind}-{artifact}").stat().st_size for kind in ("fat", "slim"))
    assert slim < 0.92 * fat
    assert slim <= 1.3 * parameters


@pytest.mark.parametrize("artifact", ARTIFACT_NAMES)
def test_slimming_twice_is_slimming_once(exported: tuple[Path, int], artifact: ArtifactName) -> None:
    once = (exported[0] / f"slim-{artifact}").read_bytes()
    assert slimmed(once, artifact) == once


@pytest.mark.parametrize("artifact", ["tflite-fp32", "tflite-int8"])
def test_weights_lie_at_multiples_of_16_bytes(exported: tuple[Path, int], artifact: ArtifactName) -> None:
    """TFLite's schema demands it; kernels load them as vectors."""
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.Model.GetRootAsModel((exported[0] / f"slim-{artifact}").read_bytes(), 0)
    starts = []
    for index in range(model.BuffersLength()):
        table = model.Buffers(index)._tab
        assert model.Buffers(index).Offset() == 0, "all data is inside"
        if offset := table.Offset(4):
            starts.append(table.Vector(offset))
    assert len(starts) > 50
    assert all(start % 16 == 0 for start in starts)


def test_activations_keep_a_name_a_person_can_find(exported: tuple[Path, int]) -> None:
    graph: Graph = read_graph(exported[0] / "slim-tflite-int8", "tflite-int8")
    names = [graph.place(operator) for operator in graph.operators]
    assert len(set(names)) == len(names)
    assert all(len(name) < 40 for name in names)
    stem = {"conv_stem", "features.0.2"}  # in MobileNetV2 the ReLU6 that the convolution swallowed
    assert names[0] in stem, names[0]
