"""Quantization error along the graph: every tensor's INT8 values beside its FP32 values."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from matplotlib.figure import Figure
from onnxruntime.quantization.quant_utils import DEQUANT_OUTPUT_SUFFIX
from torch import nn

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.export.formats.graphs import Graphs
from waste_edge.export.formats.onnx import normalized_nchw
from waste_edge.export.formats.quiet import quiet
from waste_edge.export.formats.tflite import normalized_nhwc
from waste_edge.export.quantization.calibrate import (
    layers_of_network,
    layers_of_onnx,
    layers_of_tflite,
    open_tflite,
    run_onnx,
    run_tflite,
)
from waste_edge.export.quantization.ranges import Activations
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import Strict, to_json
from waste_edge.imaging.frames import Pixels

PICTURES = 8  # a few show where it breaks
_NAMED = 10
_BEST_DB = 120.0  # what equal tensors are given, so that JSON needs no infinity
_EIGHT_BITS_DB = 40.0  # about what rounding to eight bits alone leaves; the pixels themselves are exact
_CLIPPING = ("Clip", "Relu")


class TensorError(Strict, frozen=True):
    """One tensor of an INT8 graph against the FP32 graph.

    Attributes:
        layer: the network's name for the layer that makes it; else the operator's.
        snr_db: 10 log10 of the FP32 tensor's power over the difference's; at most 120.
        lost_db: how far that lies below the worst tensor the operator is given (but at most 40 dB, what eight
            bits can do): what it lost itself.
        cosine: between the two, all pictures laid end to end.
        inputs: the layers that make what the operator is given.
    """

    layer: str
    snr_db: float
    lost_db: float
    cosine: float
    inputs: list[str]


class QuantizationErrors(Strict, frozen=True):
    """Both INT8 artifacts, tensor by tensor in the order they are computed, and in words what to do.

    Attributes:
        pictures: how many validation pictures were run.
        tensors: by artifact.
        culprit: by artifact, the layer that loses most itself.
        advice: what to write into the recipe.
    """

    recipe: str
    pictures: int
    tensors: dict[ArtifactName, list[TensorError]]
    culprit: dict[ArtifactName, str]
    advice: str


class _Operator(NamedTuple):
    """Operator whose output is found in both graphs: its names, inputs and kind."""

    layer: str
    floating: str
    quantized: str
    inputs: list[str]  # names in the float graph


def find_quantization_errors(
    graphs: Mapping[ArtifactName, Graphs], network: nn.Module, pictures: Sequence[Pixels], recipe: str
) -> QuantizationErrors:
    """Run the FP32 and INT8 graphs side by side.

    Args:
        graphs: of `onnx-int8` and `tflite-int8`.
        network: what they were made from.
        pictures: a few prepared validation pictures, uint8 (H, W, 3) each.
        recipe: the recipe's name.
    """
    with quiet("comparing tensors"):
        tensors: dict[ArtifactName, list[TensorError]] = {
            "onnx-int8": _compare_onnx(graphs["onnx-int8"], pictures),
            "tflite-int8": _compare_tflite(graphs["tflite-int8"], network, pictures),
        }
    culprits = {name: max(rows, key=lambda row: row.lost_db) for name, rows in tensors.items()}
    involved = {layer for row in culprits.values() for layer in [row.layer, *row.inputs]}
    layers = [layer for layer in layers_of_network(network) if layer in involved]
    advice = (
        "compare with equalize = true in the export recipe; if that does not mend it, keep the layers in FP32: "
        f"keep_fp32 = {layers}"
    )
    return QuantizationErrors(
        recipe=recipe,
        pictures=len(pictures),
        tensors=tensors,
        culprit={name: row.layer for name, row in culprits.items()},
        advice=advice.replace("'", '"'),
    )


def write_errors(errors: QuantizationErrors, folder: Path) -> list[Path]:
    """Write `RECIPE.json` and `RECIPE.png` into a folder; raises UserError if it cannot be written."""
    written = [folder / f"{errors.recipe}.json", folder / f"{errors.recipe}.png"]
    write_atomically(written[0], to_json(errors))
    figure = Figure(figsize=(12, 9), layout="constrained")
    for axes, (name, rows) in zip(figure.subplots(2, 1), errors.tensors.items(), strict=True):
        worst = sorted(range(len(rows)), key=lambda index: rows[index].snr_db)[:_NAMED]
        axes.plot([row.snr_db for row in rows], color="#2d6a4f", marker="o", markersize=3, linewidth=1)
        axes.plot(worst, [rows[index].snr_db for index in worst], "o", color="#b5542d", label=f"the worst {len(worst)}")
        culprit = next(index for index, row in enumerate(rows) if row.layer == errors.culprit[name])
        axes.axvline(culprit, color="#b5542d", linewidth=0.8, linestyle=":", label=f"loses most: {rows[culprit].layer}")
        axes.set(title=f"{name}, {errors.recipe}, {errors.pictures} pictures", ylabel="signal to noise, dB")
        axes.set_xticks(range(len(rows)), [row.layer for row in rows], rotation=90, fontsize=7)
        for tick in worst:
            axes.get_xticklabels()[tick].set_color("#b5542d")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    write_atomically(written[1], picture.getvalue())
    return written


def worst_tensors(errors: QuantizationErrors, artifact: ArtifactName) -> list[TensorError]:
    """The ten of least signal to noise, worst first."""
    return sorted(errors.tensors[artifact], key=lambda row: row.snr_db)[:_NAMED]


def _compare_onnx(graphs: Graphs, pictures: Sequence[Pixels]) -> list[TensorError]:
    """The quantizer takes clipping into the range, so a clipped layer's tensor is compared after the clipping."""
    floating, quantized = onnx.ModelProto.FromString(graphs.floating), onnx.ModelProto.FromString(graphs.quantized)
    layers = layers_of_onnx(floating)
    readers = {name: node for node in floating.graph.node for name in node.input}
    present = {name for node in quantized.graph.node for name in node.output}
    operators: list[_Operator] = []
    clipped_layers: set[str] = set()
    for node in floating.graph.node:
        output = node.output[0]
        if node.output[0] in clipped_layers:
            continue
        after = readers.get(output)
        clipped = after.output[0] if after is not None and after.op_type in _CLIPPING else output
        clipped_layers.add(clipped)
        # What the next layer reads is the dequantized tensor; a layer kept in FP32 has none.
        candidates = [clipped + DEQUANT_OUTPUT_SUFFIX, output + DEQUANT_OUTPUT_SUFFIX, clipped]
        if found := next((name for name in candidates if name in present), ""):
            operators.append(_Operator(layers.get(output, node.name), clipped, found, list(node.input)))
    return _measure(
        operators,
        lambda: run_onnx(floating, [normalized_nchw(pixels) for pixels in pictures]),
        lambda: run_onnx(quantized, [pixels[np.newaxis] for pixels in pictures]),
    )


