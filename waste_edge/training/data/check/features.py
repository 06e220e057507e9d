"""Numbers that stand for a picture, to find those that look like another label's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.errors import ConfigError
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec, prepare

SIMPLE = "colours and edges"
_CELLS = 4
_ANGLES = 8
_BATCH = 32
_SIDE_PX = 160


def simple_features(pixels: Pixels) -> NDArray[np.float32]:
    """A picture's colours (HSV histogram, mean and spread in 4x4 cells) and edges (directions in 4x4 cells).

    Args:
        pixels: uint8 (H, W, 3) RGB, H and W divisible by four.
    """
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    colours = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 4], [0, 180, 0, 256, 0, 256]).ravel()
    lab = _in_cells(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab).astype(np.float32))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    direction = ((np.arctan2(down, across) % np.pi) / np.pi * _ANGLES).astype(int) % _ANGLES
    strength = np.hypot(across, down)
    edges = [_in_cells(np.where(direction == angle, strength, 0)[:, :, None]).mean((1, 2)) for angle in range(_ANGLES)]
    return np.concatenate(
        [np.sqrt(colours / colours.sum()), lab.mean((1, 2)).ravel(), lab.std((1, 2)).ravel(), np.log1p(np.ravel(edges))]
    ).astype(np.float32)


def _in_cells(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, C) to (cells, H/4, W/4, C)."""
    height, width, channels = image.shape
    cells = image.reshape(_CELLS, height // _CELLS, _CELLS, width // _CELLS, channels).swapaxes(1, 2)
    return cells.reshape(_CELLS * _CELLS, height // _CELLS, width // _CELLS, channels)


def network_features(
    paths: Sequence[Path], weights: Path, progress: Callable[[int, int], None]
) -> tuple[NDArray[np.float32], str]:
    """Compute a MobileNetV1's features of each picture: float32 (N, F), and the network's name in words.

    Raises:
        ConfigError: the file holds no MobileNetV1.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    from waste_edge.imaging.image_files import read_picture
    from waste_edge.training.networks import build_network, load_initial_weights, normalize
    from waste_edge.training.recipe import ModelSpec

    try:
        with safe_open(weights, "pt") as file:
            channels = file.get_slice("conv_stem.weight").get_shape()[0]
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{weights}: not a MobileNetV1's .safetensors ({error}); give another --weights") from error
    spec = ModelSpec(architecture="mobilenet_v1", width=channels / 32)
    network = build_network(spec, 2)
    load_initial_weights(network, spec, weights)
    network.eval()
    seen_as = InputSpec(width_px=_SIDE_PX, height_px=_SIDE_PX, resize="letterbox")
    found = []
    with torch.no_grad():
        for start in range(0, len(paths), _BATCH):
            batch = np.stack([prepare(read_picture(path), seen_as) for path in paths[start : start + _BATCH]])
            _, features = network(normalize(torch.from_numpy(batch).permute(0, 3, 1, 2)))
            found.append(features.numpy())
            progress(min(start + _BATCH, len(paths)), len(paths))
    return np.concatenate(found), f"MobileNetV1 of width {spec.width:g} with {weights.name}"
