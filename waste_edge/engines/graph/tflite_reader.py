"""Reads a TFLite file through the schema that ai-edge-litert ships, without loading it into an interpreter."""

from __future__ import annotations

import struct
from typing import Any

from waste_edge.bundle.files import NetworkFile
from waste_edge.engines.graph.graph import ByteCount, Graph, Operator, Tensor
from waste_edge.errors import BundleError, MissingPackageError

# Fields of the schema's tables, as offsets into their vtables.
_TENSOR_NAME, _QUANTIZATION_SCALE, _QUANTIZATION_ZERO_POINT = 10, 8, 10
_BUFFER_DATA, _MODEL_DESCRIPTION, _GRAPH_NAME, _NAMED, _SIGNATURE_KEY = 4, 10, 12, 4, 8
_LAYERS = {"CONV_2D": (1, 2), "DEPTHWISE_CONV_2D": (1, 2), "FULLY_CONNECTED": (1, 2), "TRANSPOSE_CONV": (1, 3)}


def read_tflite(network: NetworkFile) -> Graph:
    """See `reading.read_graph`. Tensors are keyed by their index."""
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise MissingPackageError(
            "TFLite graphs are read with the schema of ai-edge-litert, which is not installed; "
            "pip install ai-edge-litert"
        ) from error
    path, content = network.path, network.content
    if content[4:8] != b"TFL3":
        raise BundleError(f"{path}: not a TFLite file; export the bundle again")
    try:
        return _TfliteReader(content, schema).graph()
    except (struct.error, AttributeError, IndexError, ValueError, TypeError, KeyError) as error:
        raise BundleError(f"{path}: a damaged TFLite file ({error}); export or copy the bundle again") from error


class _TfliteReader:
    """One file, its first subgraph (the converter makes no other)."""

    def __init__(self, content: bytes, schema: Any) -> None:
        self._content = content
        self._model = schema.Model.GetRootAsModel(content, 0)
        self._graph = self._model.Subgraphs(0)
        self._kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
        self._types = {value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()}

    def graph(self) -> Graph:
        graph = self._graph
        if graph.InputsLength() == 0 or graph.OperatorsLength() == 0:
            raise ValueError("no input or no operator")
        operators = tuple(self._operator(graph.Operators(index)) for index in range(graph.OperatorsLength()))
        return Graph(
            operators=operators,
            tensors={str(index): self._tensor(graph.Tensors(index)) for index in range(graph.TensorsLength())},
            inputs=tuple(str(graph.Inputs(index)) for index in range(graph.InputsLength())),
            outputs=tuple(str(graph.Outputs(index)) for index in range(graph.OutputsLength())),
            size=self._size(operators),
        )

    def _operator(self, operator: Any) -> Operator:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        # Codes above 127 are in the wide field, older files have the narrow one only.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = self._kinds.get(number, f"OPERATOR {number}")
        if kind == "CUSTOM":
            kind = f"CUSTOM {(code.CustomCode() or b'').decode()}"
        inputs = [operator.Inputs(index) for index in range(operator.InputsLength())]
        outputs = [operator.Outputs(index) for index in range(operator.OutputsLength())]
        return Operator(kind, tuple(str(i) for i in inputs if i >= 0), tuple(str(i) for i in outputs))

    def _tensor(self, tensor: Any) -> Tensor:
        quantization = tensor.Quantization()
        per_tensor = quantization is not None and quantization.ScaleLength() == 1
        return Tensor(
            name=(tensor.Name() or b"").decode("utf-8", "replace"),
            dtype=self._types.get(tensor.Type(), "unknown"),
            shape=tuple(tensor.Shape(index) for index in range(tensor.ShapeLength())),
            constant=_holds_data(self._model.Buffers(tensor.Buffer())),
            scale=float(quantization.Scale(0)) if per_tensor else None,
            zero_point=int(quantization.ZeroPoint(0)) if per_tensor else None,
        )

    def _size(self, operators: tuple[Operator, ...]) -> ByteCount:
        """Every vector once, however many tables share it."""
        roles = _roles(operators)
        spans: dict[str, dict[int, int]] = {name: {} for name in ByteCount.__struct_fields__}

        def count_data(what: str, buffer: Any) -> None:
            if _lies_behind(buffer):
                spans[what][buffer.Offset()] = buffer.Size()
            else:
                count(what, buffer, _BUFFER_DATA)

        def count(what: str, table: Any, slot: int, element_bytes: int = 1) -> None:
            offset = table._tab.Offset(slot)
            if offset:
                start = table._tab.Vector(offset)
                spans[what][start] = table._tab.VectorLen(offset) * element_bytes

        for index in range(self._graph.TensorsLength()):
            tensor = self._graph.Tensors(index)
            count_data(roles.get(str(index), "constants"), self._model.Buffers(tensor.Buffer()))
            count("names", tensor, _TENSOR_NAME)
            if (quantization := tensor.Quantization()) is not None:
                count("scales", quantization, _QUANTIZATION_SCALE, 4)
                count("zero_points", quantization, _QUANTIZATION_ZERO_POINT, 8)
        count("names", self._model, _MODEL_DESCRIPTION)
        count("names", self._graph, _GRAPH_NAME)
        for index in range(self._model.MetadataLength()):
            metadata = self._model.Metadata(index)
            count("names", metadata, _NAMED)
            count_data("names", self._model.Buffers(metadata.Buffer()))
        for index in range(self._model.SignatureDefsLength()):
            signature = self._model.SignatureDefs(index)
            count("names", signature, _SIGNATURE_KEY)
            for position in range(signature.InputsLength()):
                count("names", signature.Inputs(position), _NAMED)
            for position in range(signature.OutputsLength()):
                count("names", signature.Outputs(position), _NAMED)
        totals = {name: sum(found.values()) for name, found in spans.items()}
        totals["structure"] = len(self._content) - sum(totals.values())
        return ByteCount(**totals)


def _lies_behind(buffer: Any) -> bool:
    """Larger files by ai-edge-quantizer hold their data behind the tables, where `offset` and `size` say."""
    return int(buffer.Offset()) > 1


def _holds_data(buffer: Any) -> bool:
    return _lies_behind(buffer) or int(buffer.DataLength()) > 0


def _roles(operators: tuple[Operator, ...]) -> dict[str, str]:
    """Find each constant's role, by the slot of the layer that reads it."""
    roles: dict[str, str] = {}
    for operator in operators:
        weights, biases = _LAYERS.get(operator.kind, (len(operator.inputs), len(operator.inputs)))
        for slot, role in ((weights, "weights"), (biases, "biases")):
            if slot < len(operator.inputs):
                roles[operator.inputs[slot]] = role
    return roles
