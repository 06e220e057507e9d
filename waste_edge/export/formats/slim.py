"""Takes out of ONNX and TFLite models what no runtime reads; outputs stay the same to the bit.

What a file by litert-torch and ai-edge-quantizer carries beyond weights, measured on MobileNetV1 at width 0.25: a zero
point of eight bytes for every channel of every weight and every bias, all of them zero (14 % of the file), and tensor
names that are paths through Python modules (10 %). FlatBuffers lets tables share vectors and one another, so equal zero
points become one vector, and equal options of operators one table; numbers are never touched, so every output stays
the same to the bit.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

_FILE_IDENTIFIER = b"TFL3"
_BUFFER_ALIGNMENT_BYTES = 16  # TFLite's schema asks it of weights; Python's generated code does not know
_MODULE = re.compile(r".*\._?[A-Za-z0-9]+_(?P<attribute>.+)")  # torch.nn.modules.conv.Conv2d_conv_pw
_CONVERSIONS = {"QuantizeLinear", "DequantizeLinear"}


def slim_tflite(content: bytes) -> bytes:
    """The same network in fewer bytes: every output stays the same to the bit.

    Signature names and operators stay; weights keep no name, activations the name of the module that made them.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.description = None
    model.metadata = None  # the converter's notes to its own tools
    model.metadataBuffer = None
    for graph in model.subgraphs:
        _rename(graph)
        for tensor in graph.tensors:
            _drop_ranges(tensor)
            tensor.hasRank = tensor.hasRank and len(tensor.shape) == 0  # a shape tells it otherwise
    _gather_buffers(model, content)
    _share_buffers(model)
    builder = _SharingBuilder(len(content))
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def _rename(graph: Any) -> None:
    """Short names for what operators compute, none for constants."""
    computed = {int(index) for operator in graph.operators for index in operator.outputs}
    kept = {int(index) for index in [*graph.inputs, *graph.outputs]}
    taken: set[str | None] = set()
    for index, tensor in enumerate(graph.tensors):
        if index in kept:
            continue  # a signature's tensors have short names already, and older runtimes look them up
        tensor.name = next(one for one in _candidates(tensor.name) if one not in taken) if index in computed else None
        taken.add(tensor.name)


def _candidates(name: bytes | None) -> Iterator[str]:
    """`blocks.0.0.conv_dw`, then numbered; from names that join paths such as `pkg.Class_attribute/...` by `;`."""
    text = (name or b"").decode("utf-8", "replace")
    short = text.rpartition(":")[0] if re.fullmatch(r".*:\d+", text) else text
    if "/" in text or ";" in text:
        deepest = max(text.split(";"), key=lambda part: part.count("/")).split("/")
        matches = [match for part in deepest if (match := _MODULE.fullmatch(part))]
        short = ".".join(match["attribute"] for match in matches if match["attribute"] != "network")
    short = short or "t"
    yield short
    number = 1
    while True:
        yield f"{short}:{number}"
        number += 1


def _drop_ranges(tensor: Any) -> None:
    """Keep scales and zero points only; calibration's minimum and maximum are inside them already."""
    quantization = tensor.quantization
    if quantization is None:
        return
    if quantization.scale is None or len(quantization.scale) == 0:
        tensor.quantization = None
        return
    quantization.min = quantization.max = None


def _gather_buffers(model: Any, content: bytes) -> None:
    """Bring inside what ai-edge-quantizer puts behind the tables of larger files, so that equal data are shared."""
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 say that the data, if any, is inside
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0


