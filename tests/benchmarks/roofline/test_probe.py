"""The probes compute what they claim to, so that their speed means something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from waste_edge.benchmarks.roofline.probe import fastest_s, memory_gb_per_s, peak_gmacs_per_s
from waste_edge.benchmarks.roofline.probe_networks import (
    CHANNELS,
    LAYERS,
    MACS,
    ONNX_SHAPE,
    TFLITE_SHAPE,
    onnx_network,
    tflite_network,
)
from waste_edge.engines.graph.costs import count_costs
from waste_edge.engines.graph.report import read_graph
from waste_edge.engines.names import EngineName, Precision
from waste_edge.engines.onnx import onnxruntime
from waste_edge.libraries import without_greeting


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("engine", ["onnx", "litert"])
def test_a_probe_costs_what_its_speed_is_divided_by(tmp_path: Path, engine: EngineName, precision: Precision) -> None:
    path = tmp_path / "probe"
    path.write_bytes(onnx_network(precision) if engine == "onnx" else tflite_network(precision))
    costs = count_costs(read_graph(path, f"{'onnx' if engine == 'onnx' else 'tflite'}-{precision}"))
    assert costs.macs == MACS
    assert len(costs.layers) == LAYERS
    assert costs.uncounted == ()


def test_both_engines_give_the_matrix_product() -> None:
    from ai_edge_litert.interpreter import Interpreter

    values = np.random.default_rng(0).standard_normal(ONNX_SHAPE).astype(np.float32)
    session = onnxruntime.InferenceSession(onnx_network("fp32"), providers=["CPUExecutionProvider"])
    from_onnx = session.run(None, {"x": values})[0].transpose(0, 2, 3, 1)
    with without_greeting():
        interpreter = Interpreter(model_content=tflite_network("fp32"))
        interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values.transpose(0, 2, 3, 1).copy())
    interpreter.invoke()
    from_litert = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert from_onnx.shape == TFLITE_SHAPE
    weights = (np.random.default_rng(0).standard_normal((CHANNELS, CHANNELS)) / np.sqrt(CHANNELS)).astype(np.float32)
    expected = values.transpose(0, 2, 3, 1)
    for _ in range(LAYERS):
        expected = expected @ weights.T
    np.testing.assert_allclose(from_onnx, expected, atol=1e-3)
    np.testing.assert_allclose(from_litert, expected, atol=1e-3)


def test_int8_probes_neither_vanish_nor_saturate() -> None:
    session = onnxruntime.InferenceSession(onnx_network("int8"), providers=["CPUExecutionProvider"])
    values = np.random.default_rng(0).integers(0, 256, ONNX_SHAPE).astype(np.uint8)
    out = session.run(None, {"x": values})[0]
    assert 10 < out.std() < 100


def test_peaks_are_plausible() -> None:
    """From a slow emulator to the largest server core: a wrong unit would be out by a thousand."""
    for engine in ("onnx", "litert"):
        for precision in ("fp32", "int8"):
            assert 0.05 < peak_gmacs_per_s(engine, precision, 1) < 5_000
    assert 0.05 < memory_gb_per_s(1 << 20, 1) < 2_000
    assert 0.05 < memory_gb_per_s(1 << 20, 2) < 2_000


def test_the_fastest_call_counts_and_the_first_never_does() -> None:
    moments = iter([0, 0, 5, 5, 7, 8, 20, 99])  # begun; start and end of three calls; is it time?
    calls = []
    taken_s = fastest_s(lambda: calls.append(1), calls=3, least_s=0.0, clock=lambda: next(moments))
    assert len(calls) == 4
    assert taken_s == pytest.approx(2e-9)
