"""Refuses of a TFLite file: other subgraphs, control flow, custom operators, indices and shapes that do not fit.

Numbers of fields, operators and types are those of TFLite's schema.fbs, which are promised never to change.

The FlatBuffers tables of a file that may be hostile are read with every offset checked and the work bounded.

The generated readers of ai-edge-litert trust their file, and tables of a damaged one may share so many parts that
walking them never ends. Layout: https://flatbuffers.dev/internals.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from waste_edge.engines.graph.graph import RefusedNetworkError

_WORK_PER_BYTE = 4  # a file of ours is walked with less than one step a byte
_MODEL_CODES, _MODEL_GRAPHS, _MODEL_BUFFERS, _MODEL_METADATA, _MODEL_SIGNATURES = 1, 2, 4, 6, 7
_MODEL_EXTERNAL = (8, 9)
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_OPERATORS = 0, 1, 2, 3
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER, _TENSOR_NAME, _TENSOR_QUANTIZATION, _TENSOR_SPARSITY = 0, 1, 2, 3, 4, 6
_SCALE, _ZERO_POINT, _DIMENSION = 2, 3, 6
_CODE_NARROW, _CODE_CUSTOM, _CODE_WIDE = 0, 1, 3
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS, _OPERATOR_OPTIONS = 0, 1, 2, 4
_BUFFER_DATA, _BUFFER_OFFSET, _BUFFER_SIZE = 0, 1, 2
# CALL, CUSTOM, EMBEDDING_LOOKUP_SPARSE, DELEGATE, IF, WHILE, CALL_ONCE, hash tables, variables.
_REFUSED_CODES = {31, 32, 33, 51, 118, 119, 129, 136, 137, 138, 139, 142, 143, 144}
_FIRST_STABLEHLO_CODE = 161  # from here on: operators of another dialect, some of which hold graphs
# Bits of a type's element, by its number; text, resources and variants have none.
_ITEM_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 8: 64, 9: 8, 10: 64, 12: 64, 15: 32, 16: 16, 17: 4, 18: 16}


class FlatBuffer:
    """One file. All methods raise ValueError or struct.error where it is not whole."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._left = _WORK_PER_BYTE * len(content) + 1000

    def root(self) -> Table:
        """The table that the file begins with."""
        return Table(self, self.number("<I", 0))

    def number(self, form: str, position: int) -> int:
        """One whole number, of a `struct` format, at a position."""
        if position < 0:
            raise ValueError(f"an offset of {position}")
        self._spend(1)
        return int(struct.unpack_from(form, self.content, position)[0])

    def vector(self, position: int, item_bytes: int) -> tuple[int, int]:
        """Read a vector's header: (position of its items, their number); `position` holds the offset to it."""
        start = position + self.number("<I", position)
        count = self.number("<I", start)
        if start + 4 + count * item_bytes > len(self.content):
            raise ValueError(f"{count} items at byte {start} go beyond the end")
        return start + 4, count

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise ValueError("its tables refer to each other without end")

    def numbers(self, start: int, count: int, form: str) -> tuple[int, ...]:
        """Read an array of numbers; `form` is one letter of `struct`."""
        self._spend(count)
        return struct.unpack_from(f"<{count}{form}", self.content, start)


class Table:
    """One table; fields by their number in the schema."""

    def __init__(self, buffer: FlatBuffer, position: int) -> None:
        self._buffer = buffer
        self._position = position
        self._vtable = position - buffer.number("<i", position)
        self._vtable_bytes = buffer.number("<H", self._vtable)

    def _field(self, index: int) -> int:
        """Find a field's position; 0 if it was left out."""
        slot = 4 + 2 * index
        if slot + 2 > self._vtable_bytes:
            return 0
        offset = self._buffer.number("<H", self._vtable + slot)
        return self._position + offset if offset else 0

    def number(self, index: int, form: str, default: int = 0) -> int:
        """A whole number; `form` is one letter of `struct`."""
        place = self._field(index)
        return self._buffer.number(f"<{form}", place) if place else default

    def table(self, index: int) -> Table | None:
        """Read a table; None if it is absent."""
        place = self._field(index)
        return Table(self._buffer, place + self._buffer.number("<I", place)) if place else None

    def tables(self, index: int) -> Iterator[Table]:
        """Each of a vector of tables."""
        place = self._field(index)
        if not place:
            return
        start, count = self._buffer.vector(place, 4)
        for slot in range(start, start + 4 * count, 4):
            yield Table(self._buffer, slot + self._buffer.number("<I", slot))

    def numbers(self, index: int, form: str) -> tuple[Any, ...]:
        """A vector of numbers; `form` is one letter of `struct`."""
        place = self._field(index)
        if not place:
            return ()
        start, count = self._buffer.vector(place, struct.calcsize(f"<{form}"))
        return self._buffer.numbers(start, count, form)

    def length(self, index: int) -> int:
        """Get the length of a vector of bytes or a text, in bytes."""
        place = self._field(index)
        return self._buffer.vector(place, 1)[1] if place else 0


