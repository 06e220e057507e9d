"""torch to TFLite through litert-torch, then to INT8 through ai-edge-quantizer.

Input `pixels` (1, H, W, 3): uint8 in the FP32 file, int8 (pixel XOR 0x80) in the INT8 file. Outputs `logits`
and `features` by name in the one signature.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import torch
from ai_edge_quantizer import quantizer, recipe
from torch import nn

from waste_edge.errors import WasteEdgeError
from waste_edge.export.graphs import FromNormalized, FromPixels, example_pixels
from waste_edge.export.quiet import quiet
from waste_edge.export.slim_tflite import slim_tflite
from waste_edge.files import write_atomically
from waste_edge.frames import Pixels
from waste_edge.training.networks import normalize

SCHEME = "static_wi8_ai8 (ai-edge-quantizer): activations INT8 per tensor, weights INT8 per channel, MinMax"
_SIGNATURE = litert_torch.model.DEFAULT_SIGNATURE_NAME


def export_fp32(network: nn.Module, height_px: int, width_px: int, path: Path) -> None:
    """Write the FP32 file of a folded network."""
    content = _converted(FromPixels(network, channels_first=False), example_pixels(height_px, width_px))
    write_atomically(path, slim_tflite(content))


def export_int8(network: nn.Module, calibration: list[Pixels], path: Path) -> None:
    """Quantize a folded network and write the INT8 file.

    The input's scale is pinned to 1/128 and its zero point to 0, whatever range the calibration pictures had:
    the device then hands over the camera's own pixels, seen as signed.

    Args:
        network: folded, in evaluation mode.
        calibration: prepared training pictures, uint8 (H, W, 3) each.
        path: the file to write.
    """
    height_px, width_px = calibration[0].shape[:2]
    floating = _converted(FromNormalized(network, channels_first=False), normalize(example_pixels(height_px, width_px)))
    with tempfile.TemporaryDirectory(prefix="waste-edge-tflite-") as name, quiet("TFLite quantization"):
        source, target = Path(name) / "float.tflite", Path(name) / "int8.tflite"
        source.write_bytes(floating)
        tool = quantizer.Quantizer(str(source), recipe.static_wi8_ai8())
        pictures = [{"pixels": normalize(torch.from_numpy(pixels))[None].numpy()} for pixels in calibration]
        ranges = _pin_input(tool.calibrate({_SIGNATURE: pictures}))
        tool.quantize(ranges).export_model(str(target))
        content = target.read_bytes()
    write_atomically(path, slim_tflite(content))


def _converted(module: nn.Module, example: torch.Tensor) -> bytes:
    """A TFLite model's bytes, its input called `pixels`."""
    with tempfile.TemporaryDirectory(prefix="waste-edge-tflite-") as name, quiet("TFLite conversion"):
        path = Path(name) / "model.tflite"
        litert_torch.convert(module.eval(), sample_kwargs={"pixels": example}).export(str(path))
        return path.read_bytes()


def _pin_input(ranges: dict[str, Any]) -> dict[str, Any]:
    """Set the input's range to [-1, 127/128], which is scale 1/128 and zero point 0 in INT8."""
    names = [name for name in ranges if name.startswith(f"{_SIGNATURE}_pixels")]
    if len(names) != 1:
        raise WasteEdgeError(f"TFLite quantization: expected one input tensor, found {names or 'none'}")
    wanted = {"min": -1.0, "max": 127 / 128}
    pinned = {key: np.full_like(ranges[names[0]][key], value) for key, value in wanted.items()}
    return {**ranges, names[0]: {**ranges[names[0]], **pinned}}
