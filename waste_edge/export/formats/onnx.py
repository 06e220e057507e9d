"""torch to ONNX, FP32 and INT8. Input `pixels` uint8 (1, H, W, 3); outputs `logits`, `features` float32."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from waste_edge.export.formats.graphs import FromNormalized, FromPixels, Graphs, example_pixels
from waste_edge.export.formats.quiet import quiet
from waste_edge.export.formats.slim import slim_onnx
from waste_edge.export.quantization.calibrate import layers_of_onnx, run_onnx
from waste_edge.export.quantization.ranges import Range, find_ranges
from waste_edge.export.recipe import ExportRecipe
from waste_edge.files.atomic import write_atomically
from waste_edge.imaging.frames import Pixels
from waste_edge.training.networks import normalize

RangesOf = Callable[[onnx.ModelProto], dict[str, Range]]

_OPSET = 18
_OUTPUTS = ["logits", "features"]


def export_fp32(network: nn.Module, height_px: int, width_px: int, path: Path) -> None:
    """Write the FP32 file of a folded network."""
    model = _traced(FromPixels(network, channels_first=True), example_pixels(height_px, width_px))
    slim_onnx(model)
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString())


def scheme(recipe: ExportRecipe) -> str:
    """Describe a recipe's quantization scheme for the manifest."""
    weights = "INT8 of 7 bits" if recipe.onnx.reduce_range else "INT8"
    return f"static QDQ, activations {recipe.onnx.activations.upper()} per tensor, weights {weights} per channel"


def export_int8(
    network: nn.Module, size: tuple[int, int], ranges_of: RangesOf, recipe: ExportRecipe, path: Path
) -> Graphs:
    """Quantize a folded network and write the INT8 file.

    The pixels themselves are the quantized input (scale 1/128, zero point 128): one Transpose and no
    QuantizeLinear stands before the first convolution, unless activations are signed.

    Args:
        network: folded (and equalized, if the recipe says so), in evaluation mode.
        size: height and width in pixels.
        ranges_of: finds the range of every activation of the float model, by tensor name.
        recipe: layers to keep in FP32, and the ONNX options.
        path: the file to write.

    Returns:
        What was quantized and what came of it, for `debug`.
    """
    height_px, width_px = size
    example = normalize(example_pixels(height_px, width_px)).permute(0, 3, 1, 2).contiguous()
    with tempfile.TemporaryDirectory(prefix="waste-edge-onnx-") as name:
        source, ready = Path(name) / "float.onnx", Path(name) / "ready.onnx"
        source.write_bytes(_traced(FromNormalized(network, channels_first=True), example).SerializeToString())
        with quiet("ONNX quantization"):
            quant_pre_process(str(source), str(ready))
        floating = onnx.load(ready)
    ranges = ranges_of(floating)
    before = floating.SerializeToString()
    with quiet("ONNX quantization"):
        model = _quantized(floating, ranges, recipe)
    _take_pixels(model, height_px, width_px)
    after = model.SerializeToString()  # as the quantizer names its tensors, which `debug` compares by
    slim_onnx(model)
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString())
    return Graphs(before, after)


def ranges_from(pictures: Sequence[Pixels], recipe: ExportRecipe) -> RangesOf:
    """Ranges found by the recipe on prepared pictures, uint8 (H, W, 3) each."""
    inputs = [normalized_nchw(pixels) for pixels in pictures]
    return lambda model: find_ranges(lambda: run_onnx(model, inputs), recipe)


def normalized_nchw(pixels: Pixels) -> NDArray[np.float32]:
    """A prepared picture as the float graph takes it, (1, 3, H, W)."""
    values: NDArray[np.float32] = normalize(torch.from_numpy(pixels)).permute(2, 0, 1)[None].contiguous().numpy()
    return values


def _quantized(model: onnx.ModelProto, ranges: dict[str, Range], recipe: ExportRecipe) -> onnx.ModelProto:
    """A QDQ model; its input, still `pixels` in float, gets the range that is scale 1/128 exactly."""
    pinned = {**ranges, "pixels": (-1.0, 127 / 128)}
    limits = {name: (np.float32(low), np.float32(high)) for name, (low, high) in pinned.items()}
    tool = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=recipe.onnx.reduce_range,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8 if recipe.onnx.activations == "uint8" else QuantType.QInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, limits),
        nodes_to_quantize=[],
        nodes_to_exclude=_nodes_to_exclude(model, recipe.keep_fp32),
        op_types_to_quantize=sorted({*QDQRegistry, *QLinearOpsRegistry}),
        extra_options={},
    )
    tool.quantize_model()
    tool.model.topological_sort()
    quantized: onnx.ModelProto = tool.model.model
    return quantized


def _nodes_to_exclude(model: onnx.ModelProto, layers: list[str]) -> list[str]:
    """The nodes of the named layers, each with the clipping that follows it."""
    outputs = {output for output, layer in layers_of_onnx(model).items() if layer in layers}
    return [
        node.name
        for node in model.graph.node
        if outputs & set(node.output) or (node.op_type in ("Clip", "Relu") and node.input[0] in outputs)
    ]


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
    """Make the input uint8 NHWC, its scale pinned to 1/128.

    Where the first layer takes UINT8 the pixels, turned, are that layer's quantized input. Where it takes INT8, or
    stays in FP32, they are dequantized first.
    """
    graph = model.graph
    readers = [node for node in graph.node if "pixels" in node.input]
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, height_px, width_px, 3]))
    scale, zero = "pixels_pinned_scale", "pixels_pinned_zero_point"
    graph.initializer.append(helper.make_tensor(scale, TensorProto.FLOAT, [], [1 / 128]))
    graph.initializer.append(helper.make_tensor(zero, TensorProto.UINT8, [], [128]))
    turned, floats = "pixels_nchw", "pixels_normalized"
    quantize = readers[0] if len(readers) == 1 and readers[0].op_type == "QuantizeLinear" else None
    dequantize = next((node for node in graph.node if quantize and quantize.output[0] in node.input), None)
    if quantize and dequantize and _is_uint8(graph, quantize.input[2]):
        for value in [value for value in graph.value_info if value.name == quantize.output[0]]:
            graph.value_info.remove(value)
        dequantize.input[:] = [turned, scale, zero]
        unused = set(quantize.input[1:])
        graph.node.remove(quantize)
        still = {name for node in graph.node for name in node.input}
        for tensor in [tensor for tensor in graph.initializer if tensor.name in unused - still]:
            graph.initializer.remove(tensor)
    else:
        for node in readers:
            node.input[list(node.input).index("pixels")] = floats
        graph.node.insert(
            0, helper.make_node("DequantizeLinear", [turned, scale, zero], [floats], name="to_normalized")
        )
    graph.node.insert(0, helper.make_node("Transpose", ["pixels"], [turned], name="to_nchw", perm=[0, 3, 1, 2]))


def _is_uint8(graph: onnx.GraphProto, name: str) -> bool:
    return any(tensor.name == name and tensor.data_type == TensorProto.UINT8 for tensor in graph.initializer)
