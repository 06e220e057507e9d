"""Every architecture, five ways: torch, ONNX and TFLite in FP32 and INT8, on the same pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx as onnx_library
import pytest
import torch
from torch import nn

from tests.export.parity import FP32_OFF, assert_pairs_agree
from waste_edge.benchmarks.scenario import make_pictures
from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.engines.engine import Output, open_engine
from waste_edge.export.formats import onnx, tflite
from waste_edge.export.formats.graphs import fold_batch_norms
from waste_edge.export.recipe import ExportRecipe
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.networks import build_network, feature_count, normalize
from waste_edge.training.recipe import ModelSpec

SIZE_PX = 64
MODELS = {
    "mobilenet_v1": ModelSpec(architecture="mobilenet_v1", width=0.25),
    "mobilenet_v2": ModelSpec(architecture="mobilenet_v2", width=0.35),
    "cnn4": ModelSpec(architecture="cnn4", dropout=0.5),
}


@dataclass(frozen=True)
class Exported:
    """One architecture's four files, and what torch and they answered to the same pictures."""

    name: str
    files: dict[ArtifactName, Path]
    torch: Output
    engines: dict[ArtifactName, Output]
    features: int


def settled_network(spec: ModelSpec, x: torch.Tensor) -> nn.Module:
    """Random weights, and batch norms that know what comes in."""
    torch.manual_seed(0)
    network = build_network(spec, 5).train()
    with torch.no_grad():
        for _ in range(30):
            network(x)
    return network.eval()


@pytest.fixture(scope="module", params=list(MODELS))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder, size = tmp_path_factory.mktemp(request.param), (SIZE_PX, SIZE_PX)
    pictures = make_pictures(InputSpec(width_px=SIZE_PX, height_px=SIZE_PX), 24, seed=1)
    x = normalize(torch.from_numpy(pictures)).permute(0, 3, 1, 2)
    network = settled_network(MODELS[request.param], x)
    with torch.no_grad():
        reference = Output(*(tensor.numpy() for tensor in network(x)))
    folded, calibration = fold_batch_norms(network), list(pictures)
    files: dict[ArtifactName, Path] = {
        name: folder / f"{name}.{'onnx' if name.startswith('onnx') else 'tflite'}" for name in ARTIFACT_NAMES
    }
    onnx.export_fp32(folded, *size, files["onnx-fp32"])
    recipe = ExportRecipe(name="static_wi8_ai8")
    onnx.export_int8(folded, size, onnx.ranges_from(calibration, recipe), recipe, files["onnx-int8"])
    tflite.export_fp32(folded, *size, files["tflite-fp32"])
    tflite.export_int8(folded, size, tflite.ranges_from(calibration, recipe), recipe, files["tflite-int8"])
    answers: dict[ArtifactName, Output] = {}
    for name, path in files.items():
        rows = [open_engine(path, name).infer(picture) for picture in pictures]
        answers[name] = Output(np.stack([row.logits for row in rows]), np.stack([row.features for row in rows]))
    return Exported(request.param, files, reference, answers, feature_count(network))


def test_fp32_files_answer_as_torch_does(exported: Exported) -> None:
    for name in ("onnx-fp32", "tflite-fp32"):
        for got, expected in zip(exported.engines[name][:2], exported.torch[:2], strict=True):
            assert got.shape == expected.shape
            assert np.abs(got - expected).max() < FP32_OFF, name
        assert np.array_equal(exported.engines[name].logits.argmax(1), exported.torch.logits.argmax(1))


def test_every_two_of_the_five_agree(exported: Exported) -> None:
    assert exported.engines["tflite-int8"].features.shape == (24, exported.features)
    assert_pairs_agree({"torch-fp32": exported.torch, **exported.engines})


def test_pooling_is_the_only_operator_that_the_four_block_network_adds(exported: Exported) -> None:
    pools = 4 if exported.name == "cnn4" else 0
    engine = open_engine(exported.files["tflite-int8"], "tflite-int8")
    details = engine._interpreter._get_ops_details()  # type: ignore[attr-defined]  # the only way to list operators
    operators = Counter(detail["op_name"] for detail in details if detail["op_name"] != "DELEGATE")
    assert operators["MAX_POOL_2D"] == pools
    assert set(operators) - {"MAX_POOL_2D"} <= {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED"}
    kinds = Counter(node.op_type for node in onnx_library.load(exported.files["onnx-int8"]).graph.node)
    assert (kinds["MaxPool"], kinds["Transpose"], kinds["Relu"], kinds["Clip"]) == (pools, 1, 0, 0)
