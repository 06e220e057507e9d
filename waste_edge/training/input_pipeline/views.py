"""Training views: augmented views of photographs, and rendered ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from waste_edge.dataset import Dataset, Photo
from waste_edge.errors import ConfigError
from waste_edge.imaging.frames import Pixels
from waste_edge.rendering.cutouts import Cutout, cut_out, put_down
from waste_edge.rendering.items.sprites import ITEM_LABELS
from waste_edge.rendering.outliers import render_outlier
from waste_edge.rendering.scene import render_view
from waste_edge.rendering.textures import paint_texture
from waste_edge.training.input_pipeline.inputs import InputReader, nothing
from waste_edge.training.recipe import BackgroundSpec, OutlierSpec, RenderedSpec
from waste_edge.training.seeding import mixed_seed


class TrainingView(NamedTuple):
    """One training example: pixels uint8 (3, H, W), empty for text alone; its text; its label index and its number."""

    pixels: Tensor
    text: str
    label: int
    number: int


class Batch(NamedTuple):
    """Views put together: uint8 (B, 3, H, W), tokens and mask (B, T), label indices (B,), numbers (B,)."""

    pixels: Tensor
    tokens: Tensor
    mask: Tensor
    truth: Tensor
    numbers: list[int]


@dataclass(frozen=True, eq=False)
class ViewOptions:
    """Settings of how views are made and kept.

    Attributes:
        seed: of their chances.
        grounds: other backgrounds for the photographs' items; None: none.
        sets: views of each picture that are kept, and shown in turn; 0: new ones every epoch.
        cache_bytes: of decoded pictures that are kept.
    """

    seed: int = 0
    grounds: Backgrounds | None = None
    sets: int = 0
    cache_bytes: int = 2_000_000_000


_USUAL = ViewOptions()


class TrainingViews(TorchDataset[TrainingView]):
    """Augmented views with their label index: photographs first, rendered ones after.

    A view is asked for by epoch and number, and its chances are of these two (and the recipe's seed) alone: it is the
    same whoever reads it, this process or a worker, alone or on several machines, at once or after a kill.

    Decoded pictures are kept while they fit into `cache_bytes`: reading them again each epoch takes as long as a
    small network's training does. With `sets` the views themselves are kept, that many of each, and come in turn.
    """

    def __init__(
        self,
        dataset: Dataset,
        photos: Sequence[Photo],
        rendered: Sequence[tuple[Pixels, int]],
        augment: Callable[[Tensor], Tensor] | None,
        reader: InputReader,
        options: ViewOptions = _USUAL,
    ) -> None:
        self._dataset = dataset
        self._photos = photos
        self._rendered = rendered
        self._augment = augment
        self._reader = reader
        self._seed = options.seed
        self._grounds = options.grounds
        self.sets = options.sets
        self._kept: dict[tuple[int, int], TrainingView] = {}
        self._cache: dict[int, Pixels] = {}
        self._room_bytes = options.cache_bytes

    def __len__(self) -> int:
        return len(self._photos) + len(self._rendered)

    def __getitem__(self, place: tuple[int, int]) -> TrainingView:
        """The view of an epoch and a number."""
        place = self.turn(*place)
        if place in self._kept:
            return self._kept[place]
        view = self._made(*place)
        if self.sets:
            self._kept[place] = view
        return view

    def turn(self, epoch: int, number: int) -> tuple[int, int]:
        """Choose the view to show: another epoch's, if it has been made for that already."""
        return ((epoch - 1) % self.sets + 1 if self.sets else epoch), number

    def _made(self, epoch: int, number: int) -> TrainingView:
        if number >= len(self._photos):
            pixels, label = self._rendered[number - len(self._photos)]
            return TrainingView(self._augmented(pixels, epoch, number), "", label, number)
        photo = self._photos[number]
        view = self._augmented(self._somewhere(epoch, number), epoch, number) if self._augment else nothing(0)
        return TrainingView(view, self._reader.text_of(photo), self._dataset.label_index(photo), number)

    def share_room(self, among: int) -> None:
        """Keep only this reader's share of the decoded pictures: so many processes read on this machine."""
        self._room_bytes //= among

    def name(self, index: int) -> str:
        """Name a view in a message."""
        return self._photos[index].key if index < len(self._photos) else f"rendered view {index - len(self._photos)}"

    def labels(self) -> list[int]:
        """Every view's label index; -1 of what has no label."""
        return [self._dataset.label_index(photo) for photo in self._photos] + [label for _, label in self._rendered]

    def collate(self, views: Sequence[TrainingView]) -> Batch:
        """Stack views, and tokenize their texts together."""
        tokenize = self._reader.tokenize
        tokens, mask = tokenize([view.text for view in views]) if tokenize else (nothing(len(views)),) * 2
        pixels = torch.stack([view.pixels for view in views]) if self._augment else nothing(len(views))
        truth = torch.tensor([view.label for view in views])
        return Batch(pixels, tokens, mask, truth, [view.number for view in views])

    def _augmented(self, pixels: Pixels, epoch: int, number: int) -> Tensor:
        assert self._augment is not None
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(mixed_seed(self._seed, epoch, number, 1))
            return self._augment(torch.from_numpy(pixels).permute(2, 0, 1))

    def _somewhere(self, epoch: int, number: int) -> Pixels:
        """The photograph, or its item on another background."""
        pixels = self._pixels(number)
        if self._grounds is None:
            return pixels
        return self._grounds.perhaps(pixels, number, np.random.default_rng(mixed_seed(self._seed, epoch, number, 2)))

    def _pixels(self, index: int) -> Pixels:
        if index in self._cache:
            return self._cache[index]
        pixels = self._photos[index].pixels()
        if pixels.nbytes <= self._room_bytes:
            self._room_bytes -= pixels.nbytes
            self._cache[index] = pixels
        return pixels


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


def render_outliers(spec: OutlierSpec, size_px: int) -> list[tuple[Pixels, int]]:
    """The recipe's views of what has no label, each with -1 for a label; the same for the same seed."""
    return [
        (render_outlier(np.random.default_rng([spec.seed, 1, index]), size_px, size_px), -1)
        for index in range(spec.views)
    ]


class Backgrounds:
    """Other backgrounds for photographs: painted once, and items cut out once."""

    def __init__(self, spec: BackgroundSpec, size_px: int) -> None:
        self._share = spec.share
        self._surfaces = [
            paint_texture(np.random.default_rng([spec.seed, 0, index]), size_px, size_px)
            for index in range(spec.surfaces)
        ]
        self._cutouts: dict[int, Cutout | None] = {}

    def perhaps(self, pixels: Pixels, number: int, rng: np.random.Generator) -> Pixels:
        """The item of photograph `number` on another background, or by chance, or if it cannot be cut out, as it is."""
        if rng.random() >= self._share:
            return pixels
        if number not in self._cutouts:
            self._cutouts[number] = cut_out(pixels)
        cutout = self._cutouts[number]
        if cutout is None:
            return pixels
        surface = self._surfaces[int(rng.integers(len(self._surfaces)))]
        turned = np.rot90(surface, int(rng.integers(4)))
        tint = rng.uniform(0.85, 1.15, 3) * rng.uniform(0.7, 1.15)
        ground = np.clip(turned * tint, 0, 255).astype(np.uint8)
        return put_down(pixels, cutout, ground, rng)
