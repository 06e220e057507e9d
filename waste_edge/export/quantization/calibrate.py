"""Calibration of INT8 ranges: the training pictures that set them, and each layer's activations for these."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert import interpreter as litert
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from waste_edge.dataset import Dataset, Photo, stratified
from waste_edge.errors import DataError, WasteEdgeError
from waste_edge.export.quantization.ranges import Activations
from waste_edge.export.recipe import ExportRecipe
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec, prepare

_FLAT_LEVELS = 3  # of 255, in every channel: sensor noise and JPEG leave about so much on black
Inputs = Sequence[NDArray[Any]]  # a graph's input, one batch of one a picture
_TFLITE_LAYERS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
_ONNX_LAYERS = {"Conv", "Gemm", "MatMul"}


def choose_calibration(
    dataset: Dataset, training: Sequence[Photo], held_out: Sequence[Photo], recipe: ExportRecipe
) -> list[Photo]:
    """The recipe's number of training pictures, the labels in turn.

    Args:
        dataset: all of the run's pictures.
        training: its training part.
        held_out: its validation and test parts, which must never set a range.
        recipe: how many, and the seed.

    Raises:
        DataError: the training part holds fewer, or shares a picture or an object with the held-out parts.
    """
    kept_back, objects = {photo.key for photo in held_out}, {photo.group for photo in held_out}
    for photo in training:
        if photo.key in kept_back or photo.group in objects:
            raise DataError(
                f"{photo.path}: meant for calibration, but it (or its object) is in the evaluation part; "
                "calibrate on training pictures only"
            )
    if len(training) < recipe.calibration_pictures:
        raise DataError(
            f"{dataset.root}: {len(training)} training pictures, calibration needs {recipe.calibration_pictures}; "
            "add pictures, or lower calibration_pictures in the export recipe"
        )
    return stratified(dataset, training, recipe.calibration_pictures, recipe.calibration_seed)


def check_not_blank(pictures: Sequence[Pixels], photos: Sequence[Photo]) -> None:
    """Refuse a calibration set that shows nothing: ranges taken from it would cut off every real picture.

    Raises:
        DataError: more than half of the pictures hold a single colour.
    """
    blank = [
        photo
        for photo, pixels in zip(photos, pictures, strict=True)
        if int(np.ptp(pixels, axis=(0, 1)).max()) <= _FLAT_LEVELS
    ]
    if 2 * len(blank) > len(photos):
        raise DataError(
            f"{blank[0].path} and {len(blank) - 1} more of {len(photos)} calibration pictures show a single colour "
            "(a covered lens?); remove them from --data and train again, or choose another calibration_seed"
        )


def prepared(photos: Sequence[Photo], spec: InputSpec) -> list[Pixels]:
    """The very pixels a device would hand over, uint8 (H, W, 3) each."""
    return [prepare(photo.pixels(), spec) for photo in photos]


def fingerprint(photos: Sequence[Photo]) -> str:
    """SHA-256 over the pictures' keys and contents, in their order."""
    total = hashlib.sha256()
    for photo in photos:
        total.update(f"{photo.key}\0{photo.sha256()}\n".encode())
    return total.hexdigest()


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
