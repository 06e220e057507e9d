"""Augmentation of a whole batch at once, on whatever device it lies: crop, turn, mirror, light, blur, noise, erase."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from waste_edge.training.recipe import AugmentSpec

_GREY = (0.299, 0.587, 0.114)
_QUARTERS = 0.25  # share of views turned by a quarter or a half: things lie as they fell
_COARSE = 1.4  # a crop that is reduced by more is sampled twice as densely and averaged


class BatchAugmentation:
    """Changes batches of views by the chances of a generator."""

    def __init__(self, spec: AugmentSpec, height_px: int, width_px: int, generator: torch.Generator) -> None:
        self._spec = spec
        self._size = (height_px, width_px)
        self._generator = generator
        self._device = generator.device

    def __call__(self, views: Tensor) -> Tensor:
        """Levels, float32 (B, 3, height_px, width_px), 0 to 255, of views uint8 (B, S, S, 3)."""
        pixels = views.to(self._device, non_blocking=True).permute(0, 3, 1, 2).float()
        pixels = self._light(self._cropped(pixels))
        if self._spec.bad_camera:
            pixels = self._camera(pixels)
        pixels = pixels.clamp_(0, 255)
        return self._erased(pixels) if self._spec.erase_probability else pixels

    def _uniform(self, count: int, low: float, high: float) -> Tensor:
        return torch.rand(count, device=self._device, generator=self._generator) * (high - low) + low

    def _chosen(self, count: int, share: float) -> Tensor:
        return self._uniform(count, 0, 1) < share

    def _cropped(self, pixels: Tensor) -> Tensor:
        """A random part, turned and mirrored, resized to the input; what lies outside of the view is its reflection."""
        spec, count = self._spec, len(pixels)
        height, width = self._size
        area = self._uniform(count, spec.min_area, 1.0)
        shape = torch.exp(self._uniform(count, math.log(spec.aspect), -math.log(spec.aspect)) / 2)
        across, down = (area.sqrt() * shape).clamp(max=1.0), (area.sqrt() / shape).clamp(max=1.0)
        angle = torch.deg2rad(self._uniform(count, -spec.rotation_deg, spec.rotation_deg))
        if spec.rotation_deg:
            quarter = torch.randint(1, 4, (count,), device=self._device, generator=self._generator)
            angle = angle + self._chosen(count, _QUARTERS) * quarter * (math.pi / 2)
        mirror = torch.where(self._chosen(count, 0.5 if spec.flip else 0.0), -1.0, 1.0)
        middle_x = self._uniform(count, -1, 1) * (1 - across)
        middle_y = self._uniform(count, -1, 1) * (1 - down)
        c, s = torch.cos(angle), torch.sin(angle)
        rows = (
            torch.stack([across * c * mirror, -across * s, middle_x], 1),
            torch.stack([down * s * mirror, down * c, middle_y], 1),
        )
        theta = torch.stack(rows, 1)
        finer = 2 if pixels.shape[-1] > _COARSE * max(height, width) else 1
        shape_out = [count, 3, height * finer, width * finer]
        grid = functional.affine_grid(theta, shape_out, align_corners=False)
        seen = functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return functional.avg_pool2d(seen, finer) if finer > 1 else seen

    def _light(self, pixels: Tensor) -> Tensor:
        """Brightness, contrast, saturation, the lamp's colour and gamma vary by `colour_jitter`."""
        share, count = self._spec.colour_jitter, len(pixels)
        if not share:
            return pixels
        weights = torch.tensor(_GREY, device=self._device).view(1, 3, 1, 1)
        one = (count, 1, 1, 1)
        lamp = 1 + (torch.rand(count, 3, 1, 1, device=self._device, generator=self._generator) - 0.5) * (share / 2)
        pixels = pixels * lamp * self._uniform(count, 1 - share, 1 + share).view(one)
        grey = (pixels * weights).sum(1, keepdim=True)
        pixels = torch.lerp(grey, pixels, self._uniform(count, 1 - share, 1 + share).view(one))
        mean = grey.mean((2, 3), keepdim=True)
        pixels = torch.lerp(mean, pixels, self._uniform(count, 1 - share, 1 + share).view(one))
        gamma = torch.exp(self._uniform(count, -share, share)).view(one)
        return (pixels.clamp(1e-3, 255) / 255) ** gamma * 255

    def _camera(self, pixels: Tensor) -> Tensor:
        """Faults of a cheap camera: soft focus, few pixels, noise, each with half of the chance of `bad_camera`."""
        count, one = len(pixels), (len(pixels), 1, 1, 1)
        chance = self._spec.bad_camera / 2
        smooth = functional.avg_pool2d(functional.avg_pool2d(pixels, 3, 1, 1, count_include_pad=False), 3, 1, 1,
                                       count_include_pad=False)  # fmt: skip
        soft = self._chosen(count, chance) * self._uniform(count, 0.3, 1.0)
        pixels = torch.lerp(pixels, smooth, soft.view(one))
        few = functional.interpolate(pixels, scale_factor=0.4, mode="bilinear", align_corners=False)
        few = functional.interpolate(few, size=self._size, mode="bilinear", align_corners=False)
        pixels = torch.where(self._chosen(count, chance / 2).view(one), few, pixels)
        deviation = (self._chosen(count, chance) * self._uniform(count, 2.0, 16.0)).view(one)
        grain = torch.randn(pixels.shape, device=self._device, generator=self._generator)
        return pixels + grain * deviation

    def _erased(self, pixels: Tensor) -> Tensor:
        """A rectangle of 2 to 20 % of the picture painted grey, in some."""
        count = len(pixels)
        height, width = self._size
        area, shape = self._uniform(count, 0.02, 0.2), torch.exp(self._uniform(count, -1.2, 1.2) / 2)
        half_y, half_x = (area.sqrt() * shape / 2).view(-1, 1), (area.sqrt() / shape / 2).view(-1, 1)
        y = torch.linspace(0, 1, height, device=self._device)[None] - self._uniform(count, 0, 1).view(-1, 1)
        x = torch.linspace(0, 1, width, device=self._device)[None] - self._uniform(count, 0, 1).view(-1, 1)
        rows, columns = (
            y.abs() < half_y,
            (x.abs() < half_x) & self._chosen(count, self._spec.erase_probability)[:, None],
        )
        return pixels.masked_fill((rows[:, None, :, None] & columns[:, None, None, :]), 128.0)
