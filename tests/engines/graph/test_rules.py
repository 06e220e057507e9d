"""Each rule on the smallest graph that keeps it, and on one that breaks it."""

from __future__ import annotations

import pytest

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.graph.graph import ByteCount, Graph, Operator, Tensor
from waste_edge.engines.graph.rules import Operators, Target, check_graph

EVERYTHING = [
    "CONV_2D", "QUANTIZE", "DEQUANTIZE", "TRANSPOSE", "PAD", "MUL", "ADD", "CAST", "MEAN",
    "Conv", "QuantizeLinear", "DequantizeLinear", "Transpose", "Mul", "Add", "MatMul", "Clip", "BatchNormalization",
]  # fmt: skip
TARGET = Target(
    name="anything",
    artifacts=["tflite-int8", "tflite-fp32", "onnx-int8", "onnx-fp32"],
    based_on=["this test"],
    fp32=Operators(operators=[kind for kind in EVERYTHING if kind not in ("CAST", "Cast")], entry=["CAST", "Cast"]),
    int8=Operators(operators=EVERYTHING),
)
Step = tuple[str, str, str]  # kind, inputs, outputs


def graph(*steps: Step, **tensors: Tensor) -> Graph:
    """`pixels` go in, the last step's output comes out; tensors not given are computed int8."""
    operators = tuple(Operator(kind, tuple(inputs.split()), tuple(outputs.split())) for kind, inputs, outputs in steps)
    names = {name for operator in operators for name in (*operator.inputs, *operator.outputs)}
    known = {name: tensors.get(name, Tensor(name, "int8", (1, 4, 4, 8), False)) for name in names}
    return Graph(operators, known, ("pixels",), operators[-1].outputs, ByteCount(0, 0, 0, 0, 0, 0, 0))


def wrong(made: Graph, artifact: ArtifactName, float_layers: bool = False) -> list[tuple[str, str]]:
    return [(one.operator, one.rule) for one in check_graph(made, artifact, TARGET, float_layers)]


PIXELS = Tensor("pixels", "int8", (1, 4, 4, 3), False, 1 / 128, 0)
WEIGHTS = Tensor("weights", "int8", (8, 3, 3, 3), True)
FACTORS = Tensor("factors", "int8", (8,), True)
FLOAT = Tensor("float", "float32", (1, 4, 4, 8), False)


@pytest.mark.parametrize(
    ("steps", "tensors", "expected"),
    [
        ([], {}, []),
        ([("TRANSPOSE", "a", "b")], {}, [("TRANSPOSE", "layout")]),
        ([("PAD", "a", "b"), ("PADV2", "b", "c")], {}, [("PADV2", "outside"), ("PAD", "layout"), ("PADV2", "layout")]),
        ([("MUL", "a factors", "b")], {"factors": FACTORS}, [("MUL", "batch-norm")]),
        ([("MUL", "a half", "b")], {"half": Tensor("half", "int8", (), True)}, []),
        ([("ADD", "a pixels", "b")], {}, []),
        ([("QUANTIZE", "a", "b")], {}, [("QUANTIZE", "conversion")]),
        (
            [("DEQUANTIZE", "a", "float"), ("MEAN", "float", "float2"), ("QUANTIZE", "float2", "b")],
            {"float": FLOAT, "float2": FLOAT},
            [("MEAN", "float"), ("DEQUANTIZE", "conversion"), ("QUANTIZE", "conversion")],
        ),
        ([("CAST", "a", "b")], {}, [("CAST", "cast")]),
        ([("SIN", "a", "b")], {}, [("SIN", "outside")]),
    ],
)
def test_int8_tflite(steps: list[Step], tensors: dict[str, Tensor], expected: list[tuple[str, str]]) -> None:
    made = graph(("CONV_2D", "pixels weights", "a"), *steps, pixels=PIXELS, weights=WEIGHTS, **tensors)
    assert wrong(made, "tflite-int8") == expected


def test_layers_left_in_float_on_purpose_are_allowed() -> None:
    steps = [("CONV_2D", "pixels weights", "a"), ("DEQUANTIZE", "a", "float"), ("MEAN", "float", "float2")]
    made = graph(*steps, pixels=PIXELS, weights=WEIGHTS, float=FLOAT, float2=FLOAT)
    assert wrong(made, "tflite-int8") != []
    assert wrong(made, "tflite-int8", float_layers=True) == []


@pytest.mark.parametrize("scale", [1 / 127, None])
def test_the_int8_input_is_pinned(scale: float | None) -> None:
    pixels = Tensor("pixels", "int8", (1, 4, 4, 3), False, scale, 0)
    assert wrong(graph(("CONV_2D", "pixels weights", "a"), pixels=pixels, weights=WEIGHTS), "tflite-int8") == [
        ("input", "input")
    ]


