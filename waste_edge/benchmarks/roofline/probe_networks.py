"""Small networks that keep an engine's best kernel busy: a chain of 1x1 convolutions, which is a matrix product.

Boards have neither the `onnx` package nor a converter, so the ONNX one is written in protobuf's wire format (field
numbers of onnx.proto) and the TFLite one with the schema that ai-edge-litert ships.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waste_edge.engines.names import Precision
from waste_edge.errors import MissingPackageError

SIDE_PX, CHANNELS, LAYERS = 14, 256, 4
MACS = SIDE_PX * SIDE_PX * CHANNELS * CHANNELS * LAYERS
ONNX_SHAPE, TFLITE_SHAPE = (1, CHANNELS, SIDE_PX, SIDE_PX), (1, SIDE_PX, SIDE_PX, CHANNELS)
_SCALE = 1 / 128
_FLOAT, _UINT8, _INT8, _INT32 = 1, 2, 3, 6  # onnx.proto's TensorProto.DataType
_ONNX_TYPES = {"float32": _FLOAT, "uint8": _UINT8, "int8": _INT8, "int32": _INT32}


def _weights(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw weights that keep values from vanishing or growing: denormal numbers are slow on some machines."""
    generator = np.random.default_rng(0)
    return np.asarray(generator.standard_normal(shape) / np.sqrt(CHANNELS), np.float32)


def onnx_network(precision: Precision) -> bytes:
    """Input and output `x`, `y`: float32, or uint8 with per-tensor scales, of `ONNX_SHAPE`."""
    int8 = precision == "int8"
    weights = _weights((CHANNELS, CHANNELS, 1, 1))
    constants: dict[str, NDArray[Any]] = {"w": weights}
    if int8:
        steps = np.clip(np.round(weights * 256), -127, 127).astype(np.int8)
        scale, zero = np.asarray(_SCALE, np.float32), np.asarray(128, np.uint8)
        constants = {
            "w": steps,
            "s": scale,
            "ws": np.asarray(1 / 256, np.float32),
            "z": zero,
            "wz": np.asarray(0, np.int8),
        }
    names = ["x", *(f"h{index}" for index in range(1, LAYERS)), "y"]
    nodes = b""
    for given, made in itertools.pairwise(names):
        inputs = [given, "s", "z", "w", "ws", "wz", "s", "z"] if int8 else [given, "w"]
        nodes += _field(1, _node("QLinearConv" if int8 else "Conv", inputs, made))
    values = "uint8" if int8 else "float32"
    graph = nodes + _field(2, b"probe")
    graph += b"".join(_field(5, _initializer(name, value)) for name, value in constants.items())
    graph += _field(11, _value("x", values)) + _field(12, _value("y", values))
    opset = _field(1, b"") + _number(2, 17)
    return _number(1, 9) + _field(7, graph) + _field(8, opset)


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _node(kind: str, inputs: list[str], output: str) -> bytes:
    return b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode()) + _field(4, kind.encode())


def _initializer(name: str, values: NDArray[Any]) -> bytes:
    dims = b"".join(_number(1, size) for size in values.shape)
    return dims + _number(2, _ONNX_TYPES[values.dtype.name]) + _field(8, name.encode()) + _field(9, values.tobytes())


def _value(name: str, kind: str) -> bytes:
    dims = b"".join(_field(1, _number(1, size)) for size in ONNX_SHAPE)
    tensor = _number(1, _ONNX_TYPES[kind]) + _field(2, dims)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def tflite_network(precision: Precision) -> bytes:
    """One input and one output of `TFLITE_SHAPE`, float32 or int8.

    Raises:
        MissingPackageError: ai-edge-litert is not installed (tflite-runtime brings no schema).
    """
    try:
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise MissingPackageError(
            "the probe for LiteRT is made with the schema of ai-edge-litert, which is not installed; "
            "pip install ai-edge-litert"
        ) from error
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(_tflite_model(schema, precision == "int8").Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tflite_model(schema: Any, int8: bool) -> Any:
    weights, bias = _weights((CHANNELS, 1, 1, CHANNELS)), np.zeros(CHANNELS, np.int32 if int8 else np.float32)
    steps = np.clip(np.round(weights * 256), -127, 127).astype(np.int8) if int8 else weights
    kind = schema.TensorType.INT8 if int8 else schema.TensorType.FLOAT32
    bias_kind = schema.TensorType.INT32 if int8 else schema.TensorType.FLOAT32
    tensors = [
        _tflite_tensor(schema, "w", steps.shape, kind, 1, 1 / 256 if int8 else None),
        _tflite_tensor(schema, "b", bias.shape, bias_kind, 2, _SCALE / 256 if int8 else None),
    ]
    activations = range(2, 3 + LAYERS)
    tensors += [_tflite_tensor(schema, f"h{i}", TFLITE_SHAPE, kind, 0, _SCALE if int8 else None) for i in activations]
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = tensors, [2], [2 + LAYERS]
    graph.operators = [_tflite_conv(schema, given) for given in activations[:-1]]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 3 if int8 else 1
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [_tflite_buffer(schema, values) for values in (None, steps, bias)]
    return model


def _tflite_tensor(schema: Any, name: str, shape: tuple[int, ...], kind: int, buffer: int, scale: float | None) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), list(shape), kind, buffer
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
    return tensor


def _tflite_conv(schema: Any, given: int) -> Any:
    options = schema.Conv2DOptionsT()
    options.strideW = options.strideH = options.dilationWFactor = options.dilationHFactor = 1
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [given, 0, 1], [given + 1]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.Conv2DOptions, options
    return operator


def _tflite_buffer(schema: Any, values: NDArray[Any] | None) -> Any:
    buffer = schema.BufferT()
    if values is not None:
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    return buffer
