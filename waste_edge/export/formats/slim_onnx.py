"""Takes out of an ONNX model what no runtime reads and keeps equal constants once; outputs stay the same to the bit."""

from __future__ import annotations

import itertools

import onnx
from onnx import numpy_helper

_CONVERSIONS = {"QuantizeLinear", "DequantizeLinear"}


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
    _rename(graph, _share_initializers(graph))


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


def _rename(graph: onnx.GraphProto, stands_for: dict[str, str]) -> None:
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
