"""Refuses of an ONNX file: data in other files, subgraphs, functions, tensors larger than the file or the manifest."""

from __future__ import annotations

import math
from collections.abc import Iterator

from waste_edge.engines.graph.graph import RefusedNetworkError
from waste_edge.engines.graph.onnx_reader import fields, varints

_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_VALUES, _GRAPH_SPARSE = 1, 5, 11, (11, 12, 13), 15
_NODE_KIND, _NODE_ATTRIBUTE = 4, 5
_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = 5, 10, (6, 11), (22, 23)
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_EXTERNAL, _TENSOR_LOCATION, _TENSOR_RAW = 1, 2, 13, 14, 9
_TENSOR_DATA = (4, 5, 6, 7, 9, 10, 11)
_CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}
_ITEM_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2}


def check_onnx(content: bytes, shape: tuple[int, ...], most_bytes: int) -> None:
    """Look through an ONNX file.

    Args:
        shape: of the input, NHWC.
        most_bytes: of a tensor that a layer makes.

    Raises:
        RefusedNetworkError: it holds what no network of ours does.
        ValueError, IndexError: it is not a whole ONNX file.
    """
    model = list(fields(content))
    if any(number == _MODEL_FUNCTIONS for number, _ in model):
        raise RefusedNetworkError("defines functions of its own")
    if any(number == _MODEL_TRAINING for number, _ in model):
        raise RefusedNetworkError("carries training steps")
    graphs = [value for number, value in model if number == _MODEL_GRAPH]
    if len(graphs) != 1:
        raise ValueError(f"{len(graphs)} graphs")
    graph = list(fields(_bytes(graphs[0])))
    if any(number == _GRAPH_SPARSE for number, _ in graph):
        raise RefusedNetworkError("holds sparse weights")
    constants = {_check_tensor(_bytes(value)) for number, value in graph if number == _GRAPH_INITIALIZER}
    for number, value in graph:
        if number == _GRAPH_NODE:
            _check_node(_bytes(value))
        elif number in _GRAPH_VALUES:
            _check_value(_bytes(value), number == _GRAPH_INPUT, constants, shape, most_bytes)


def _check_node(content: bytes) -> None:
    node = list(fields(content))
    kind = next((_bytes(value).decode("utf-8", "replace") for number, value in node if number == _NODE_KIND), "")
    if kind in _CONTROL_FLOW:
        raise RefusedNetworkError(f"decides while it runs what it computes ({kind})")
    for number, value in node:
        if number != _NODE_ATTRIBUTE:
            continue
        for inner, given in fields(_bytes(value)):
            if inner in _ATTRIBUTE_GRAPHS:
                raise RefusedNetworkError(f"decides while it runs what it computes ({kind} holds another graph)")
            if inner in _ATTRIBUTE_SPARSE:
                raise RefusedNetworkError("holds sparse weights")
            if inner in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                _check_tensor(_bytes(given))


def _check_tensor(content: bytes) -> str:
    """Check a tensor's name, and that its data are in it and as large as its shape says."""
    dims: list[int] = []
    kind, held, raw, name = 0, 0, None, ""
    for number, value in fields(content):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0):
            raise RefusedNetworkError("keeps weights in another file, which the manifest's checksum does not cover")
        if number == _TENSOR_DIMS:
            dims += [value] if isinstance(value, int) else varints(value)
        elif number == _TENSOR_TYPE:
            kind = value if isinstance(value, int) else 0
        elif number == 8:
            name = _bytes(value).decode("utf-8", "replace")
        elif number in _TENSOR_DATA:
            length = 1 if isinstance(value, int) else max(1, len(value))
            held += length
            raw = (raw or 0) + len(_bytes(value)) if number == _TENSOR_RAW else raw
    elements = math.prod(dims)
    wanted = elements * _ITEM_BYTES.get(kind, 1)
    if any(size >> 63 for size in dims) or (raw is not None and raw != wanted) or (raw is None and elements > held):
        raise RefusedNetworkError(f"holds a tensor of shape {_short(dims)} with other data than that takes")
    return name


def _check_value(content: bytes, is_input: bool, constants: set[str], shape: tuple[int, ...], most_bytes: int) -> None:
    """A ValueInfoProto: name 1, type 2 -> tensor_type 1 -> elem_type 1, shape 2 -> dim 1 -> dim_value 1."""
    given = dict(fields(content))
    described = dict(fields(_bytes(given.get(2, b""))))
    if set(described) - {1, 6}:
        raise RefusedNetworkError("takes or gives something else than a tensor")
    tensor = dict(fields(_bytes(described.get(1, b""))))
    dims = list(_dims(_bytes(tensor.get(2, b""))))
    kind = tensor.get(1, 0)
    known = [size for size in dims if size is not None]
    if any(size >> 63 for size in known) or math.prod(known) * _ITEM_BYTES.get(_number(kind), 1) > most_bytes:
        raise RefusedNetworkError(f"makes a tensor of shape {_short(known)}, more than the manifest's input can need")
    if is_input and _bytes(given.get(1, b"")).decode("utf-8", "replace") not in constants:
        fits = len(dims) == len(shape) and all(one in (None, wanted) for one, wanted in zip(dims, shape, strict=True))
        if dims and not fits:
            raise RefusedNetworkError(f"takes an input of shape {_short(dims)}, the manifest says {list(shape)}")


def _dims(content: bytes) -> Iterator[int | None]:
    for number, value in fields(content):
        if number == 1:
            size = dict(fields(_bytes(value))).get(1)
            yield size if isinstance(size, int) else None


def _short(dims: list[int] | list[int | None]) -> str:
    return str(dims) if len(dims) <= 8 else f"{len(dims)} dimensions"


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value


def _number(value: int | bytes) -> int:
    return value if isinstance(value, int) else 0
