"""What is refused of a network before an engine sees it, and that the shipped ones are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import SIZE_PX
from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.bundle.files import NetworkFile
from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.engines.graph.untrusted import check_network
from waste_edge.errors import BundleError
from waste_edge.files.resources import BUNDLES


@pytest.mark.parametrize("name", sorted(folder.name for folder in BUNDLES.iterdir() if folder.is_dir()))
@pytest.mark.parametrize("artifact", ARTIFACT_NAMES)
def test_shipped_networks_pass(name: str, artifact: ArtifactName) -> None:
    with open_bundle(BUNDLES / name) as bundle:
        if artifact not in bundle.manifest.artifacts:
            pytest.skip(f"{name} is shipped without {artifact}")
        check_network(bundle.artifact(artifact), artifact, bundle.manifest)


# ---------------------------------------------------------------- ONNX


@pytest.fixture
def model(opened_tiny: Bundle) -> Any:
    """The tiny network, as the `onnx` package sees it."""
    import onnx

    return onnx.load_from_string(opened_tiny.artifact("onnx-int8").content)


def external_data(model: Any) -> None:
    from onnx import TensorProto

    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def external_data_of_a_constant(model: Any) -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("Constant", [], ["c"], value=TensorProto(data_type=1, dims=[1]))
    node.attribute[0].t.data_location = TensorProto.EXTERNAL
    model.graph.node.insert(0, node)


def loop(model: Any) -> None:
    from onnx import helper

    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))


def graph_in_an_operator_of_another_name(model: Any) -> None:
    from onnx import helper

    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("GreedySearch", [""], ["x"], domain="com.microsoft", decoder=body))


def function(model: Any) -> None:
    from onnx import helper

    model.functions.append(helper.make_function("own", "F", [], [], [], [helper.make_opsetid("", 17)]))


def sparse_weights(model: Any) -> None:
    model.graph.sparse_initializer.add()


def shape_beyond_the_data(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40]


def negative_shape(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [-1]


def another_input(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = SIZE_PX + 1


def batch_of_eight(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8


def huge_output(model: Any) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1 << 40


def sequence_output(model: Any) -> None:
    from onnx import TensorProto, helper

    model.graph.output.append(helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (external_data, "keeps weights in another file"),
        (external_data_of_a_constant, "keeps weights in another file"),
        (loop, r"decides while it runs what it computes \(Loop\)"),
        (graph_in_an_operator_of_another_name, "GreedySearch holds another graph"),
        (function, "functions of its own"),
        (sparse_weights, "sparse weights"),
        (shape_beyond_the_data, "other data than that takes"),
        (negative_shape, "other data than that takes"),
        (another_input, r"takes an input of shape \[1, 17, 16, 3\], the manifest says \[1, 16, 16, 3\]"),
        (batch_of_eight, r"takes an input of shape \[8, 16, 16, 3\]"),
        (huge_output, "more than the manifest's input can need"),
        (sequence_output, "something else than a tensor"),
    ],
)
def test_onnx_networks_of_no_classifier(
    opened_tiny: Bundle, model: Any, spoil: Callable[[Any], None], message: str
) -> None:
    spoil(model)
    network = NetworkFile(Path("b/x.onnx"), model.SerializeToString())
    with pytest.raises(BundleError, match=message) as caught:
        check_network(network, "onnx-int8", opened_tiny.manifest)
    assert str(caught.value).startswith("b/x.onnx: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80" * 100_000, b"\x3a\xff\xff\xff\x7f", b"no network", b"\x00" * 1000])
@pytest.mark.parametrize("artifact", ["onnx-int8", "tflite-int8"])
def test_files_that_are_no_network(opened_tiny: Bundle, content: bytes, artifact: ArtifactName) -> None:
    with pytest.raises(BundleError, match="not a whole"):
        check_network(NetworkFile(Path("x"), content), artifact, opened_tiny.manifest)


# ---------------------------------------------------------------- TFLite


def tflite_with(change: Callable[[Any], None]) -> bytes:
    """The shipped INT8 file with something changed in its tables."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    with open_bundle(BUNDLES / "small") as bundle:
        model = schema.ModelT.InitFromPackedBuf(bundle.artifact("tflite-int8").content)
    change(model)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def wide_code(number: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.operatorCodes[0].builtinCode = number
        model.operatorCodes[0].deprecatedBuiltinCode = min(number, 127)

    return change


def two_graphs(model: Any) -> None:
    model.subgraphs.append(model.subgraphs[0])


def wrong_tensor_index(model: Any) -> None:
    model.subgraphs[0].operators[3].inputs = np.array([1_000_000, 0, 0], np.int32)


def wrong_operator_index(model: Any) -> None:
    model.subgraphs[0].operators[3].opcodeIndex = 99


def wrong_buffer_index(model: Any) -> None:
    model.subgraphs[0].tensors[3].buffer = 9_999


def huge_activation(model: Any) -> None:
    tensors = model.subgraphs[0].tensors
    made = model.subgraphs[0].operators[0].outputs[0]
    tensors[made].shape = np.array([1, 40_000, 40_000, 3], np.int32)


def other_weights_shape(model: Any) -> None:
    weights = model.subgraphs[0].operators[0].inputs[1]
    tensor = model.subgraphs[0].tensors[weights]
    tensor.shape = tensor.shape + np.array([1, 0, 0, 0], np.int32)


def too_few_scales(model: Any) -> None:
    weights = model.subgraphs[0].operators[0].inputs[1]
    quantization = model.subgraphs[0].tensors[weights].quantization
    quantization.scale = quantization.scale[:-1]


def text_tensor(model: Any) -> None:
    model.subgraphs[0].tensors[0].type = 5


def no_output(model: Any) -> None:
    model.subgraphs[0].outputs = np.array([], np.int32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (wide_code(118), "operator 118"),
        (wide_code(119), "operator 119"),
        (wide_code(129), "operator 129"),
        (wide_code(32), "operator 32"),
        (wide_code(190), "operator 190"),
        (two_graphs, "holds 2 graphs"),
        (wrong_tensor_index, "tensor 1000000 of"),
        (wrong_operator_index, "operator code 99 of"),
        (wrong_buffer_index, "buffer 9999 of"),
        (huge_activation, "more than the manifest's input can need"),
        (other_weights_shape, "other data than that takes|scales for a tensor"),
        (too_few_scales, "scales for a tensor"),
        (text_tensor, "a tensor of type 5"),
        (no_output, "takes an input of shape"),
    ],
)
def test_tflite_networks_of_no_classifier(change: Callable[[Any], None], message: str) -> None:
    with open_bundle(BUNDLES / "small") as bundle, pytest.raises(BundleError, match=message):
        check_network(NetworkFile(Path("x"), tflite_with(change)), "tflite-int8", bundle.manifest)


