"""One huge channel: caught by the gate, located by the comparison of tensors, mended by equalization or by FP32."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.export.small import (
    Small,
    answers,
    compared,
    quantized,
    small_network,
    some_pictures,
    with_one_huge_channel,
)
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.export.debug import QuantizationErrors, find_quantization_errors, worst_tensors, write_errors
from waste_edge.export.quantization.equalize import equalize
from waste_edge.export.quantization.gate import complaint
from waste_edge.export.recipe import ExportRecipe, OnnxOptions
from waste_edge.export.work import refuse_foreign_graph
from waste_edge.files.strict import read_json

PICTURES = some_pictures()
PLAIN = ExportRecipe(name="static_wi8_ai8", max_drop_points=5.0)
INT8: tuple[ArtifactName, ...] = ("onnx-int8", "tflite-int8")


@pytest.fixture(scope="module")
def broken() -> Small:
    return with_one_huge_channel(small_network(PICTURES))


def test_a_sound_network_passes(tmp_path: Path) -> None:
    network = small_network(PICTURES)
    comparisons = compared(network, quantized(network, PICTURES, PLAIN, tmp_path)[1], PICTURES)
    assert complaint(comparisons, PLAIN) == ""
    assert len(np.unique(answers(network, PICTURES).argmax(axis=1))) == 3, "else a constant answer would pass too"


def test_the_gate_catches_it_and_the_comparison_locates_it(broken: Small, tmp_path: Path) -> None:
    graphs, found = quantized(broken, PICTURES, PLAIN, tmp_path)
    comparisons = compared(broken, found, PICTURES)
    said = complaint(comparisons, PLAIN)
    assert all(name in said for name in INT8)
    assert "static_wi8_ai8: more than 5 points lost on validation" in said
    errors = find_quantization_errors(graphs, broken, PICTURES[:8], PLAIN.name)
    for name in INT8:
        assert errors.culprit[name] == "pointwise"
        rows = {row.layer: row for row in errors.tensors[name]}
        assert {"stem", "depthwise", "pointwise", "classifier"} <= set(rows)
        assert rows["depthwise"].snr_db > 25 > rows["pointwise"].snr_db
        assert rows["pointwise"].inputs == ["depthwise"]
        assert worst_tensors(errors, name)[0].snr_db == min(row.snr_db for row in errors.tensors[name])
    assert 'keep_fp32 = ["depthwise", "pointwise"]' in errors.advice
    data, plot = write_errors(errors, tmp_path / "debug")
    assert read_json(data, QuantizationErrors) == errors
    with Image.open(plot) as picture:
        assert picture.size[0] > 800


def test_equalization_mends_it(broken: Small, tmp_path: Path) -> None:
    recipe = ExportRecipe(name="static_wi8_ai8_equalized", equalize=True, max_drop_points=5.0)
    found = quantized(equalize(broken, PICTURES), PICTURES, recipe, tmp_path)[1]
    assert complaint(compared(broken, found, PICTURES), recipe) == ""


def test_keeping_the_two_layers_in_fp32_mends_it(broken: Small, tmp_path: Path) -> None:
    recipe = ExportRecipe(name="static_wi8_ai8_mixed", keep_fp32=["depthwise", "pointwise"], max_drop_points=5.0)
    graphs, found = quantized(broken, PICTURES, recipe, tmp_path)
    assert complaint(compared(broken, found, PICTURES), recipe) == ""
    model = onnx.ModelProto.FromString(graphs["onnx-int8"].quantized)
    floats = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    assert {"network.depthwise.weight", "network.pointwise.weight"} <= floats
    assert "network.stem.weight" not in floats, "the others stay INT8"
    assert find_quantization_errors(graphs, broken, PICTURES[:4], recipe.name).tensors["tflite-int8"], (
        "mixed graphs compare too"
    )


def test_the_first_layer_can_stay_fp32(tmp_path: Path) -> None:
    network = small_network(PICTURES)
    recipe = ExportRecipe(name="static_wi8_ai8_mixed", keep_fp32=["stem"], max_drop_points=5.0)
    assert complaint(compared(network, quantized(network, PICTURES, recipe, tmp_path)[1], PICTURES), recipe) == ""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("static_wi8_ai8_s8s8", OnnxOptions(activations="int8")),
        ("static_wi8_ai8_w7", OnnxOptions(reduce_range=True)),
    ],
)
def test_onnx_options_do_what_they_say(name: str, options: OnnxOptions, tmp_path: Path) -> None:
    network = small_network(PICTURES)
    recipe = ExportRecipe(name=name, onnx=options, max_drop_points=5.0)
    graphs, found = quantized(network, PICTURES, recipe, tmp_path)
    assert complaint(compared(network, found, PICTURES), recipe) == ""
    refuse_foreign_graph(tmp_path / "q.onnx", "onnx-int8")
    model = onnx.ModelProto.FromString(graphs["onnx-int8"].quantized)
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    steps = Counter(values[node.input[2]].dtype.name for node in model.graph.node if node.op_type == "QuantizeLinear")
    assert set(steps) == {options.activations}
    widest = max(int(np.abs(v.astype(int)).max()) for k, v in values.items() if "weight_quantized" in k)
    assert widest == (64 if options.reduce_range else 127)
