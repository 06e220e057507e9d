"""torch to ONNX, FP32 and INT8. Input `pixels` uint8 (1, H, W, 3); outputs `logits`, `features` float32."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from waste_edge.export.graphs import FromNormalized, FromPixels, example_pixels
from waste_edge.export.quiet import quiet
from waste_edge.export.slim_onnx import slim_onnx
from waste_edge.files import write_atomically
from waste_edge.frames import Pixels
from waste_edge.training.networks import normalize

SCHEME = "static QDQ, activations UINT8 per tensor, weights INT8 per channel, MinMax"
_OPSET = 18
_OUTPUTS = ["logits", "features"]


def export_fp32(network: nn.Module, height_px: int, width_px: int, path: Path) -> None:
    """Write the FP32 file of a folded network."""
    model = _traced(FromPixels(network, channels_first=True), example_pixels(height_px, width_px))
    slim_onnx(model)
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString())


def export_int8(network: nn.Module, calibration: list[Pixels], path: Path) -> None:
    """Quantize a folded network and write the INT8 file.

    The pixels themselves are the quantized input (scale 1/128, zero point 128): one Transpose and no
    QuantizeLinear stands before the first convolution.

    Args:
        network: folded, in evaluation mode.
        calibration: prepared training pictures, uint8 (H, W, 3) each.
        path: the file to write.
    """
    height_px, width_px = calibration[0].shape[:2]
    example = normalize(example_pixels(height_px, width_px)).permute(0, 3, 1, 2).contiguous()
    with tempfile.TemporaryDirectory(prefix="waste-edge-onnx-") as name:
        folder = Path(name)
        floating = _traced(FromNormalized(network, channels_first=True), example)
        (folder / "float.onnx").write_bytes(floating.SerializeToString())
        with quiet("ONNX quantization"):
            quant_pre_process(str(folder / "float.onnx"), str(folder / "ready.onnx"))
            quantize_static(
                str(folder / "ready.onnx"),
                str(folder / "int8.onnx"),
                _Pictures(calibration),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
            )
        model = onnx.load(folder / "int8.onnx")
    _take_pixels(model, height_px, width_px)
    slim_onnx(model)
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString())


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # the base class is untyped
    """Calibration pictures one by one, normalized as the graph would."""

    def __init__(self, pictures: list[Pixels]) -> None:
        self._values = iter(pictures)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        pixels = next(self._values, None)
        if pixels is None:
            return None
        return {"pixels": normalize(torch.from_numpy(pixels)).permute(2, 0, 1)[None].contiguous().numpy()}


def _traced(module: nn.Module, example: torch.Tensor) -> onnx.ModelProto:
    """An ONNX model, optimized, without the paths and traces of the machine that made it."""
    with quiet("ONNX export"):
        program = torch.onnx.export(
            module.eval(),
            (example,),
            input_names=["pixels"],
            output_names=_OUTPUTS,
            opset_version=_OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None  # dynamo=True always gives a program
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    _pool_globally(model)
    return model


def _pool_globally(model: onnx.ModelProto) -> None:
    """Turn a mean over both sides of the picture into GlobalAveragePool, which ONNX Runtime computes in INT8.

    ReduceMean it would leave in float, with a conversion before and after.
    """
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "ReduceMean" or len(node.input) != 2 or node.input[1] not in values:
            continue
        keeps = next((attribute.i for attribute in node.attribute if attribute.name == "keepdims"), 1)
        if keeps and {int(axis) % 4 for axis in values[node.input[1]]} == {2, 3}:  # our feature maps have four axes
            node.op_type = "GlobalAveragePool"
            del node.input[1:]
            del node.attribute[:]
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)


def _take_pixels(model: onnx.ModelProto, height_px: int, width_px: int) -> None:
    """Replace `float input -> QuantizeLinear` by `uint8 NHWC input -> Transpose`, scale pinned to 1/128."""
    graph = model.graph
    quantize = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "pixels")
    quantized = quantize.output[0]
    dequantize = next(node for node in graph.node if quantized in node.input)
    graph.node.remove(quantize)
    graph.node.insert(0, helper.make_node("Transpose", ["pixels"], [quantized], name="to_nchw", perm=[0, 3, 1, 2]))
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, height_px, width_px, 3]))
    # The quantizer's own scale is the range its pictures happened to have; nothing else uses these two.
    pinned = {
        dequantize.input[1]: helper.make_tensor(dequantize.input[1], TensorProto.FLOAT, [], [1 / 128]),
        dequantize.input[2]: helper.make_tensor(dequantize.input[2], TensorProto.UINT8, [], [128]),
    }
    for tensor in graph.initializer:
        if tensor.name in pinned:
            tensor.CopyFrom(pinned[tensor.name])
    for value in [value for value in graph.value_info if value.name == quantized]:
        graph.value_info.remove(value)
