"""The pictures that set the activations' ranges: training pictures, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from waste_edge.dataset import Dataset, Photo, stratified
from waste_edge.errors import DataError
from waste_edge.export.recipe import ExportRecipe
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec, prepare

_FLAT_LEVELS = 3  # of 255, in every channel: sensor noise and JPEG leave about so much on black


def choose_calibration(
    dataset: Dataset, training: Sequence[Photo], held_out: Sequence[Photo], recipe: ExportRecipe
) -> list[Photo]:
    """The recipe's number of training pictures, the labels in turn.

    Args:
        dataset: all of the run's pictures.
        training: its training part.
        held_out: its validation and test parts, which must never set a range.
        recipe: how many, and the seed.

    Raises:
        DataError: the training part holds fewer, or shares a picture or an object with the held-out parts.
    """
    kept_back, objects = {photo.key for photo in held_out}, {photo.group for photo in held_out}
    for photo in training:
        if photo.key in kept_back or photo.group in objects:
            raise DataError(
                f"{photo.path}: meant for calibration, but it (or its object) is in the evaluation part; "
                "calibrate on training pictures only"
            )
    if len(training) < recipe.calibration_pictures:
        raise DataError(
            f"{dataset.root}: {len(training)} training pictures, calibration needs {recipe.calibration_pictures}; "
            "add pictures, or lower calibration_pictures in the export recipe"
        )
    return stratified(dataset, training, recipe.calibration_pictures, recipe.calibration_seed)


def check_not_blank(pictures: Sequence[Pixels], photos: Sequence[Photo]) -> None:
    """Refuse a calibration set that shows nothing: ranges taken from it would cut off every real picture.

    Raises:
        DataError: more than half of the pictures hold a single colour.
    """
    blank = [
        photo
        for photo, pixels in zip(photos, pictures, strict=True)
        if int(np.ptp(pixels, axis=(0, 1)).max()) <= _FLAT_LEVELS
    ]
    if 2 * len(blank) > len(photos):
        raise DataError(
            f"{blank[0].path} and {len(blank) - 1} more of {len(photos)} calibration pictures show a single colour "
            "(a covered lens?); remove them from --data and train again, or choose another calibration_seed"
        )


def prepared(photos: Sequence[Photo], spec: InputSpec) -> list[Pixels]:
    """The very pixels a device would hand over, uint8 (H, W, 3) each."""
    return [prepare(photo.pixels(), spec) for photo in photos]


def fingerprint(photos: Sequence[Photo]) -> str:
    """SHA-256 over the pictures' keys and contents, in their order."""
    total = hashlib.sha256()
    for photo in photos:
        total.update(f"{photo.key}\0{photo.sha256()}\n".encode())
    return total.hexdigest()
