"""Pictures that are drawn when they are asked for: strangers, and the items of photographs in other places.

They are asked about like photographs (`Photo`), so that whoever scores those can score these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from waste_edge.dataset import Photo
from waste_edge.evaluation.evaluate import Progress, without_progress
from waste_edge.imaging.frames import Pixels
from waste_edge.rendering.canvas import Rng
from waste_edge.rendering.cutouts import Cutout, cut_out, put_down
from waste_edge.rendering.scene import random_camera
from waste_edge.taxonomy import UNKNOWN

Draw = Callable[[Rng, int, int], Pixels]  # to uint8 (height_px, width_px, 3)
WIDTH_PX, HEIGHT_PX = 320, 240  # as a small camera's
# Training's views begin from [its seed, 0 or 1, index]: the second number keeps these apart, whatever that seed is.
_SEED, _OUTLIERS, _PLACES = 20_261_123, 2, 3


@dataclass(frozen=True)
class Drawn(Photo):
    """A picture that is drawn whenever it is asked for, each time the same."""

    draw: Callable[[], Pixels] = field(kw_only=True, compare=False)

    def pixels(self) -> Pixels:
        """The picture, uint8 (H, W, 3) RGB."""
        return self.draw()


def outlier_pictures(draw: Draw, count: int) -> list[Photo]:
    """Render `count` pictures of unknown things, seen by a camera that may be dim, warm or soft."""
    keys = [f"{UNKNOWN}:{index}" for index in range(count)]
    return [Drawn(None, key, UNKNOWN, key, draw=partial(_outlier, draw, index)) for index, key in enumerate(keys)]


def on_shifted_backgrounds(photos: Sequence[Photo], paint: Draw, progress: Progress = without_progress) -> list[Photo]:
    """The photographs' items on other surfaces, as many as can be cut out of a plain board.

    Each has its photograph's key, label and group.

    Args:
        photos: labelled photographs; the same ones give the same pictures.
        paint: what they are put down on.
        progress: told how many were looked at.

    Raises:
        DataError, PictureError: a photo has no picture, or one that cannot be read.
    """
    moved: list[Photo] = []
    for index, photo in enumerate(photos):
        cutout = cut_out(photo.pixels())
        progress(index + 1, len(photos))
        if cutout is None or cutout.board is None:  # where no board shows, the photograph's edge would
            continue
        kept = (photo.path, photo.key, photo.label, photo.group, photo.text, photo.part)
        moved.append(Drawn(*kept, draw=partial(_moved, photo, cutout, paint, index)))
    return moved


def _outlier(draw: Draw, index: int) -> Pixels:
    rng = np.random.default_rng([_SEED, _OUTLIERS, index])
    return random_camera(draw(rng, WIDTH_PX, HEIGHT_PX), rng)


def _moved(photo: Photo, cutout: Cutout, paint: Draw, index: int) -> Pixels:
    rng = np.random.default_rng([_SEED, _PLACES, index])
    # Under the same cameras as strangers: else it would be the camera that tells the two apart.
    return random_camera(put_down(photo.pixels(), cutout, paint(rng, WIDTH_PX, HEIGHT_PX), rng), rng)
