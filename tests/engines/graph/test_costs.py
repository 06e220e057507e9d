"""What layers cost, counted from files: the same for both formats, for both precisions, and as ONNX infers shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference

from tests.conftest import tiny_network
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.engines.graph.costs import Costs, count_costs
from waste_edge.engines.graph.report import read_graph
from waste_edge.engines.graph.shapes import with_shapes


def costs_of(bundle: Path, artifact: ArtifactName) -> Costs:
    kind, _, precision = artifact.partition("-")
    return count_costs(read_graph(bundle / f"model-{precision}.{kind}", artifact))


@pytest.mark.parametrize("artifact", ARTIFACT_NAMES)
def test_all_four_files_cost_what_the_manifest_says(default_bundle: Path, artifact: ArtifactName) -> None:
    costs = costs_of(default_bundle, artifact)
    with open_bundle(default_bundle) as bundle:
        assert costs.macs == bundle.manifest.artifacts[artifact].macs
    assert costs.uncounted == ()


def test_the_formats_agree_layer_by_layer(default_bundle: Path) -> None:
    counted = [[layer.macs for layer in costs_of(default_bundle, name).layers if layer.macs] for name in ARTIFACT_NAMES]
    assert counted[0] == counted[1] == counted[2] == counted[3]
    assert len(counted[0]) == 1 + 2 * sum([1, 2, 2, 5]) + 1, "the first, two a block, the last"


def test_int8_moves_a_quarter_of_what_fp32_moves(default_bundle: Path) -> None:
    fp32, int8 = (costs_of(default_bundle, name) for name in ("tflite-fp32", "tflite-int8"))
    layers = [[layer for layer in costs.layers if layer.macs] for costs in (fp32, int8)]
    for slow, fast in zip(*layers, strict=True):
        if slow.place != layers[0][-1].place:  # all but the last, whose two outputs are few
            assert slow.activation_bytes == 4 * fast.activation_bytes
    # The first layer: 192 x 192 pixels of 3 bytes in, 96 x 96 of 16 out; 3 x 3 x 3 x 16 weights, 16 biases of 4 bytes.
    assert (layers[1][0].activation_bytes, layers[1][0].weight_bytes) == (192 * 192 * 3 + 96 * 96 * 16, 432 + 64)
    assert int8.moved_bytes < fp32.moved_bytes / 3


def conv_model(**attributes: object) -> onnx.ModelProto:
    """A picture through a convolution, poolings and a softmax; inner shapes are not in the file."""
    generator = np.random.default_rng(0)
    weights = {"w": generator.standard_normal((6, 4, 3, 3))}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], **attributes),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Softmax", ["e"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 20, 24))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 1, 1, 1]},
        {"pads": [0, 0, 1, 1], "strides": [2, 2]},
        {"dilations": [2, 2], "pads": [2, 1, 0, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    ],
)
def test_shapes_are_those_that_onnx_infers(tmp_path: Path, attributes: dict[str, object]) -> None:
    model = conv_model(**attributes)
    onnx.save(model, tmp_path / "conv.onnx")
    told = {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in shape_inference.infer_shapes(model, strict_mode=True).graph.value_info
    }
    shaped = with_shapes(read_graph(tmp_path / "conv.onnx", "onnx-fp32"))
    assert {name: shaped.tensors[name].shape for name in told} == told
    costs = count_costs(shaped)
    _, channels, height, width = told["a"]
    assert costs.macs == channels * height * width * 4 * 9
    assert [layer.kind for layer in costs.layers] == ["Conv", "MaxPool", "GlobalAveragePool", "Softmax"]


def test_an_operator_that_is_not_known_is_named_not_guessed(tmp_path: Path) -> None:
    model = onnx.load_from_string(tiny_network(quantized=False))
    model.graph.node[1].domain = "com.example"
    onnx.save(model, tmp_path / "own.onnx")
    costs = count_costs(read_graph(tmp_path / "own.onnx", "onnx-fp32"))
    assert "com.example.Sub" in costs.uncounted
    assert costs.macs == 9  # the linear layer's input is an output of the graph, whose shape the file says
