"""torch to TFLite through litert-torch, then to INT8 through ai-edge-quantizer.

Input `pixels` (1, H, W, 3): uint8 in the FP32 file, int8 (pixel XOR 0x80) in the INT8 file. Outputs `logits`
and `features` by name in the one signature.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_quantizer import algorithm_manager, qtyping, quantizer
from ai_edge_quantizer import recipe as quantizer_recipes
from numpy.typing import NDArray
from torch import nn

from waste_edge.export.formats.graphs import FromNormalized, FromPixels, Graphs, example_pixels
from waste_edge.export.formats.quiet import quiet
from waste_edge.export.formats.slim import slim_tflite
from waste_edge.export.quantization.calibrate import layers_of_tflite, run_tflite
from waste_edge.export.quantization.ranges import Range, find_ranges
from waste_edge.export.recipe import ExportRecipe
from waste_edge.files.atomic import write_atomically
from waste_edge.imaging.frames import Pixels
from waste_edge.training.networks import normalize

SCHEME = "static_wi8_ai8 (ai-edge-quantizer): activations INT8 per tensor, weights INT8 per channel"
RangesOf = Callable[[bytes], dict[str, Range]]

_SIGNATURE = litert_torch.model.DEFAULT_SIGNATURE_NAME


def export_fp32(network: nn.Module, height_px: int, width_px: int, path: Path) -> None:
    """Write the FP32 file of a folded network."""
    content = _converted(FromPixels(network, channels_first=False), example_pixels(height_px, width_px))
    write_atomically(path, slim_tflite(content))


def export_int8(
    network: nn.Module, size: tuple[int, int], ranges_of: RangesOf, recipe: ExportRecipe, path: Path
) -> Graphs:
    """Quantize a folded network and write the INT8 file.

    The input's scale is pinned to 1/128 and its zero point to 0, whatever range the calibration pictures had:
    the device then hands over the camera's own pixels, seen as signed.

    Args:
        network: folded (and equalized, if the recipe says so), in evaluation mode.
        size: height and width in pixels.
        ranges_of: finds the range of every activation of the float file, by tensor name.
        recipe: layers to keep in FP32.
        path: the file to write.

    Returns:
        What was quantized and what came of it, for `debug`.
    """
    floating = _converted(FromNormalized(network, channels_first=False), normalize(example_pixels(*size)))
    with quiet("TFLite calibration"):
        ranges = ranges_of(floating)
        layers = layers_of_tflite(floating, network)
    kept = [output for output, layer in layers.items() if layer in recipe.keep_fp32]
    with tempfile.TemporaryDirectory(prefix="waste-edge-tflite-") as name, quiet("TFLite quantization"):
        source, target = Path(name) / "float.tflite", Path(name) / "int8.tflite"
        source.write_bytes(floating)
        tool = quantizer.Quantizer(str(source), quantizer_recipes.static_wi8_ai8())
        for output in kept:
            tool.update_quantization_recipe(
                f"^{re.escape(output)};$",
                qtyping.TFLOperationName.ALL_SUPPORTED,
                algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
            )
        tool.quantize(_as_statistics(ranges)).export_model(str(target))
        content = target.read_bytes()
    write_atomically(path, slim_tflite(content))
    return Graphs(floating, content)


def ranges_from(pictures: Sequence[Pixels], recipe: ExportRecipe) -> RangesOf:
    """Ranges found by the recipe on prepared pictures, uint8 (H, W, 3) each."""
    inputs = [normalized_nhwc(pixels) for pixels in pictures]
    return lambda content: find_ranges(lambda: run_tflite(content, inputs), recipe)


def normalized_nhwc(pixels: Pixels) -> NDArray[np.float32]:
    """A prepared picture as the float graph takes it, (1, H, W, 3)."""
    values: NDArray[np.float32] = normalize(torch.from_numpy(pixels))[None].numpy()
    return values


def _converted(module: nn.Module, example: torch.Tensor) -> bytes:
    """A TFLite model's bytes, its input called `pixels`."""
    with tempfile.TemporaryDirectory(prefix="waste-edge-tflite-") as name, quiet("TFLite conversion"):
        path = Path(name) / "model.tflite"
        litert_torch.convert(module.eval(), sample_kwargs={"pixels": example}).export(str(path))
        return path.read_bytes()


def _as_statistics(ranges: dict[str, Range]) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Ranges as ai-edge-quantizer's calibration would give them; the input's is [-1, 127/128]: scale 1/128, zero 0."""
    pinned = {
        name: (-1.0, 127 / 128) if name.startswith(f"{_SIGNATURE}_pixels") else limits
        for name, limits in ranges.items()
    }
    return {
        name: {"min": np.full((1, 1), low, np.float32), "max": np.full((1, 1), high, np.float32)}
        for name, (low, high) in pinned.items()
    }
