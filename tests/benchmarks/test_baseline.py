"""Plain loops against the engines, for any file, and as the floor under ours."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.conftest import tiny_network
from waste_edge.benchmarks.baseline import PlainLiteRt, PlainOnnx, as_input, inputs_for, open_plain, picture_size
from waste_edge.benchmarks.candidates import load_field
from waste_edge.benchmarks.measure import take_turns
from waste_edge.benchmarks.scenario import Scenario, quick
from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.engines.engine import load_engine
from waste_edge.engines.names import ENGINES
from waste_edge.errors import BundleError, MissingPackageError

QUICK = Scenario(seconds=0.05, least_samples=3, loads=1, pictures=2)


def ignore(what: str, done: int, total: int) -> None:
    pass


def network(path: Path, shape: list[object], kind: str = "FLOAT") -> Path:
    """An ONNX file that gives back what it takes."""
    from onnx import TensorProto, helper

    told = getattr(TensorProto, kind)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "echo",
        [helper.make_tensor_value_info("x", told, shape)],
        [helper.make_tensor_value_info("y", told, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "size", "dtype"),
    [
        (["batch", 3, 40, 48], "FLOAT", (48, 40), np.float32),
        ([1, 40, 48, 3], "UINT8", (48, 40), np.uint8),
        ([1, 40, 48, 3], "INT8", (48, 40), np.int8),
        ([1, 3, 40, 48], "FLOAT16", (48, 40), np.float16),
        ([1, 128], "FLOAT", None, np.float32),
    ],
)
def test_any_file_gets_what_it_takes(
    tmp_path: Path, shape: list[object], kind: str, size: tuple[int, int] | None, dtype: type
) -> None:
    plain = open_plain(network(tmp_path / "a.onnx", shape, kind), 1)
    assert picture_size(plain) == size
    first, second = (values[0] for values in inputs_for(plain, 2, 0))
    assert first.dtype == dtype
    assert first.shape == (1, *shape[1:])
    assert first.astype(float).std() > 0
    assert not np.array_equal(first, second)
    assert np.array_equal(plain.infer([first])[0], first)


def test_pictures_come_in_the_layout_and_range_asked_for() -> None:
    picture = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    chw = as_input(picture, (1, 3, 2, 4), np.dtype(np.float32))
    assert chw[0, 1, 0, 2] == (picture[0, 2, 1] - 128.0) / 128
    assert as_input(picture, (1, 2, 4, 3), np.dtype(np.int8))[0, 1, 3, 0] == int(picture[1, 3, 0]) - 128


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [(["n", 3, "h", "w"], "FLOAT", "export it with a fixed size"), ([1, 4], "INT64", "an input is int64")],
)
def test_what_cannot_be_guessed_is_refused(tmp_path: Path, shape: list[object], kind: str, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        open_plain(network(tmp_path / "a.onnx", shape, kind), 1)


@pytest.mark.parametrize("name", ["a.onnx", "a.tflite"])
def test_a_damaged_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no network")
    with pytest.raises(BundleError, match="cannot load it"):
        open_plain(tmp_path / name, 1)


def test_files_beside_bundles_are_rows(tmp_path: Path, opened_tiny: Bundle, default_bundle: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(tiny_network(quantized=False))
    files = [tmp_path / "tiny.onnx", default_bundle / "model-int8.tflite"]
    field = load_field([opened_tiny, opened_tiny, *files], QUICK)
    assert [subject.name for subject in field.subjects] == ["tiny", "tiny#2", "tiny.onnx", "model-int8.tflite"]
    assert [subject.input_px for subject in field.subjects[2:]] == [(16, 16), (192, 192)]
    keys = [one.key for one in field.candidates]
    assert keys[-2:] == ["tiny.onnx/tiny.onnx/onnx/1/bare", "model-int8.tflite/model-int8.tflite/litert/1/bare"]
    found = take_turns(field.candidates, QUICK, lambda: None, ignore)
    assert all(one.samples >= 3 for one in found.values())
    assert len(set(keys)) == len(keys)


def test_a_file_whose_engine_is_missing_is_a_row(
    tmp_path: Path, opened_tiny: Bundle, default_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "litert", replace(ENGINES["litert"], modules=("no_such_package",)))
    field = load_field([opened_tiny, default_bundle / "model-int8.tflite"], QUICK)
    row = next(row for row in field.absent if row.subject == "model-int8.tflite")
    assert (row.status, "pip install ai-edge-litert" in row.reason) == ("not installed", True)
    with pytest.raises(MissingPackageError, match="nothing to measure"):
        load_field([default_bundle / "model-int8.tflite"], QUICK)


def test_ours_come_first_and_each_has_its_bare_twin(default_bundle: Path) -> None:
    with open_bundle(default_bundle) as bundle:
        scenario = Scenario(threads=[1, 2], loads=1, pictures=2)
        candidates = load_field([bundle], scenario).candidates
    ours, bare = candidates[:8], candidates[8:]
    assert [one.row.kind for one in candidates] == ["ours"] * 8 + ["bare"] * 8
    assert [one.key.removesuffix("ours") for one in ours] == [one.key.removesuffix("bare") for one in bare]
    assert [one.row.threads for one in ours] == [1, 2] * 4


@pytest.mark.parametrize("name", ["onnx-fp32", "tflite-fp32"])
def test_a_bare_row_asks_the_same_question(default_bundle: Path, name: str) -> None:
    """The same pixels in, the same logits out, and nothing but the engine's own calls between."""
    with open_bundle(default_bundle) as bundle:
        network = bundle.artifact(name)  # type: ignore[arg-type]
        plain = open_plain(network, 1)
        picture = np.random.default_rng(0).integers(0, 256, (192, 192, 3), np.uint8)
        expected = load_engine(network, name, bundle.manifest).infer(picture)  # type: ignore[arg-type]
        (values,) = inputs_for(plain, 1, 0, picture[np.newaxis])
    answers = {answer.size: answer.reshape(-1) for answer in plain.infer(values)}
    assert np.allclose(answers[expected.logits.size], expected.logits, atol=1e-4)
    assert np.allclose(answers[expected.features.size], expected.features, atol=1e-4)


