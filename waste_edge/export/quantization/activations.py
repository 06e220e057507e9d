"""Activations of an exported graph, one picture after the other, by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert import interpreter as litert
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from waste_edge.errors import WasteEdgeError
from waste_edge.export.quantization.ranges import Activations

Inputs = Sequence[NDArray[Any]]  # a graph's input, one batch of one a picture
_TFLITE_LAYERS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
_ONNX_LAYERS = {"Conv", "Gemm", "MatMul"}


def run_onnx(model: onnx.ModelProto, inputs: Inputs) -> Iterator[Activations]:
    """Each picture's float tensors, the graph's input among them; the graph runs as written, nothing fused."""
    model = onnx.shape_inference.infer_shapes(model)  # a copy, ours to change
    floats = {
        value.name: value
        for value in [*model.graph.value_info, *model.graph.output]
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    made = [name for node in model.graph.node for name in node.output if name in floats]
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in made)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    for value in inputs:
        yield {given: value, **dict(zip(made, session.run(made, {given: value}), strict=True))}


def run_tflite(content: bytes, inputs: Inputs) -> Iterator[Activations]:
    """Each picture's tensors that an operator or the caller fills, in float; INT8 ones are dequantized."""
    engine = open_tflite(content)
    made = {int(index) for op in engine._get_ops_details() for index in op["outputs"]}
    entry = engine.get_input_details()[0]
    wanted = [d for d in engine.get_tensor_details() if d["index"] in made or d["index"] == entry["index"]]
    for value in inputs:
        engine.set_tensor(entry["index"], value)
        engine.invoke()
        yield {detail["name"]: _as_float(engine, detail) for detail in wanted}


def open_tflite(content: bytes) -> Any:
    """An interpreter that keeps every tensor and runs the operators as written, without a delegate."""
    engine = litert.Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    engine.allocate_tensors()
    return engine


def layers_of_network(network: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers by name, in the order they were defined, which is that of execution."""
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}


def layers_of_onnx(model: onnx.ModelProto) -> dict[str, str]:
    """From the output of a convolution or linear layer to its name: its weights still carry it."""
    found: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type in _ONNX_LAYERS and node.input[1].startswith("network."):
            found[node.output[0]] = node.input[1].removeprefix("network.").split(".weight")[0]
    return found


def layers_of_tflite(content: bytes, network: nn.Module) -> dict[str, str]:
    """From the output of a convolution or linear layer to its name; the converter keeps their order, not their names.

    Raises:
        WasteEdgeError: the layers in the file are not those of the network, by their number and their weights'.
    """
    engine, layers = open_tflite(content), layers_of_network(network)
    details = {int(detail["index"]): detail for detail in engine.get_tensor_details()}
    ops = [op for op in engine._get_ops_details() if op["op_name"] in _TFLITE_LAYERS]
    sizes = [int(np.prod(details[int(op["inputs"][1])]["shape"])) for op in ops]
    if sizes != [layer.weight.numel() for layer in layers.values()]:
        raise WasteEdgeError(
            "TFLite conversion: the file's layers cannot be matched with the network's; "
            "define the network's layers in the order they run"
        )
    return {str(details[int(op["outputs"][0])]["name"]): name for op, name in zip(ops, layers, strict=True)}


def _as_float(engine: Any, detail: dict[str, Any]) -> NDArray[np.float32]:
    values: NDArray[Any] = engine.get_tensor(detail["index"])
    if values.dtype != np.int8:
        return values.astype(np.float32)
    scale, zero_point = detail["quantization"]
    return np.asarray((values.astype(np.int32) - zero_point) * np.float32(scale), np.float32)
