"""What a network is trained on: augmented views of photographs, and views the project renders itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms import v2

from waste_edge.dataset import Dataset, Photo
from waste_edge.errors import ConfigError
from waste_edge.frames import Pixels
from waste_edge.preprocess import InputSpec
from waste_edge.rendering.items import ITEM_LABELS
from waste_edge.rendering.scene import render_view
from waste_edge.training.recipe import AugmentSpec, RenderedSpec


class TrainingViews(TorchDataset[tuple[Tensor, int]]):
    """Augmented uint8 (3, H, W) views with their label index: photographs first, rendered ones after."""

    def __init__(
        self,
        dataset: Dataset,
        photos: Sequence[Photo],
        rendered: Sequence[tuple[Pixels, int]],
        augment: Callable[[Tensor], Tensor],
    ) -> None:
        self._dataset = dataset
        self._photos = photos
        self._rendered = rendered
        self._augment = augment

    def __len__(self) -> int:
        return len(self._photos) + len(self._rendered)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index < len(self._photos):
            photo = self._photos[index]
            pixels, label = photo.pixels(), self._dataset.label_index(photo)
        else:
            pixels, label = self._rendered[index - len(self._photos)]
        return self._augment(torch.from_numpy(pixels).permute(2, 0, 1)), label


def render_views(spec: RenderedSpec, labels: Sequence[str], size_px: int) -> list[tuple[Pixels, int]]:
    """The recipe's rendered views, the same for the same seed.

    Raises:
        ConfigError: the data have a label that the project cannot draw.
    """
    if not spec.views_per_label:
        return []
    if strange := sorted(set(labels) - set(ITEM_LABELS)):
        raise ConfigError(
            f"rendered.views_per_label: cannot draw {', '.join(strange)} (only {', '.join(ITEM_LABELS)}); set it to 0"
        )
    views = []
    for index, label in enumerate(labels):
        rng = np.random.default_rng([spec.seed, ITEM_LABELS.index(label)])
        views += [(render_view(label, rng, size_px, size_px), index) for _ in range(spec.views_per_label)]
    return views


def augmentation(spec: AugmentSpec, target: InputSpec) -> v2.Compose:
    """uint8 (3, H, W) of any size to uint8 (3, target.height_px, target.width_px)."""
    shape = target.width_px / target.height_px
    steps: list[torch.nn.Module] = [
        v2.RandomResizedCrop(
            (target.height_px, target.width_px), (spec.min_area, 1.0), (0.75 * shape, shape / 0.75), antialias=True
        )
    ]
    if spec.flip:
        steps.append(v2.RandomHorizontalFlip())
    if spec.rotation_deg:
        steps.append(v2.RandomRotation(spec.rotation_deg, v2.InterpolationMode.BILINEAR, fill=list(target.fill)))
    if spec.colour_jitter:
        share = spec.colour_jitter
        steps.append(v2.ColorJitter(share, share, share, share / 10))
    if spec.erase_probability:
        steps.append(v2.RandomErasing(spec.erase_probability, scale=(0.02, 0.2), value=128))
    return v2.Compose(steps)