def test_tables_that_refer_to_each_other_without_end_are_given_up(opened_tiny: Bundle) -> None:
    """A vector of tables that all are the same one, which holds a vector that long: work that grows by its square."""
    import struct

    count = 40_000
    vtable = struct.pack("<HHHHHH", 12, 16, 0, 0, 4, 0)
    body = bytearray(b"\0" * 4 + b"TFL3" + vtable)
    table = len(body)
    body += struct.pack("<i", table - 8) + struct.pack("<I", 8) + bytes(8)
    body[0:4] = struct.pack("<I", table)
    vector = len(body)
    body[table + 4 : table + 8] = struct.pack("<I", vector - table - 4)
    body += struct.pack("<I", count)
    for index in range(count):
        position = vector + 4 + 4 * index
        body += struct.pack("<i", table - position)
    with pytest.raises(BundleError, match=r"not a whole TFLite file|graphs instead of one"):
        check_network(NetworkFile(Path("x"), bytes(body)), "tflite-int8", opened_tiny.manifest)


@pytest.mark.parametrize("artifact", ["onnx-int8", "tflite-int8"])
def test_changed_bytes_are_refused_or_pass(default_bundle: Path, artifact: ArtifactName) -> None:
    generator, refused = np.random.default_rng(3), 0
    with open_bundle(default_bundle) as bundle:
        whole = bundle.artifact(artifact).content
        for _ in range(150):
            content = bytearray(whole)
            for place in generator.integers(0, 6_000, 3):
                content[place] = generator.integers(256)
            try:
                check_network(NetworkFile(Path("x"), bytes(content)), artifact, bundle.manifest)
            except BundleError:
                refused += 1
    assert refused > 20
