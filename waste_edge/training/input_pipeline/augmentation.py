"""Augmentation of training pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from waste_edge.imaging.corruptions import bad_camera
from waste_edge.imaging.preprocess import InputSpec, blur, prepare
from waste_edge.training.recipe import AugmentSpec

_SMOOTH = v2.InterpolationMode.BILINEAR


def augmentation(spec: AugmentSpec, target: InputSpec) -> v2.Compose:
    """uint8 (3, H, W) of any size to uint8 (3, target.height_px, target.width_px)."""
    shape = target.width_px / target.height_px
    size = (target.height_px, target.width_px)
    steps: list[torch.nn.Module] = []
    if target.resize == "letterbox":
        steps.append(Letterbox(target))
    crop = (spec.aspect * shape, shape / spec.aspect)
    steps.append(v2.RandomResizedCrop(size, (spec.min_area, 1.0), crop, antialias=True))
    if spec.flip:
        steps.append(v2.RandomHorizontalFlip())
    if spec.rotation_deg or spec.translation:
        shift = (spec.translation, spec.translation) if spec.translation else None
        steps.append(v2.RandomAffine(spec.rotation_deg, shift, None, None, _SMOOTH, fill=list(target.fill)))
    if spec.colour_jitter:
        share = spec.colour_jitter
        steps.append(v2.ColorJitter(share, share, share, share / 10))
    if spec.bad_camera:
        steps.append(BadCamera(spec.bad_camera))
    if target.blur_sigma_px:  # what the device will do to every picture is done to these too
        steps.append(Blur(target.blur_sigma_px))
    if spec.erase_probability:
        steps.append(v2.RandomErasing(spec.erase_probability, scale=(0.02, 0.2), value=128))
    return v2.Compose(steps)


def no_augmentation(target: InputSpec) -> Callable[[Tensor], Tensor]:
    """Exactly what a device does to a picture, for trainings that are to be compared number by number."""

    def view(pixels: Tensor) -> Tensor:
        prepared = prepare(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()), target)
        return torch.from_numpy(prepared).permute(2, 0, 1)

    return view


class Letterbox(torch.nn.Module):
    """Pads to the input's shape with its fill colour, so that a crop of the whole is what a device sees."""

    def __init__(self, target: InputSpec) -> None:
        super().__init__()
        self._shape = target.width_px / target.height_px
        self._fill = list(target.fill)

    def forward(self, pixels: Tensor) -> Tensor:
        height, width = pixels.shape[-2:]
        missing_width = max(0, round(height * self._shape) - width)
        missing_height = max(0, round(width / self._shape) - height)
        left, top = missing_width // 2, missing_height // 2
        sides = [left, top, missing_width - left, missing_height - top]
        padded: Tensor = v2.functional.pad(pixels, sides, fill=self._fill)
        return padded


class BadCamera(torch.nn.Module):
    """Faults of the camera and of the light, as `corruptions` defines them."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self._probability = probability

    def forward(self, pixels: Tensor) -> Tensor:
        rng = np.random.default_rng(int(torch.randint(2**31, (1,))))
        if rng.random() >= self._probability:
            return pixels
        seen = bad_camera(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()), rng)
        return torch.from_numpy(seen).permute(2, 0, 1)


class Blur(torch.nn.Module):
    """The input's Gaussian blur, by the device's own function."""

    def __init__(self, sigma_px: float) -> None:
        super().__init__()
        self._sigma_px = sigma_px

    def forward(self, pixels: Tensor) -> Tensor:
        blurred = blur(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()), self._sigma_px)
        return torch.from_numpy(blurred).permute(2, 0, 1)
