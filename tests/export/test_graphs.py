"""What is in the exported files: the operators the target wants, and none besides."""

from collections import Counter

import onnx
import pytest
import torch

from tests.export.conftest import Chain
from waste_edge.engines.engine import open_engine
from waste_edge.export.graphs import fold_batch_norms
from waste_edge.training.networks import build_network
from waste_edge.training.recipe import ModelSpec
from waste_edge.training.runs import open_run


def tflite_operators(chain: Chain, name: str) -> Counter[str]:
    engine = open_engine(chain.bundle / f"model-{name}.tflite", "tflite-int8")
    details = engine._interpreter._get_ops_details()  # type: ignore[attr-defined]  # the only way to list operators
    return Counter(detail["op_name"] for detail in details if detail["op_name"] != "DELEGATE")


def test_the_int8_tflite_is_convolutions_and_nothing_else(chain: Chain) -> None:
    operators = tflite_operators(chain, "int8")
    assert operators == {"CONV_2D": 14, "DEPTHWISE_CONV_2D": 13, "MEAN": 1, "FULLY_CONNECTED": 1}


def test_the_fp32_tflite_adds_one_cast_and_its_arithmetic(chain: Chain) -> None:
    extra = tflite_operators(chain, "fp32") - tflite_operators(chain, "int8")
    assert extra["CAST"] == 1
    assert set(extra) <= {"CAST", "SUB", "MUL"}


def test_the_int8_onnx_has_one_leading_transpose_and_no_float_island(chain: Chain) -> None:
    graph = onnx.load(chain.bundle / "model-int8.onnx").graph
    operators = Counter(node.op_type for node in graph.node)
    assert graph.node[0].op_type == "Transpose"
    assert operators["Transpose"] == 1
    assert operators["Conv"] == 27
    allowed = {"Transpose", "DequantizeLinear", "QuantizeLinear", "Conv", "ReduceMean", "GlobalAveragePool"}
    assert set(operators) <= allowed | {"Reshape", "Flatten", "Squeeze", "Gemm", "MatMul", "Add"}
    producer = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert all(producer[name].op_type == "DequantizeLinear" for name in node.input), node.name


def test_the_int8_inputs_are_the_pixels_themselves(chain: Chain) -> None:
    model = onnx.load(chain.bundle / "model-int8.onnx")
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    turned = model.graph.node[0].output[0]
    dequantize = next(node for node in model.graph.node if turned in node.input)
    assert (float(values[dequantize.input[1]]), int(values[dequantize.input[2]])) == (1 / 128, 128)
    engine = open_engine(chain.bundle / "model-int8.tflite", "tflite-int8")
    assert engine._input["quantization"] == (1 / 128, 0)  # type: ignore[attr-defined]


def test_no_file_names_the_machine_that_made_it(chain: Chain) -> None:
    for path in chain.bundle.iterdir():
        assert b"site-packages" not in path.read_bytes(), path.name


@pytest.mark.parametrize("architecture", ["mobilenet_v1", "mobilenet_v2", "cnn4"])
def test_folding_batch_norms_changes_no_answer(architecture: str) -> None:
    torch.manual_seed(0)
    network = build_network(ModelSpec(architecture=architecture, width=0.35), 5)  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean = torch.randn_like(module.running_mean) * 0.1  # type: ignore[arg-type]
            module.running_var = torch.rand_like(module.running_var) + 0.5  # type: ignore[arg-type]
    network.eval()
    folded = fold_batch_norms(network)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    x = torch.randn(2, 3, 64, 64)
    for got, expected in zip(folded(x), network(x), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)


def test_folding_leaves_the_run_as_it_was(chain: Chain) -> None:
    network = open_run(chain.student).network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fold_batch_norms(network)
    assert before.keys() == network.state_dict().keys()
