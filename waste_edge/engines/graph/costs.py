"""Cost of each layer of a graph: multiply-accumulates, and the bytes it reads and writes.

Counted from the file alone, as if every layer read its inputs and weights once and wrote its output once. What an
engine fuses (activations, conversions between scales) costs nothing of its own here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from waste_edge.engines.graph.graph import Graph, Operator, Tensor
from waste_edge.engines.graph.shapes import with_shapes

_BYTES = {"float32": 4, "float16": 2, "uint8": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "bool": 1}
# Engines fuse these into their neighbours, or only rename what lies there already.
_FREE = {
    "Clip", "Constant", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "Relu", "Reshape", "Shape",
    "Squeeze", "Unsqueeze", "DEQUANTIZE", "EXPAND_DIMS", "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE",
    "SHAPE", "SQUEEZE",
}  # fmt: skip
_PASSING = {"Clip", "Relu", "QuantizeLinear", "DequantizeLinear"}


@dataclass(frozen=True)
class Layer:
    """Cost of one layer.

    Attributes:
        place: what it computes, as the file names it.
        kind: the operator.
        macs: multiply-accumulates of one picture.
        weight_bytes: of weights and biases.
        activation_bytes: read and written.
    """

    place: str
    kind: str
    macs: int
    weight_bytes: int
    activation_bytes: int

    @property
    def moved_bytes(self) -> int:
        return self.weight_bytes + self.activation_bytes


@dataclass(frozen=True)
class Costs:
    """Cost of a whole network.

    Attributes:
        layers: in the order they run.
        uncounted: kinds of operators about which the file does not say enough.
    """

    layers: tuple[Layer, ...]
    uncounted: tuple[str, ...]

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def moved_bytes(self) -> int:
        return sum(layer.moved_bytes for layer in self.layers)


def count_costs(graph: Graph) -> Costs:
    """Costs of a graph that `read_graph` gave."""
    shaped = with_shapes(graph)
    counter = _Counter(shaped)
    counted = [one for one in shaped.operators if one.kind not in _FREE and not counter.is_constant(one)]
    layers = {id(one): counter.layer(one) for one in counted}
    return Costs(
        layers=tuple(layer for layer in layers.values() if layer is not None),
        uncounted=tuple(sorted({one.kind for one in counted if layers[id(one)] is None})),
    )


class _Counter:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def is_constant(self, operator: Operator) -> bool:
        return all(self._source(key).constant for key in operator.inputs)

    def layer(self, operator: Operator) -> Layer | None:
        """Compute a layer's cost; None where a shape is missing that the count needs."""
        inputs = [self._source(key) for key in operator.inputs]
        output = self._written(operator)
        read = [tensor for tensor in inputs if not tensor.constant]
        if not all(_is_sized(tensor) for tensor in [*read, output]):
            return None
        return Layer(
            place=self._graph.place(operator),
            kind=operator.kind,
            macs=_macs(operator, inputs, output),
            weight_bytes=sum(_size(tensor) for tensor in inputs if tensor.constant),
            activation_bytes=sum(_size(tensor) for tensor in [*read, output]),
        )

    def _source(self, key: str) -> Tensor:
        """The tensor as it lies in memory: before the conversion that an engine fuses."""
        producer = self._graph.producers.get(key)
        if producer is not None and producer.kind == "DequantizeLinear":
            source = self._graph.tensors.get(producer.inputs[0])
            if source is not None:
                shaped = self._graph.tensors[key]
                return Tensor(source.name, source.dtype, source.shape or shaped.shape, source.constant)
        return self._graph.tensors.get(key, Tensor(key, "", (), False))

    def _written(self, operator: Operator) -> Tensor:
        """Find the tensor that a layer writes once activation and conversion are fused into it."""
        tensor = self._graph.tensors[operator.outputs[0]]
        key = operator.outputs[0]
        while True:
            consumers = self._graph.consumers(key)
            if len(consumers) != 1 or consumers[0].kind not in _PASSING or consumers[0].kind == "DequantizeLinear":
                return tensor
            key = consumers[0].outputs[0]
            tensor = self._graph.tensors[key]


def _is_sized(tensor: Tensor) -> bool:
    return bool(tensor.shape) and tensor.dtype in _BYTES


def _size(tensor: Tensor) -> int:
    return tensor.elements * _BYTES.get(tensor.dtype, 4)


def _macs(operator: Operator, inputs: list[Tensor], output: Tensor) -> int:
    """Multiply-accumulates of convolutions and linear layers; nothing for the rest."""
    kind = operator.kind
    if kind in ("Conv", "QLinearConv"):  # weights (out, in / groups, height, width)
        weights = inputs[3 if kind == "QLinearConv" else 1]
        return output.elements * math.prod(weights.shape[1:])
    if kind == "ConvTranspose":  # weights (in, out / groups, height, width)
        return inputs[0].elements * math.prod(inputs[1].shape[1:])
    if kind == "Gemm":
        return output.elements * inputs[1].elements // output.shape[-1]
    if kind == "MatMul":
        return output.elements * inputs[0].shape[-1]
    if kind == "CONV_2D":  # weights (out, height, width, in)
        return output.elements * math.prod(inputs[1].shape[1:])
    if kind == "DEPTHWISE_CONV_2D":  # weights (1, height, width, out)
        return output.elements * math.prod(inputs[1].shape[1:3])
    if kind == "FULLY_CONNECTED":  # weights (out, in)
        return output.elements * inputs[1].shape[-1]
    if kind == "TRANSPOSE_CONV":  # inputs: the output's shape, weights (out, height, width, in), the picture
        return inputs[2].elements * math.prod(inputs[1].shape[:3])
    if kind == "BATCH_MATMUL":
        return output.elements * inputs[0].shape[-1]
    return 0