def check_tflite(content: bytes, shape: tuple[int, ...], most_bytes: int) -> None:
    """Look through a TFLite file.

    Args:
        shape: of the input, NHWC.
        most_bytes: of a tensor that a layer makes.

    Raises:
        RefusedNetworkError: it holds what no network of ours does.
        ValueError, struct.error: it is not a whole TFLite file.
    """
    if content[4:8] != b"TFL3":
        raise ValueError("it does not begin as one")
    model = FlatBuffer(content).root()
    if any(True for field in _MODEL_EXTERNAL for _ in model.tables(field)):
        raise RefusedNetworkError("keeps weights in another file, which the manifest's checksum does not cover")
    graphs = list(model.tables(_MODEL_GRAPHS))
    if len(graphs) != 1:
        raise RefusedNetworkError(f"holds {len(graphs)} graphs instead of one")
    buffers = [_check_buffer(buffer, len(content)) for buffer in model.tables(_MODEL_BUFFERS)]
    codes = [_check_code(code) for code in model.tables(_MODEL_CODES)]
    shapes = [_check_tensor(tensor, buffers, most_bytes) for tensor in graphs[0].tables(_GRAPH_TENSORS)]
    for operator in graphs[0].tables(_GRAPH_OPERATORS):
        _check_index(operator.number(_OPERATOR_CODE, "I"), len(codes), "operator code")
        operator.table(_OPERATOR_OPTIONS)
        for index in operator.numbers(_OPERATOR_INPUTS, "i"):
            if index != -1:  # an optional input that is left out
                _check_index(index, len(shapes), "tensor")
        for index in operator.numbers(_OPERATOR_OUTPUTS, "i"):
            _check_index(index, len(shapes), "tensor")
    _check_ends(graphs[0], shapes, shape)
    for metadata in model.tables(_MODEL_METADATA):
        metadata.length(0)
        _check_index(metadata.number(1, "I"), len(buffers), "buffer")
    for signature in model.tables(_MODEL_SIGNATURES):
        for entry in [*signature.tables(0), *signature.tables(1)]:
            entry.length(0)
            _check_index(entry.number(1, "I"), len(shapes), "tensor")
        _check_index(signature.number(4, "I"), 1, "graph")


def _check_ends(graph: Table, shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> None:
    inputs, outputs = graph.numbers(_GRAPH_INPUTS, "i"), graph.numbers(_GRAPH_OUTPUTS, "i")
    for index in (*inputs, *outputs):
        _check_index(index, len(shapes), "tensor")
    if not outputs or [shapes[index] for index in inputs] != [shape]:
        found = ", ".join(str(list(shapes[index])) for index in inputs[:4])
        raise RefusedNetworkError(f"takes an input of shape {found or 'none'}, the manifest says {list(shape)}")


def _check_code(code: Table) -> int:
    # Codes above 127 are in the wide field, older files have the narrow one only.
    number = max(code.number(_CODE_WIDE, "i"), code.number(_CODE_NARROW, "b"))
    code.length(_CODE_CUSTOM)
    if not 0 <= number < _FIRST_STABLEHLO_CODE or number in _REFUSED_CODES:
        raise RefusedNetworkError(f"uses operator {number}: control flow, a variable, or an operator of its own")
    return number


def _check_buffer(buffer: Table, file_bytes: int) -> int:
    """Measure a buffer in bytes, in the tables or behind them."""
    offset, size = buffer.number(_BUFFER_OFFSET, "Q"), buffer.number(_BUFFER_SIZE, "Q")
    if offset > 1:
        if offset + size > file_bytes:
            raise ValueError(f"{size} bytes at {offset} go beyond the end")
        return size
    return buffer.length(_BUFFER_DATA)


def _check_tensor(tensor: Table, buffers: Sequence[int], most_bytes: int) -> tuple[int, ...]:
    """Check a tensor's shape."""
    shape = tensor.numbers(_TENSOR_SHAPE, "i")
    kind, buffer = tensor.number(_TENSOR_TYPE, "b"), tensor.number(_TENSOR_BUFFER, "I")
    tensor.length(_TENSOR_NAME)
    _check_index(buffer, len(buffers), "buffer")
    if kind not in _ITEM_BITS or len(shape) > 8 or any(size < 0 for size in shape):
        raise RefusedNetworkError(f"holds a tensor of type {kind} and shape {list(shape[:8])}")
    if tensor.table(_TENSOR_SPARSITY) is not None:
        raise RefusedNetworkError("holds sparse weights")
    length = (math.prod(shape) * _ITEM_BITS[kind] + 7) // 8
    if buffers[buffer] and buffers[buffer] != length:
        raise RefusedNetworkError(f"holds a tensor of shape {list(shape)} with other data than that takes")
    if not buffers[buffer] and length > most_bytes:
        raise RefusedNetworkError(f"makes a tensor of shape {list(shape)}, more than the manifest's input can need")
    _check_quantization(tensor.table(_TENSOR_QUANTIZATION), shape)
    return tuple(shape)


def _check_quantization(quantization: Table | None, shape: tuple[int, ...]) -> None:
    if quantization is None:
        return
    scales, zero_points = quantization.numbers(_SCALE, "f"), quantization.numbers(_ZERO_POINT, "q")
    dimension = quantization.number(_DIMENSION, "i")
    wanted = shape[dimension] if 0 <= dimension < len(shape) else 1
    if len(scales) not in (0, 1, wanted) or len(zero_points) not in (0, 1, len(scales)):
        raise RefusedNetworkError(f"has {len(scales)} scales for a tensor of shape {list(shape)}")
    if not all(0 <= scale < math.inf for scale in scales):
        raise RefusedNetworkError("has a scale that is not a number above 0")


def _check_index(index: int, count: int, what: str) -> None:
    if not 0 <= index < count:
        raise ValueError(f"{what} {index} of {count}")