# The ten-line loops, written against the engines directly, as anybody would.


def ten_lines_of_onnx(path: Path, values: list[np.ndarray]) -> float:
    from waste_edge.engines.onnx import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    started = time.thread_time_ns()
    for value in values:
        session.run(None, {name: value})
    return (time.thread_time_ns() - started) / len(values)


def ten_lines_of_litert(path: Path, values: list[np.ndarray]) -> float:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    entry, exits = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()
    started = time.thread_time_ns()
    for value in values:
        interpreter.set_tensor(entry, value)
        interpreter.invoke()
        answers = [interpreter.get_tensor(detail["index"]) for detail in exits]
    assert len(answers) == 2
    return (time.thread_time_ns() - started) / len(values)


@pytest.mark.long
@pytest.mark.parametrize("file", ["model-fp32.onnx", "model-int8.onnx", "model-fp32.tflite", "model-int8.tflite"])
def test_bare_rows_are_within_five_percent_of_ten_lines(default_bundle: Path, file: str) -> None:
    """In turns, and in CPU time, so that other work on the machine does not decide."""
    path = default_bundle / file
    plain = PlainOnnx(path, 1) if path.suffix == ".onnx" else PlainLiteRt(path, 1)
    values = inputs_for(plain, 16, 0)
    ten_lines = ten_lines_of_onnx if path.suffix == ".onnx" else ten_lines_of_litert
    ratios = []
    for _ in range(41):
        started = time.thread_time_ns()
        for value in values:
            plain.infer(value)
        bare_ns = (time.thread_time_ns() - started) / len(values)
        ratios.append(bare_ns / ten_lines(path, [value[0] for value in values]))
    assert 0.95 <= float(np.median(ratios[1:])) <= 1.05


def test_quick_is_the_default() -> None:
    """But for the part that watches a camera, which a record from before it does not have."""
    assert quick() == msgspec.structs.replace(Scenario(), live_seconds=quick().live_seconds)
