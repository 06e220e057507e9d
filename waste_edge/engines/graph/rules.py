"""Rules for graphs: a target's allow-list of operators, and the rules of this project's networks.

The rules, for both formats: pixels enter as they are (INT8: scale 1/128), or through one cast (FP32); nothing is
transposed or padded, but for one Transpose of the pixels in ONNX; batch norms are folded; an INT8 graph has no
operator that computes in float and no conversion that undoes another (but one that makes ONNX's pixels signed).

A target is what runs the network at the bin, and the operators it is good at: an `export/targets/*.toml` each.
"""

from __future__ import annotations

import msgspec

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.graph.graph import Graph, Operator
from waste_edge.engines.names import NetworkFormat, format_of
from waste_edge.files.resources import find
from waste_edge.files.strict import Strict, read_toml

TARGETS_ROOM = "export/targets"
_DEFAULTS: dict[NetworkFormat, str] = {"onnx": "ort-cpu", "tflite": "xnnpack-arm64"}
_LAYOUT = {"TRANSPOSE", "PAD", "PADV2", "MIRROR_PAD", "Transpose", "Pad"}
_CASTS = {"CAST", "Cast"}
_ARITHMETIC = {"ADD", "SUB", "MUL", "DIV", "Add", "Sub", "Mul", "Div"}
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear"}
# ONNX operators that only pass values on, or that ONNX Runtime fuses with what is before them.
_TRANSPARENT = {"Clip", "Flatten", "Relu", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_PIXEL_SCALE = 1 / 128


class Operators(Strict, frozen=True):
    """An allow-list for one precision.

    Attributes:
        operators: may stand anywhere.
        entry: may stand once, on the pixels, before anything else: what turns them into float.
    """

    operators: list[str]
    entry: list[str] = msgspec.field(default_factory=list)


class Target(Strict, frozen=True):
    """Attributes:
    name: as on the command line.
    artifacts: which of a bundle's artifacts can run there.
    based_on: where the lists are from.
    fp32, int8: the lists; None where the target runs no such network.
    """

    name: str
    artifacts: list[ArtifactName]
    based_on: list[str]
    fp32: Operators | None = None
    int8: Operators | None = None

    def __post_init__(self) -> None:
        missing = [artifact for artifact in self.artifacts if self._listed(artifact) is None]
        if missing or not self.artifacts or not self.based_on:
            raise ValueError("a target needs artifacts, a list of operators for each one's precision, and based_on")

    def _listed(self, artifact: ArtifactName) -> Operators | None:
        return self.int8 if artifact.endswith("int8") else self.fp32

    def allowed(self, artifact: ArtifactName) -> Operators:
        """The allow-list for one of the target's own artifacts."""
        listed = self._listed(artifact)
        assert listed is not None, f"{artifact} is not for {self.name}"  # callers ask for `artifacts` only
        return listed


def read_target(given: str) -> Target:
    """Read a target by path or shipped name; raises ConfigError naming what is wrong."""
    return read_toml(find(given, TARGETS_ROOM), Target)


def default_target(artifact: ArtifactName) -> str:
    """The target an artifact is made for where nobody names one."""
    return _DEFAULTS[format_of(artifact)]


class Finding(Strict, frozen=True):
    """One operator that should not be there.

    Attributes:
        operator: its kind; `input` where it is the graph's input that is wrong.
        place: what it computes, as the file names it.
        rule: `outside`, the target lacks it; else which rule it breaks.
        message: what is wrong and the remedy.
    """

    operator: str
    place: str
    rule: str
    message: str


def check_graph(graph: Graph, artifact: ArtifactName, target: Target, float_layers: bool = False) -> list[Finding]:
    """Check a graph against its target and our rules; findings come rule by rule in the graph's order.

    Args:
        graph: an artifact's.
        artifact: one of the target's artifacts.
        target: what is to run it.
        float_layers: layers were left in float on purpose: float islands and the conversions around them are allowed.
    """
    findings = [*_outside(graph, artifact, target), *_layout(graph), *_casts(graph), *_unfolded(graph)]
    if artifact.endswith("int8"):
        findings += _input(graph, artifact)
        if not float_layers:
            findings += [*_islands(graph, artifact), *_conversions(graph, artifact)]
    else:
        findings += [
            _finding(graph, one, "conversion", "an FP32 file quantizes nothing; export it again from the float network")
            for one in graph.operators
            if one.kind in _CONVERSIONS
        ]
    return findings


def _finding(graph: Graph, operator: Operator, rule: str, message: str) -> Finding:
    return Finding(operator=operator.kind, place=graph.place(operator), rule=rule, message=message)


def _outside(graph: Graph, artifact: ArtifactName, target: Target) -> list[Finding]:
    allowed = target.allowed(artifact)
    findings: list[Finding] = []
    entered = False
    for operator in graph.operators:
        if operator.kind in allowed.operators:
            continue
        if operator.kind in allowed.entry and not entered and _reads_pixels(graph, operator):
            entered = True
            continue
        message = (
            f"{target.name} has no {operator.kind} in its list for {artifact}; change the layer, or name another target"
        )
        findings.append(_finding(graph, operator, "outside", message))
    return findings


def _layout(graph: Graph) -> list[Finding]:
    message = "the layout or padding is not the target's; use SAME padding (SameConv2d), and keep to NHWC in TFLite"
    found = [operator for operator in graph.operators if operator.kind in _LAYOUT]
    leading = [operator for operator in found if operator.kind == "Transpose" and operator.inputs[0] in graph.inputs][
        :1
    ]
    return [_finding(graph, operator, "layout", message) for operator in found if operator not in leading]


def _casts(graph: Graph) -> list[Finding]:
    message = "only the pixels are cast, once; keep every tensor in the graph's own type"
    found = [operator for operator in graph.operators if operator.kind in _CASTS]
    entry = [operator for operator in found if _reads_pixels(graph, operator)][:1]
    return [_finding(graph, operator, "cast", message) for operator in found if operator not in entry]


def _unfolded(graph: Graph) -> list[Finding]:
    """Batch norms: as such, or as arithmetic with one constant a channel (the pixels' own has one for all)."""
    message = "a batch norm is not folded; let it follow its convolution directly"
    findings: list[Finding] = []
    for operator in graph.operators:
        per_channel = any(_is_constant(graph, key) and _elements(graph, key) > 1 for key in operator.inputs)
        is_bias = any(graph.producers[key].kind == "MatMul" for key in operator.inputs if key in graph.producers)
        if operator.kind == "BatchNormalization" or (operator.kind in _ARITHMETIC and per_channel and not is_bias):
            findings.append(_finding(graph, operator, "batch-norm", message))
    return findings


def _input(graph: Graph, artifact: ArtifactName) -> list[Finding]:
    """INT8: the pixels themselves are the first quantized tensor."""
    pixels = graph.inputs[0]
    if format_of(artifact) == "onnx":
        wanted, zero_point = "uint8", 128
        entry = [one for one in graph.consumers(pixels) if one.kind == "Transpose"]
    else:
        wanted, zero_point = "int8", 0
        entry = [one for one in graph.consumers(pixels) if one.kind == "QUANTIZE"]
    tensor = graph.tensors[entry[0].outputs[0] if len(entry) == 1 else pixels]
    given = (tensor.scale, tensor.zero_point)
    converted = len(entry) == 1 and entry[0].kind == "QUANTIZE"
    dtype = tensor.dtype if converted else graph.tensors[pixels].dtype
    if given == (_PIXEL_SCALE, zero_point) and dtype == wanted:
        return []
    message = (
        f"the pixels must enter as {wanted} of scale 1/128 and zero point {zero_point}, found {dtype} "
        f"{given}; pin the input's range while quantizing"
    )
    return [Finding(operator="input", place=graph.tensors[pixels].name, rule="input", message=message)]


def _islands(graph: Graph, artifact: ArtifactName) -> list[Finding]:
    message = "computes in float within an INT8 graph; quantize this layer too, or say that it is left in float"
    if format_of(artifact) == "onnx":
        found = [one for one in graph.operators if _floats_in_onnx(graph, one)]
    else:
        found = [
            one
            for one in graph.operators
            if one.kind not in _CONVERSIONS
            and any(graph.tensors[key].dtype.startswith("float") for key in (*one.inputs, *one.outputs))
        ]
    return [_finding(graph, one, "float", message) for one in found]


def _floats_in_onnx(graph: Graph, operator: Operator) -> bool:
    """An operator that computes, one of whose operands does not come from a DequantizeLinear."""
    if operator.kind in _CONVERSIONS or operator.kind in _TRANSPARENT:
        return False
    return any(not _is_quantized(graph, key) for key in operator.inputs if not _is_integer(graph, key))


def _is_quantized(graph: Graph, key: str) -> bool:
    """Follow a value back through what passes it on."""
    while (producer := graph.producers.get(key)) is not None:
        if producer.kind == "DequantizeLinear":
            return True
        if producer.kind not in _TRANSPARENT:
            return False
        key = producer.inputs[0]
    return False


def _is_integer(graph: Graph, key: str) -> bool:
    return graph.tensors[key].constant and graph.tensors[key].dtype.startswith("int")  # shapes and axes


def _conversions(graph: Graph, artifact: ArtifactName) -> list[Finding]:
    """Stray: in TFLite any but one QUANTIZE of the pixels; in ONNX a pair that requantizes, or any of the pixels.

    But where ONNX's first layer takes INT8, one pair makes the pixels signed: ONNX has nothing cheaper.
    """
    message = (
        "a conversion that the graph could do without; give both sides the same scale, or leave the pixels as they are"
    )
    found = [one for one in graph.operators if one.kind in _CONVERSIONS]
    if format_of(artifact) == "onnx":
        requantizing = [one for one in found if one.kind == "QuantizeLinear" and _requantizes(graph, one)]
        entry = [one for one in requantizing if _makes_pixels_signed(graph, one)][:1]
        stray = [one for one in requantizing if one not in entry]
    else:
        entry = [one for one in found if one.kind == "QUANTIZE" and one.inputs[0] in graph.inputs][:1]
        stray = [one for one in found if one not in entry]
    return [_finding(graph, one, "conversion", message) for one in stray]


def _requantizes(graph: Graph, quantize: Operator) -> bool:
    source = quantize.inputs[0]
    producer = graph.producers.get(source)
    return source in graph.inputs or (producer is not None and producer.kind == "DequantizeLinear")


def _makes_pixels_signed(graph: Graph, quantize: Operator) -> bool:
    """Takes the dequantized pixels to INT8 of the same scale, zero point 0."""
    dequantize, levels = graph.producers.get(quantize.inputs[0]), graph.tensors[quantize.outputs[0]]
    signed = len(quantize.inputs) == 3 and graph.tensors[quantize.inputs[2]].dtype == "int8"
    same_scale = (levels.scale, levels.zero_point) == (_PIXEL_SCALE, 0)
    return dequantize is not None and _reads_pixels(graph, dequantize) and signed and same_scale


def _reads_pixels(graph: Graph, operator: Operator) -> bool:
    """Directly, or after the one Transpose."""
    key = operator.inputs[0]
    producer = graph.producers.get(key)
    if producer is not None and producer.kind == "Transpose":
        key = producer.inputs[0]
    return key in graph.inputs


def _is_constant(graph: Graph, key: str) -> bool:
    producer = graph.producers.get(key)
    if producer is not None and producer.kind == "DequantizeLinear":
        key = producer.inputs[0]
    return graph.tensors[key].constant


def _elements(graph: Graph, key: str) -> int:
    producer = graph.producers.get(key)
    if producer is not None and producer.kind == "DequantizeLinear":
        key = producer.inputs[0]
    return graph.tensors[key].elements