def _compare_tflite(graphs: Graphs, network: nn.Module, pictures: Sequence[Pixels]) -> list[TensorError]:
    """ai-edge-quantizer keeps the tensors' names."""
    engine, layers = open_tflite(graphs.floating), layers_of_tflite(graphs.floating, network)
    titles = {int(detail["index"]): str(detail["name"]) for detail in engine.get_tensor_details()}
    quantized = {str(detail["name"]) for detail in open_tflite(graphs.quantized).get_tensor_details()}
    operators, made = [], {int(engine.get_input_details()[0]["index"])}
    for op in engine._get_ops_details():
        output = titles[int(op["outputs"][0])]
        given = [titles[int(index)] for index in op["inputs"] if int(index) in made]
        made.add(int(op["outputs"][0]))
        if output in quantized:
            operators.append(_Operator(layers.get(output, str(op["op_name"]).lower()), output, output, given))
    return _measure(
        operators,
        lambda: run_tflite(graphs.floating, [normalized_nhwc(pixels) for pixels in pictures]),
        lambda: run_tflite(graphs.quantized, [(pixels ^ 0x80).view(np.int8)[np.newaxis] for pixels in pictures]),
    )


def _measure(
    operators: Sequence[_Operator],
    floating: Callable[[], Iterable[Activations]],
    quantized: Callable[[], Iterable[Activations]],
) -> list[TensorError]:
    sums = {operator.quantized: np.zeros(4) for operator in operators}  # signal, noise, INT8's power, their product
    for expected, got in zip(floating(), quantized(), strict=True):
        for operator in operators:
            x, y = (
                values.astype(np.float64).ravel() for values in (expected[operator.floating], got[operator.quantized])
            )
            sums[operator.quantized] += [x @ x, (x - y) @ (x - y), y @ y, x @ y]
    made_by = {operator.floating: operator for operator in operators}
    made_by |= {operator.quantized: operator for operator in operators}
    rows = []
    for operator in operators:
        signal, noise, power, product = sums[operator.quantized]
        sources = [made_by[name] for name in operator.inputs if name in made_by]
        before = min([_EIGHT_BITS_DB, *(_decibels(*sums[source.quantized][:2]) for source in sources)])
        snr_db = _decibels(signal, noise)
        rows.append(
            TensorError(
                layer=operator.layer,
                snr_db=round(snr_db, 2),
                lost_db=round(before - snr_db, 2),
                cosine=round(float(product / math.sqrt(signal * power)), 6) if signal * power else float(noise == 0),
                inputs=[source.layer for source in sources],
            )
        )
    return rows


def _decibels(signal: float, noise: float) -> float:
    if noise <= 0:
        return _BEST_DB
    return max(-_BEST_DB, min(_BEST_DB, 10 * math.log10(max(signal, 1e-300) / noise)))
