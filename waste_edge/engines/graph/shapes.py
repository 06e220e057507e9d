"""Shapes and types of an ONNX graph's inner tensors, which exporters leave out to save bytes.

Only operators that image classifiers are made of; what follows any other stays unknown, and whoever counts says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from waste_edge.engines.graph.graph import Graph, Operator, Tensor

Shape = tuple[int, ...]

_CAST_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 10: "float16"}
_ELEMENTWISE = {
    "Add", "Cast", "Clip", "DequantizeLinear", "Div", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Max", "Min",
    "Mul", "PRelu", "Pow", "QuantizeLinear", "Relu", "Sigmoid", "Softmax", "Sqrt", "Sub", "Tanh",
}  # fmt: skip


def with_shapes(graph: Graph) -> Graph:
    """The same graph with every tensor's shape and type that can be told from what the file says."""
    known = dict(graph.tensors)
    for operator in graph.operators:
        shape = _shape_of(operator, known)
        dtype = _dtype_of(operator, known)
        for key in operator.outputs[:1]:
            tensor = known.get(key, Tensor(key, "", (), False))
            known[key] = replace(tensor, shape=tensor.shape or shape, dtype=tensor.dtype or dtype)
    return replace(graph, tensors=known)


def _dtype_of(operator: Operator, known: Mapping[str, Tensor]) -> str:
    inputs = [known[key] for key in operator.inputs if key in known]
    if operator.kind == "DequantizeLinear":
        return "float32"
    if operator.kind == "QuantizeLinear":
        return inputs[2].dtype if len(inputs) > 2 else "uint8"
    if operator.kind == "QLinearConv":
        return inputs[0].dtype
    if operator.kind == "Cast":
        return _CAST_TYPES.get(_numbers(operator, "to", (0,))[0], "")
    return inputs[0].dtype if inputs else ""


def _shape_of(operator: Operator, known: Mapping[str, Tensor]) -> Shape:
    """Empty where it cannot be told."""
    shapes = [known[key].shape if key in known else () for key in operator.inputs]
    if not shapes or not shapes[0]:
        return ()
    if operator.kind in _ELEMENTWISE:
        return _broadcast(shapes[0], shapes[1] if operator.kind in ("Add", "Sub", "Mul", "Div") else ())
    rule = _RULES.get(operator.kind)
    try:
        return rule(operator, shapes) if rule else ()
    except (IndexError, ZeroDivisionError):  # a rank this operator never has: nothing can be told
        return ()


def _broadcast(first: Shape, second: Shape) -> Shape:
    longest = max(len(first), len(second))
    padded = [(1,) * (longest - len(shape)) + shape for shape in (first, second)]
    return tuple(map(max, *padded))


def _numbers(operator: Operator, name: str, default: Shape) -> Shape:
    value = operator.attributes.get(name, default)
    return default if isinstance(value, str) else value


def _windowed(operator: Operator, picture: Shape, kernel: Shape) -> Shape:
    """Height and width after a convolution or a pooling."""
    strides, dilations = _numbers(operator, "strides", (1, 1)), _numbers(operator, "dilations", (1, 1))
    if str(operator.attributes.get("auto_pad", "")).startswith("SAME"):
        return tuple(math.ceil(size / stride) for size, stride in zip(picture, strides, strict=True))
    pads = _numbers(operator, "pads", (0,) * 2 * len(kernel))
    half = len(kernel)
    round_up = _numbers(operator, "ceil_mode", (0,))[0]
    sizes = []
    for axis, size in enumerate(picture):
        reach = size + pads[axis] + pads[axis + half] - dilations[axis] * (kernel[axis] - 1) - 1
        sizes.append((-(-reach // strides[axis]) if round_up else reach // strides[axis]) + 1)
    return tuple(sizes)


def _conv(operator: Operator, shapes: list[Shape]) -> Shape:
    weights = shapes[3] if operator.kind == "QLinearConv" else shapes[1]
    return (shapes[0][0], weights[0], *_windowed(operator, shapes[0][2:], weights[2:])) if weights else ()


def _pool(operator: Operator, shapes: list[Shape]) -> Shape:
    return (*shapes[0][:2], *_windowed(operator, shapes[0][2:], _numbers(operator, "kernel_shape", ())))


def _global_pool(operator: Operator, shapes: list[Shape]) -> Shape:
    return (*shapes[0][:2], *(1 for _ in shapes[0][2:]))


def _transpose(operator: Operator, shapes: list[Shape]) -> Shape:
    order = _numbers(operator, "perm", tuple(reversed(range(len(shapes[0])))))
    return tuple(shapes[0][axis] for axis in order)


def _flatten(operator: Operator, shapes: list[Shape]) -> Shape:
    axis = _numbers(operator, "axis", (1,))[0]
    return math.prod(shapes[0][:axis]), math.prod(shapes[0][axis:])


def _reduce(operator: Operator, shapes: list[Shape]) -> Shape:
    """Axes as an attribute; newer files have them as a constant, whose values are not read: nothing can be told."""
    axes = {axis % len(shapes[0]) for axis in _numbers(operator, "axes", ())}
    if not axes:
        return ()
    keep = _numbers(operator, "keepdims", (1,))[0]
    return tuple(1 if axis in axes else size for axis, size in enumerate(shapes[0]) if keep or axis not in axes)


def _gemm(operator: Operator, shapes: list[Shape]) -> Shape:
    rows = shapes[0][1 if _numbers(operator, "transA", (0,))[0] else 0]
    return rows, shapes[1][0 if _numbers(operator, "transB", (0,))[0] else 1]


def _matmul(operator: Operator, shapes: list[Shape]) -> Shape:
    return (*shapes[0][:-1], shapes[1][-1])


def _concat(operator: Operator, shapes: list[Shape]) -> Shape:
    axis = _numbers(operator, "axis", (1,))[0] % len(shapes[0])
    if not all(shapes):
        return ()
    return tuple(sum(shape[axis] for shape in shapes) if i == axis else size for i, size in enumerate(shapes[0]))


_RULES: dict[str, Callable[[Operator, list[Shape]], Shape]] = {
    "AveragePool": _pool,
    "Concat": _concat,
    "Conv": _conv,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "QLinearConv": _conv,
    "ReduceMean": _reduce,
    "Transpose": _transpose,
}
