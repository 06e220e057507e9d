"""INT8 files with the ranges that quantization-aware training fixed: no calibration, no picture.

What was trained is handed to the quantizers tensor by tensor. Layers are matched by their order of computing, and
that the match is right is shown, not assumed: one picture of noise must give the same extremes at each activation of
the torch network and of the converted file, before a single range is handed over.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from ai_edge_litert import interpreter as litert
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from waste_edge.errors import WasteEdgeError
from waste_edge.export.quantization.ranges import Range
from waste_edge.training.networks import normalize
from waste_edge.training.quantization_aware.fake_quantization import (
    HIGHEST,
    LOWEST,
    FakeQuantized,
    TrainedRange,
    check_layers,
)

_PIXELS: Range = (-1.0, 127 / 128)  # scale 1/128: the camera's own levels
_TFLITE_COMPUTING = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MEAN", "SUM", "AVERAGE_POOL_2D"}
_ONNX_LAYERS = ("Conv", "Gemm", "MatMul", "Add")
_ONNX_POOLS = ("ReduceMean", "GlobalAveragePool", "AveragePool")


def onnx_ranges(model: onnx.ModelProto, network: nn.Module, trained: Sequence[TrainedRange]) -> dict[str, Range]:
    """The trained range of every activation of a float ONNX model (input (1, 3, H, W)), by tensor name.

    Args:
        model: the network as converted, before quantization.
        network: folded, in evaluation mode.
        trained: the run's ranges.

    Raises:
        RunError: the ranges are another network's.
        WasteEdgeError: the file's activations are not those of the network.
    """
    chains = _onnx_activations(model)
    names = [chain[-1] for chain in chains]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    noise = _noise(*entry.shape[2:])
    values = session.run(names, {entry.name: noise})
    ranges = _matched("ONNX", names, [_extremes(value) for value in values], network, noise, trained)
    # The quantizer asks for the range before a clipping too, though it then takes the clipping away.
    return {name: ranges[chain[-1]] for chain in chains for name in chain}


def tflite_ranges(content: bytes, network: nn.Module, trained: Sequence[TrainedRange]) -> dict[str, Range]:
    """The trained range of every activation of a float TFLite file (input (1, H, W, 3)), and its pixels', by name.

    Args and errors are those of `onnx_ranges`.
    """
    engine = litert.Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    engine.allocate_tensors()
    entry = engine.get_input_details()[0]
    noise = _noise(*entry["shape"][1:3])
    engine.set_tensor(entry["index"], np.ascontiguousarray(noise.transpose(0, 2, 3, 1)))
    engine.invoke()
    labels = {int(detail["index"]): str(detail["name"]) for detail in engine.get_tensor_details()}
    made = [int(op["outputs"][0]) for op in engine._get_ops_details() if op["op_name"] in _TFLITE_COMPUTING]
    found = [_extremes(engine.get_tensor(index)) for index in made]
    ranges = _matched("TFLite", [labels[index] for index in made], found, network, noise, trained)
    return {**ranges, str(entry["name"]): _PIXELS}


def _matched(
    kind: str,
    names: Sequence[str],
    found: Sequence[Range],
    network: nn.Module,
    noise: NDArray[np.float32],
    trained: Sequence[TrainedRange],
) -> dict[str, Range]:
    """Ranges by tensor name, after the file's activations proved to be the network's, one by one."""
    witness = FakeQuantized(network)
    check_layers(witness.layers, trained)
    expected = witness.watch([torch.from_numpy(noise)])
    if len(found) != len(expected) or not np.allclose(found, expected, rtol=1e-2, atol=1e-3):
        raise WasteEdgeError(
            f"{kind} conversion: the file's {len(found)} activations are not the {len(expected)} of the network, so "
            "trained ranges cannot be handed over; export a run that was trained without [quantize_aware]"
        )
    return {
        name: ((LOWEST - one.zero_point) * one.scale, (HIGHEST - one.zero_point) * one.scale)
        for name, one in zip(names, trained, strict=True)
    }


def _onnx_activations(model: onnx.ModelProto) -> list[list[str]]:
    """List each layer's and pool's output and those after its clipping or flattening; the last is the one kept."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    chains = []
    for node in model.graph.node:
        if node.op_type in (*_ONNX_LAYERS, *_ONNX_POOLS):
            followers = ("Clip", "Relu") if node.op_type in _ONNX_LAYERS else ("Reshape", "Flatten")
            chain = [node.output[0]]
            while len(users := readers.get(chain[-1], [])) == 1 and users[0].op_type in followers:
                chain.append(users[0].output[0])
            chains.append(chain)
    return chains


def _noise(height_px: int, width_px: int) -> NDArray[np.float32]:
    """One picture of noise, normalized, (1, 3, H, W)."""
    levels = np.random.default_rng(0).integers(0, 256, (1, 3, int(height_px), int(width_px)), dtype=np.uint8)
    return normalize(torch.from_numpy(levels)).numpy()


def _extremes(values: NDArray[np.float32]) -> Range:
    return float(values.min()), float(values.max())
