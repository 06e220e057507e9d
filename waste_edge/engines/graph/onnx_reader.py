"""Reads an ONNX file: protobuf's wire format and the dozen fields of ONNX's schema that matter here.

The `onnx` package would do it too, but boards do not have it, and the device side must not import it. Field
numbers are those of onnx.proto, which are promised never to change.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from waste_edge.bundle.files import NetworkFile
from waste_edge.engines.graph.graph import Attribute, ByteCount, Graph, Operator, Tensor
from waste_edge.errors import BundleError

_TYPES = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}
_MODEL_GRAPH, _MODEL_TEXTS, _MODEL_PROPERTIES = 7, {2, 3, 4, 6}, 14
_GRAPH_NODE, _GRAPH_NAME, _GRAPH_INITIALIZER, _GRAPH_TEXT = 1, 2, 5, 10
_GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE, _GRAPH_PROPERTIES = 11, 12, 13, 16
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_KIND, _NODE_ATTRIBUTE, _NODE_TEXT, _NODE_DOMAIN = 1, 2, 3, 4, 5, 6, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_NUMBER, _ATTRIBUTE_WORD, _ATTRIBUTE_NUMBERS = 1, 3, 4, 8
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_TENSOR_FLOATS, _TENSOR_INTS = 4, {5, 7, 11}
_LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}

_VARINT_BITS = 70  # ten bytes of seven

Field = tuple[int, int | bytes]


@dataclass(frozen=True)
class _Initializer:
    tensor: Tensor
    data_bytes: int
    scalar: float | None


def read_onnx(network: NetworkFile) -> Graph:
    """See `reading.read_graph`. Tensors are keyed by their name."""
    path, content = network.path, network.content
    try:
        return _OnnxReader(content).graph()
    except (struct.error, IndexError, ValueError, TypeError, KeyError) as error:
        raise BundleError(f"{path}: not a whole ONNX file ({error}); export or copy the bundle again") from error


class _OnnxReader:
    """One file. Texts are counted as they are met; what is neither text nor data is structure."""

    def __init__(self, content: bytes) -> None:
        self._size = len(content)
        self._names = 0
        model = list(fields(content))
        graphs = [value for number, value in model if number == _MODEL_GRAPH]
        if len(graphs) != 1:
            raise ValueError(f"{len(graphs)} graphs")
        for number, value in model:
            if number in _MODEL_TEXTS or number == _MODEL_PROPERTIES:
                self._names += len(_bytes(value))
        self._fields = list(fields(_bytes(graphs[0])))

    def graph(self) -> Graph:
        operators = tuple(self._operator(value) for value in self._all(_GRAPH_NODE))
        initializers = [self._initializer(value) for value in self._all(_GRAPH_INITIALIZER)]
        inputs, outputs, values = (
            [self._value(one) for one in self._all(number)] for number in (_GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE)
        )
        for number in (_GRAPH_NAME, _GRAPH_TEXT, _GRAPH_PROPERTIES):
            self._names += sum(len(value) for value in self._all(number))
        constants = {one.tensor.name: one for one in initializers}
        if not inputs or not operators:
            raise ValueError("no input or no operator")
        tensors = {name: Tensor(name, "", (), False) for operator in operators for name in operator.outputs}
        tensors |= {tensor.name: tensor for tensor in [*values, *outputs, *inputs]}
        tensors |= {name: one.tensor for name, one in constants.items()}
        return Graph(
            operators=operators,
            tensors=_with_quantization(tensors, operators, constants),
            inputs=tuple(tensor.name for tensor in inputs if tensor.name not in constants),
            outputs=tuple(tensor.name for tensor in outputs),
            size=self._byte_count(operators, initializers),
        )

    def _all(self, wanted: int) -> list[bytes]:
        return [_bytes(value) for number, value in self._fields if number == wanted]

    def _text(self, value: int | bytes) -> str:
        self._names += len(_bytes(value))
        return _bytes(value).decode()

    def _operator(self, content: bytes) -> Operator:
        inputs: list[str] = []
        outputs: list[str] = []
        attributes: dict[str, Attribute] = {}
        kind = domain = ""
        for number, value in fields(content):
            if number == _NODE_INPUT:
                inputs.append(self._text(value))
            elif number == _NODE_OUTPUT:
                outputs.append(self._text(value))
            elif number == _NODE_KIND:
                kind = self._text(value)
            elif number == _NODE_DOMAIN:
                domain = self._text(value)
            elif number == _NODE_ATTRIBUTE:
                attributes |= _attribute(_bytes(value))
            elif number in (_NODE_NAME, _NODE_TEXT):
                self._text(value)
        if domain not in ("", "ai.onnx"):
            kind = f"{domain}.{kind}"
        return Operator(kind, tuple(name for name in inputs if name), tuple(outputs), attributes)

    def _value(self, content: bytes) -> Tensor:
        """A ValueInfoProto: name 1, type 2 -> tensor_type 1 -> elem_type 1, shape 2 -> dim 1 -> dim_value 1."""
        given = dict(fields(content))
        kind = dict(fields(_bytes(dict(fields(_bytes(given.get(2, b"")))).get(1, b""))))
        sizes = [dict(fields(_bytes(one))).get(1, 1) for number, one in fields(_bytes(kind.get(2, b""))) if number == 1]
        shape = tuple(size if isinstance(size, int) else 1 for size in sizes)
        return Tensor(self._text(given[1]), _TYPES.get(_int(kind.get(1, 0)), "unknown"), shape, False)

    def _initializer(self, content: bytes) -> _Initializer:
        dims: list[int] = []
        name, kind, data = "", "unknown", b""
        scalar: float | None = None
        for number, value in fields(content):
            if number == _TENSOR_DIMS:
                dims += [value] if isinstance(value, int) else varints(value)
            elif number == _TENSOR_TYPE:
                kind = _TYPES.get(_int(value), "unknown")
            elif number == _TENSOR_NAME:
                name = self._text(value)
            elif number in (_TENSOR_RAW, _TENSOR_FLOATS) or number in _TENSOR_INTS:
                data = value.to_bytes(1, "little") if isinstance(value, int) else value
                scalar = _scalar(data, kind, packed=number in _TENSOR_INTS)
        tensor = Tensor(name, kind, tuple(dims), True)
        return _Initializer(tensor, len(data), scalar if tensor.elements == 1 else None)

    def _byte_count(self, operators: tuple[Operator, ...], initializers: list[_Initializer]) -> ByteCount:
        roles = _roles(operators)
        totals = dict.fromkeys(ByteCount.__struct_fields__, 0)
        for one in initializers:
            totals[roles.get(one.tensor.name, "constants")] += one.data_bytes
        totals["names"] = self._names
        totals["structure"] = self._size - sum(totals.values())
        return ByteCount(**totals)


def fields(content: bytes) -> Iterator[Field]:
    """Field numbers and values of one message: integers, or bytes for texts, messages, packed numbers, floats."""
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(content, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(content, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {position}")
        if position + length > len(content):
            raise ValueError(f"cut off at byte {len(content)}")
        yield number, content[position : position + length]
        position += length


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if shift > _VARINT_BITS:
            raise ValueError(f"a number of more than 64 bits at byte {position}")
        if byte < 0x80:
            return value, position


def varints(content: bytes) -> list[int]:
    """Read packed whole numbers."""
    values: list[int] = []
    position = 0
    while position < len(content):
        value, position = _varint(content, position)
        values.append(value)
    return values


def _attribute(content: bytes) -> dict[str, Attribute]:
    """One AttributeProto under its name, if it is a whole number, some of them, or a word; else nothing."""
    name, word = "", ""
    numbers: list[int] = []
    for number, value in fields(content):
        if number == _ATTRIBUTE_NAME:
            name = _bytes(value).decode()
        elif number == _ATTRIBUTE_WORD:
            word = _bytes(value).decode("utf-8", "replace")
        elif number in (_ATTRIBUTE_NUMBER, _ATTRIBUTE_NUMBERS):
            numbers += [value] if isinstance(value, int) else varints(value)
    if word:
        return {name: word}
    return {name: tuple(value - (1 << 64) if value >> 63 else value for value in numbers)} if numbers else {}


def _scalar(data: bytes, kind: str, packed: bool) -> float | None:
    """The first number, of the few types that scales and zero points have."""
    if not data:
        return None
    if packed:
        return float(varints(data)[0])
    formats = {"float32": "<f", "uint8": "<B", "int8": "<b", "int32": "<i", "int64": "<q"}
    if kind not in formats:
        return None
    return float(struct.unpack_from(formats[kind], data)[0])


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("a message where a number should be")
    return value


def _with_quantization(
    tensors: dict[str, Tensor], operators: tuple[Operator, ...], constants: dict[str, _Initializer]
) -> dict[str, Tensor]:
    """Scales and zero points as TFLite has them, on the quantized tensor itself."""
    described = dict(tensors)
    for operator in operators:
        if operator.kind != "DequantizeLinear" or operator.inputs[0] not in tensors:
            continue
        scale = constants[operator.inputs[1]].scalar if operator.inputs[1] in constants else None
        zero_point = constants[operator.inputs[2]].scalar if operator.inputs[2:] else 0.0
        tensor = tensors[operator.inputs[0]]
        if scale is not None and zero_point is not None:
            described[operator.inputs[0]] = Tensor(
                tensor.name, tensor.dtype, tensor.shape, tensor.constant, scale, int(zero_point)
            )
    return described


def _roles(operators: tuple[Operator, ...]) -> dict[str, str]:
    """Find each initializer's role, directly or through the DequantizeLinear that reads it."""
    roles: dict[str, str] = {}
    for operator in operators:
        if operator.kind in _LAYERS:
            roles |= zip(operator.inputs[1:3], ("weights", "biases"), strict=False)
    for operator in operators:
        if operator.kind in ("DequantizeLinear", "QuantizeLinear"):
            if operator.outputs[0] in roles:
                roles[operator.inputs[0]] = roles[operator.outputs[0]]
            roles |= zip(operator.inputs[1:3], ("scales", "zero_points"), strict=False)
    return roles