def test_one_quantize_of_the_pixels_is_allowed_and_a_second_is_not() -> None:
    levels, again = Tensor("levels", "int8", (1, 4, 4, 3), False, 1 / 128, 0), ("QUANTIZE", "pixels", "other")
    steps = [("QUANTIZE", "pixels", "levels"), ("CONV_2D", "levels weights", "a")]
    raw = Tensor("pixels", "uint8", (1, 4, 4, 3), False)
    assert wrong(graph(*steps, pixels=raw, levels=levels, weights=WEIGHTS), "tflite-int8") == []
    found = wrong(graph(*steps, again, pixels=raw, levels=levels, weights=WEIGHTS), "tflite-int8")
    assert ("QUANTIZE", "conversion") in found


def test_fp32_casts_the_pixels_once() -> None:
    tensors = {"factors": Tensor("factors", "float32", (), True), "weights": WEIGHTS}
    steps = [("CAST", "pixels", "a"), ("MUL", "a factors", "b"), ("CONV_2D", "b weights", "c")]
    assert wrong(graph(*steps, **tensors), "tflite-fp32") == []
    assert wrong(graph(*steps, ("CAST", "c", "d"), **tensors), "tflite-fp32") == [("CAST", "outside"), ("CAST", "cast")]
    assert wrong(graph(*steps, ("QUANTIZE", "c", "d"), **tensors), "tflite-fp32") == [("QUANTIZE", "conversion")]


ONNX = [
    ("Transpose", "pixels", "turned"),
    ("DequantizeLinear", "turned s z", "x"),
    ("DequantizeLinear", "weights s z", "w"),
    ("Conv", "x w", "y"),
    ("Clip", "y", "clipped"),
    ("QuantizeLinear", "clipped s z", "q"),
    ("DequantizeLinear", "q s z", "d"),
]
SCALAR = Tensor("s", "float32", (), True)
ONNX_TENSORS = {
    "pixels": Tensor("pixels", "uint8", (1, 4, 4, 3), False),
    "turned": Tensor("turned", "", (), False, 1 / 128, 128),
    "weights": WEIGHTS,
    "s": SCALAR,
    "z": Tensor("z", "uint8", (), True),
    "float_weights": Tensor("float_weights", "float32", (8, 8), True),
}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], []),
        ([("Transpose", "d", "e")], [("Transpose", "layout")]),
        ([("Conv", "d float_weights", "e")], [("Conv", "float")]),
        ([("Conv", "clipped w", "e")], [("Conv", "float")]),
        ([("QuantizeLinear", "d s z", "e")], [("QuantizeLinear", "conversion")]),
        ([("BatchNormalization", "d", "e")], [("BatchNormalization", "batch-norm")]),
        ([("MatMul", "d w", "m"), ("Add", "m w", "e")], [("Add", "float")]),
        ([("Add", "d w", "e")], [("Add", "batch-norm")]),
        ([("com.microsoft.Gelu", "d", "e")], [("com.microsoft.Gelu", "outside")]),
    ],
)
def test_int8_onnx(steps: list[Step], expected: list[tuple[str, str]]) -> None:
    assert wrong(graph(*ONNX, *steps, **ONNX_TENSORS), "onnx-int8") == expected


@pytest.mark.parametrize(
    ("scale", "zero_point_type", "allowed"),
    [(1 / 128, "int8", True), (1 / 100, "int8", False), (1 / 128, "uint8", False)],
)
def test_one_pair_may_make_the_pixels_signed(scale: float, zero_point_type: str, allowed: bool) -> None:
    signed = [("QuantizeLinear", "x s zero", "levels"), ("DequantizeLinear", "levels s zero", "y")]
    first, rest = ONNX[:3], [("Conv", "y w", "clipped"), *ONNX[5:]]
    tensors = {
        **ONNX_TENSORS,
        "zero": Tensor("zero", zero_point_type, (), True),
        "levels": Tensor("levels", "", (), False, scale, 0),
        "again": Tensor("again", "", (), False, scale, 0),
    }
    stray = [("QuantizeLinear", "conversion")]
    assert wrong(graph(*first, *signed, *rest, **tensors), "onnx-int8") == ([] if allowed else stray)
    second = ("QuantizeLinear", "x s zero", "again")
    assert wrong(graph(*first, *signed, second, *rest, **tensors), "onnx-int8") == (stray if allowed else stray * 2)


def test_the_onnx_input_is_pinned_too() -> None:
    turned = Tensor("turned", "", (), False, 0.0078, 128)
    assert wrong(graph(*ONNX, **{**ONNX_TENSORS, "turned": turned}), "onnx-int8") == [("input", "input")]
