"""The pictures that set the activations' ranges: training pictures, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from waste_edge.dataset import Dataset, Photo, stratified
from waste_edge.errors import DataError
from waste_edge.export.recipe import ExportRecipe
from waste_edge.files import sha256_of
from waste_edge.frames import Pixels
from waste_edge.pictures import read_picture
from waste_edge.preprocess import InputSpec, prepare


def choose_calibration(dataset: Dataset, training: Sequence[Photo], recipe: ExportRecipe) -> list[Photo]:
    """The recipe's number of training pictures, the labels in turn.

    Raises:
        DataError: the training part holds fewer.
    """
    if len(training) < recipe.calibration_pictures:
        raise DataError(
            f"{dataset.root}: {len(training)} training pictures, calibration needs {recipe.calibration_pictures}; "
            "add pictures, or lower calibration_pictures in the export recipe"
        )
    return stratified(dataset, training, recipe.calibration_pictures, recipe.calibration_seed)


def prepared(photos: Sequence[Photo], spec: InputSpec) -> list[Pixels]:
    """The very pixels a device would hand over, uint8 (H, W, 3) each."""
    return [prepare(read_picture(photo.path), spec) for photo in photos]


def fingerprint(photos: Sequence[Photo]) -> str:
    """SHA-256 over the pictures' keys and contents, in their order."""
    total = hashlib.sha256()
    for photo in photos:
        total.update(f"{photo.key}\0{sha256_of(photo.path)}\n".encode())
    return total.hexdigest()
