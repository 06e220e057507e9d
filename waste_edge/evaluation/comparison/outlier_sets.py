"""Pictures beside the known ones in a report: unknown things, and known items on shifted backgrounds.

Where no photographs of these are at hand, pictures are drawn, of kinds that training does not draw: a network is not
to be judged by what it was taught with. They are no photographs, which every output that names them says.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from waste_edge.dataset import Photo
from waste_edge.errors import DataError
from waste_edge.evaluation.evaluate import Progress
from waste_edge.evaluation.rendered_pictures import on_shifted_backgrounds, outlier_pictures
from waste_edge.evaluation.report.content import ShiftedBackgrounds, Unknown
from waste_edge.imaging.image_files import find_pictures
from waste_edge.rendering.held_out import JUDGING
from waste_edge.rendering.outliers import render_held_out_outlier
from waste_edge.taxonomy import UNKNOWN

RENDERED = "rendered"  # the word for --unknown
OUTLIERS = 400


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
