"""Names of engines and precisions; apart, since a configuration names them before anything heavy is imported."""

from __future__ import annotations

from typing import Literal

EngineName = Literal["onnx", "litert"]
Precision = Literal["fp32", "int8"]

LITERT_MODULES = ("ai_edge_litert", "tflite_runtime")  # same Interpreter, the maintained one first
