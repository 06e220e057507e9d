"""Pictures beside the known ones of a report: unknown things, and known items on shifted backgrounds.

Where no photographs of these are at hand, pictures are drawn when they are asked for, of kinds that training does not
draw: a network is not to be judged by what it was taught with. They are no photographs, which every output that names
them says, but are asked about like photographs (`Photo`), so that whoever scores those can score these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from waste_edge.dataset import Photo
from waste_edge.errors import DataError
from waste_edge.evaluation.evaluate import Progress, without_progress
from waste_edge.evaluation.report.content import ShiftedBackgrounds, Unknown
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.image_files import find_pictures
from waste_edge.rendering.canvas import Rng
from waste_edge.rendering.cutouts import Cutout, cut_out, put_down
from waste_edge.rendering.held_out import JUDGING
from waste_edge.rendering.outliers import render_held_out_outlier
from waste_edge.rendering.scene import random_camera
from waste_edge.taxonomy import UNKNOWN

Draw = Callable[[Rng, int, int], Pixels]  # to uint8 (height_px, width_px, 3)
WIDTH_PX, HEIGHT_PX = 320, 240  # as a small camera's
# Training's views begin from [its seed, 0 or 1, index]: the second number keeps these apart, whatever that seed is.
_SEED, _OUTLIERS, _PLACES = 20_261_123, 2, 3
RENDERED = "rendered"  # the word for --unknown
OUTLIERS = 400


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


class Strange(NamedTuple):
    """Pictures that none of the labels fits, and what to call them."""

    photos: Sequence[Photo]
    said: Unknown


class ShiftedPictures(NamedTuple):
    """Known items in strange places, and what to call them."""

    photos: Sequence[Photo]
    said: ShiftedBackgrounds


def open_unknown(given: str) -> Strange:
    """Every picture below a folder as one of nothing known; for the word `rendered` those that we draw.

    Raises:
        DataError: no such folder, or no picture in it.
    """
    if given == RENDERED:
        drawn = outlier_pictures(partial(render_held_out_outlier, family=JUDGING), OUTLIERS)
        return Strange(drawn, Unknown(folder=RENDERED, pictures=len(drawn), rendered=True))
    folder, remedy = Path(given), "--unknown takes a folder of pictures that show none of the labels, or `rendered`"
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {remedy}")
    paths = list(find_pictures(folder))
    if not paths:
        raise DataError(f"{folder}: holds no pictures; {remedy}")
    keys = [f"{UNKNOWN}:{path.relative_to(folder).as_posix()}" for path in paths]
    found = [Photo(path, key, UNKNOWN, key) for path, key in zip(paths, keys, strict=True)]
    return Strange(found, Unknown(folder=folder.name, pictures=len(found)))


def shift_backgrounds(photos: Sequence[Photo], progress: Progress) -> ShiftedPictures:
    """The photographs' items on surfaces that training never paints.

    Raises:
        DataError: none can be cut out, or the data have no pictures.
    """
    moved = on_shifted_backgrounds(photos, JUDGING.paint, progress)
    if not moved:
        raise DataError(
            f"none of {len(photos)} items can be cut out of its background; --elsewhere needs photographs of single "
            "items on a plain light board"
        )
    return ShiftedPictures(moved, ShiftedBackgrounds(pictures=len(moved), of=len(photos)))
