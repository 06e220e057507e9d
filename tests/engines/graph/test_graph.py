"""Graphs read without the libraries that made them, held against those libraries; every byte accounted for."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import onnx
import pytest

from tests.conftest import tiny_network
from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.engines.engine import open_engine
from waste_edge.engines.graph.graph import ByteCount, Graph
from waste_edge.engines.graph.report import read_graph, report_graphs
from waste_edge.engines.graph.rules import default_target, read_target
from waste_edge.errors import BundleError, ConfigError, UserError
from waste_edge.files.resources import shipped


def path_of(bundle: Path, artifact: ArtifactName) -> Path:
    kind, _, precision = artifact.partition("-")
    return bundle / f"model-{precision}.{kind}"


@pytest.mark.parametrize("artifact", ARTIFACT_NAMES)
def test_the_bytes_add_up_to_the_file(default_bundle: Path, artifact: ArtifactName) -> None:
    path = path_of(default_bundle, artifact)
    size = read_graph(path, artifact).size
    parts = {name: getattr(size, name) for name in ByteCount.__struct_fields__}
    assert sum(parts.values()) == path.stat().st_size
    assert min(parts.values()) >= 0
    assert size.weights > 0.6 * path.stat().st_size
    assert (size.scales > 0) == artifact.endswith("int8")


@pytest.mark.parametrize("artifact", ["onnx-fp32", "onnx-int8"])
def test_onnx_is_read_as_the_onnx_package_reads_it(default_bundle: Path, artifact: ArtifactName) -> None:
    path = path_of(default_bundle, artifact)
    graph, model = read_graph(path, artifact), onnx.load(path).graph
    assert [(one.kind, list(one.outputs)) for one in graph.operators] == [
        (node.op_type, list(node.output)) for node in model.node
    ]
    for tensor in model.initializer:
        assert graph.tensors[tensor.name].shape == tuple(tensor.dims)
        assert graph.tensors[tensor.name].constant
    given = model.input[0].type.tensor_type.shape.dim
    assert graph.tensors["pixels"].shape == tuple(size.dim_value for size in given)
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in model.initializer]
    raw_bytes = sum(array.nbytes for array in arrays if array.ndim > 1 and array.dtype != "int64")
    assert graph.size.weights == raw_bytes


@pytest.mark.parametrize("artifact", ["tflite-fp32", "tflite-int8"])
def test_tflite_is_read_as_the_interpreter_reads_it(default_bundle: Path, artifact: ArtifactName) -> None:
    path = path_of(default_bundle, artifact)
    graph = read_graph(path, artifact)
    interpreter = open_engine(path, artifact)._interpreter  # type: ignore[attr-defined]
    details = interpreter._get_ops_details()  # the only way to list operators
    assert graph.counts() == Counter(one["op_name"] for one in details if one["op_name"] != "DELEGATE")
    given = interpreter.get_input_details()[0]
    tensor = graph.tensors[graph.inputs[0]]
    assert (tensor.shape, tensor.dtype) == (tuple(given["shape"]), given["dtype"].__name__)
    assert (tensor.scale or 0.0, tensor.zero_point or 0) == given["quantization"]


def test_where_the_schema_is_missing_tflite_is_skipped_in_one_line(
    default_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waste_edge.bundle.bundle import open_bundle

    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)  # as where only tflite-runtime is installed
    with open_bundle(default_bundle) as bundle:
        reports = {report.artifact: report for report in report_graphs(bundle)}
    assert "pip install ai-edge-litert" in reports["tflite-int8"].skipped
    assert reports["tflite-int8"].size is None
    assert reports["onnx-int8"].skipped == ""


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x00\x00TFL3", b"garbage", b"\xff" * 64])
@pytest.mark.parametrize("artifact", ["onnx-int8", "tflite-int8"])
def test_damaged_files_are_one_clear_line(tmp_path: Path, artifact: ArtifactName, content: bytes) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"broken: .*again"):
        read_graph(path, artifact)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_onnx_file_is_not_read(tmp_path: Path, share: float) -> None:
    content = tiny_network(quantized=True)
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BundleError, match="export or copy the bundle again"):
        read_graph(path, "onnx-int8")


def test_operators_of_other_domains_carry_their_domain(tmp_path: Path) -> None:
    model = onnx.load_from_string(tiny_network(quantized=False))
    model.graph.node[3].domain = "com.microsoft"
    onnx.save(model, tmp_path / "own.onnx")
    assert "com.microsoft.ReduceMean" in read_graph(tmp_path / "own.onnx", "onnx-fp32").counts()


SHIPPED = sorted(path.stem for path in shipped("export/targets").glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_targets_name_real_operators(name: str) -> None:
    from ai_edge_litert import schema_py_generated as schema

    target = read_target(name)
    assert target.name == name
    for artifact in target.artifacts:
        allowed = target.allowed(artifact)
        for operator in [*allowed.operators, *allowed.entry]:
            is_onnx = artifact.startswith("onnx")
            known = onnx.defs.has(operator) if is_onnx else hasattr(schema.BuiltinOperator, operator)
            assert known, f"{operator} is no operator of {artifact}"


def test_every_artifact_has_a_target_of_its_own() -> None:
    assert SHIPPED == ["edgetpu-like", "ort-cpu", "xnnpack-arm64"]
    for artifact in ARTIFACT_NAMES:
        assert artifact in read_target(default_target(artifact)).artifacts


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('name = "x"\nartifacts = ["onnx-fp32"]\nbased_on = ["y"]\n', "precision"),
        ('name = "x"\nartifacts = []\nbased_on = ["y"]\n', "artifacts"),
        ('name = "x"\nartifacts = ["onnx-fp64"]\nbased_on = ["y"]\n', "onnx-fp64"),
        ('name = "x"\nartifacts = ["onnx-fp32"]\nbased_on = ["y"]\n[fp32]\noperator = []\n', "operator"),
    ],
)
def test_wrong_targets_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        read_target(str(path))


def test_a_target_that_runs_nothing_of_the_bundle(opened_tiny: Bundle) -> None:
    with pytest.raises(UserError, match="none of the artifacts that edgetpu-like runs"):
        report_graphs(opened_tiny, read_target("edgetpu-like"))


def test_a_place_is_named_or_numbered(default_bundle: Path) -> None:
    graph: Graph = read_graph(path_of(default_bundle, "onnx-int8"), "onnx-int8")
    assert graph.place(graph.operators[0]) == graph.operators[0].outputs[0]
