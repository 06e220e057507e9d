"""The views that a stock keeps: photographs as they are, and their items as a station would see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from waste_edge.dataset import Photo
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.image_files import read_picture
from waste_edge.imaging.preprocess import InputSpec, Surround, View, prepare
from waste_edge.item import Ground, crop_item, find_item
from waste_edge.item.compose import Rng, SceneRanges, Sprite, compose
from waste_edge.rendering.cutouts import cut_out, sprite_of
from waste_edge.rendering.outliers import render_outlier
from waste_edge.rendering.textures import paint_texture
from waste_edge.training.recipe import StockSpec

# Items come nearer to a lens, and lie further over its edge, than the composer's own defaults have them.
_RANGES = SceneRanges(size=(0.3, 0.85), inside=0.9)
_SURFACE_PX = (640, 480)
_TRIES = 3  # until a composed item is found by the difference; then the photograph is shown as it is


@dataclass(frozen=True)
class ViewSource:
    """Source of views: a picture or a rendered thing.

    Attributes:
        photo: None for what is drawn.
        label: index, or -1 for what has no label.
        number: tells it from all others; its chances are of this and the stock's seed.
    """

    photo: Photo | None
    label: int
    number: int


@dataclass(frozen=True)
class ViewMaker:
    """Makes the views of subjects; a value that other processes can be given.

    Attributes:
        grounds: pictures of surfaces to lay items on, beside rendered ones.
    """

    spec: StockSpec
    grounds: tuple[Path, ...]

    def count(self, subject: ViewSource) -> int:
        """Count the views of a subject."""
        if subject.photo is None:
            return 1
        return self.spec.strange if subject.label < 0 else self.spec.whole + self.spec.station

    def views(self, subject: ViewSource) -> Iterator[Pixels]:
        """Make a subject's views, uint8 (side_px, side_px, 3) each, the same ones whoever makes them."""
        cv2.setNumThreads(0)  # as many processes as cores make them
        side = self.spec.side_px
        rng = np.random.default_rng([self.spec.seed, 4, subject.number])
        if subject.photo is None:
            yield _square(render_outlier(rng, side * 5 // 4, side), side, rng)
            return
        pixels = subject.photo.pixels()
        strange = subject.label < 0
        sprite = _sprite(pixels) if (self.spec.strange if strange else self.spec.station) else None
        whole = self.spec.strange - self.spec.strange // 2 if strange else self.spec.whole
        for index in range(self.count(subject)):
            yield _square(pixels, side, rng) if index < whole or sprite is None else self._seen(sprite, pixels, rng)

    def _seen(self, sprite: Sprite, pixels: Pixels, rng: Rng) -> Pixels:
        """The item through the station's eye."""
        side = self.spec.side_px
        surround: Surround = "plain" if rng.random() < self.spec.plain else "keep"
        view = View(kind="item", margin=float(rng.uniform(*self.spec.margin)), surround=surround)
        for _ in range(_TRIES):
            scene = compose(sprite, self._ground(rng), rng, _RANGES)
            region = find_item(scene.frames[0], Ground(scene.empty))
            if region is not None:
                return prepare(crop_item(scene.frames[0], region.only(0), view), InputSpec(side, side))
        return _square(pixels, side, rng)

    def _ground(self, rng: Rng) -> Pixels:
        if self.grounds and rng.random() < self.spec.real_grounds:
            return _picture(self.grounds[int(rng.integers(len(self.grounds)))])
        return _surface(self.spec.seed, int(rng.integers(self.spec.surfaces)))


def subjects_of(known: Sequence[tuple[Photo, int]], strange: Sequence[Photo], drawn: int) -> list[ViewSource]:
    """Numbered: labelled photographs with their label's index, things without one, and drawn ones."""
    photos: list[tuple[Photo | None, int]] = [*known, *((photo, -1) for photo in strange), *[(None, -1)] * drawn]
    return [ViewSource(photo, label, number) for number, (photo, label) in enumerate(photos)]


def _sprite(pixels: Pixels) -> Sprite | None:
    """The item cut out of its board; None where no board shows or that cannot be done credibly."""
    cutout = cut_out(pixels)
    if cutout is None or cutout.board is None:
        return None
    return sprite_of(pixels, cutout)


def _square(pixels: Pixels, side: int, rng: Rng) -> Pixels:
    """The largest square of a picture, somewhere along its longer side."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    left, top = int(rng.integers(width - short + 1)), int(rng.integers(height - short + 1))
    return prepare(np.ascontiguousarray(pixels[top : top + short, left : left + short]), InputSpec(side, side))


@lru_cache(maxsize=64)
def _picture(path: Path) -> Pixels:
    return read_picture(path)


@lru_cache(maxsize=64)
def _surface(seed: int, index: int) -> Pixels:
    width, height = _SURFACE_PX
    return paint_texture(np.random.default_rng([seed, 5, index]), width, height)