def _share_buffers(model: Any) -> None:
    """One buffer for equal contents; buffer 0 is the empty one by TFLite's convention."""
    places: dict[bytes, int] = {b"": 0}
    buffers = [schema.BufferT()]
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            content = b"" if data is None else bytes(data)
            if content not in places:
                places[content] = len(buffers)
                buffers.append(model.buffers[tensor.buffer])
            tensor.buffer = places[content]
    model.buffers = buffers


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # the base class is untyped
    """Writes equal vectors of numbers and equal tables of numbers once, and aligns byte vectors, which hold weights.

    Each is built as usual and, if its bytes are there already, taken back: what `Builder.WriteVtable` does.
    """

    head: int
    Bytes: bytearray

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._written: dict[tuple[int, bytes], int] = {}
        self._open: tuple[int, int] | None = None  # where the vector's padding or the table began; an element's size

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803  # FlatBuffers' names
        self._open = (self.Offset(), elemSize)
        return int(super().StartVector(elemSize, numElems, _BUFFER_ALIGNMENT_BYTES if elemSize == 1 else alignment))

    def StartObject(self, numfields: int) -> None:  # noqa: N802
        super().StartObject(numfields)
        self._open = (self.Offset(), 0)

    def PrependUOffsetTRelative(self, off: int) -> None:  # noqa: N802
        self._open = None  # offsets count from where they stand: equal bytes there mean different things
        super().PrependUOffsetTRelative(off)

    def EndVector(self) -> int:  # noqa: N802
        offset, opened = int(super().EndVector()), self._open
        if opened is None:
            return offset
        begin, element_bytes = opened
        end = self.head + 4 + self._number_at(self.head) * element_bytes
        return self._once(offset, begin, (element_bytes, bytes(self.Bytes[self.head : end])))

    def EndObject(self) -> int:  # noqa: N802
        offset, opened = int(super().EndObject()), self._open
        if opened is None:
            return offset
        begin, place = opened[0], len(self.Bytes) - offset
        vtable = offset + self._number_at(place)  # says which field each of the bytes is of; equal ones are one already
        return self._once(offset, begin, (-vtable, bytes(self.Bytes[place + 4 : len(self.Bytes) - begin])))

    def _number_at(self, place: int) -> int:
        return int.from_bytes(self.Bytes[place : place + 4], "little", signed=True)

    def _once(self, offset: int, begin: int, key: tuple[int, bytes]) -> int:
        """Return the earlier offset of the same bytes, dropping the copy just written; `offset` if it is the first."""
        self._open = None
        if key not in self._written:
            self._written[key] = offset
            return offset
        self.head = len(self.Bytes) - begin
        return self._written[key]


def slim_onnx(model: onnx.ModelProto) -> None:
    """Slim a model in place.

    Inputs, outputs and what layers compute keep their names, by which `inspect --graph` finds an operator; constants
    and conversions get short ones. Shapes of intermediate tensors go: ONNX Runtime infers them anyway.
    """
    graph = model.graph
    del model.metadata_props[:]
    del graph.metadata_props[:]
    del graph.value_info[:]
    graph.doc_string = model.doc_string = ""
    for node in graph.node:
        node.name = node.doc_string = ""
        del node.metadata_props[:]
    _keep_used_domains(model)
    _rename_tensor(graph, _share_initializers(graph))


def _keep_used_domains(model: onnx.ModelProto) -> None:
    used = {node.domain for node in model.graph.node} | {""}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _share_initializers(graph: onnx.GraphProto) -> dict[str, str]:
    """Keep one of equal initializers, stored raw; returns the name that replaces each."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    stands_for: dict[str, str] = {}
    kept: list[onnx.TensorProto] = []
    for tensor in graph.initializer:
        raw = numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name)
        key = (raw.data_type, tuple(raw.dims), raw.raw_data)
        if key not in first:
            first[key] = tensor.name
            kept.append(raw)
        stands_for[tensor.name] = first[key]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return stands_for


def _rename_tensor(graph: onnx.GraphProto, stands_for: dict[str, str]) -> None:
    public = {value.name for value in [*graph.input, *graph.output]}
    layers = {name for node in graph.node if node.op_type not in _CONVERSIONS for name in node.output}
    fresh = (str(number) for number in itertools.count() if str(number) not in public | layers)
    conversions = [name for node in graph.node if node.op_type in _CONVERSIONS for name in node.output]
    short = {name: next(fresh) for name in [*(tensor.name for tensor in graph.initializer), *conversions]}
    short |= {name: name for name in public | layers}
    for tensor in graph.initializer:
        tensor.name = short[tensor.name]
    for node in graph.node:
        # An empty name means an optional input that is left out.
        node.input[:] = [short.get(stands_for.get(name, name), name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
