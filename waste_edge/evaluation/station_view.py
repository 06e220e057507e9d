"""Labelled items as a station would show them to its network: composed on a ground, found, cropped.

They are asked about like photographs (`Photo`), so that whoever scores those can score these.

Grounds to lay them on are pictures of surfaces in a folder, or rendered ones that training never shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.dataset import Photo, open_dataset
from waste_edge.engines.classifier import load_classifier
from waste_edge.errors import DataError
from waste_edge.evaluation.evaluate import (
    Evaluation,
    PartChoice,
    Progress,
    choose_photos,
    evaluate_photos,
    without_progress,
)
from waste_edge.evaluation.rendered_pictures import Draw, Drawn
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.image_files import find_pictures, read_picture
from waste_edge.imaging.preprocess import View
from waste_edge.item import Ground, crop_item, find_item
from waste_edge.item.compose import Composed, SceneRanges, compose
from waste_edge.rendering.canvas import Bytes
from waste_edge.rendering.cutouts import credible_sprite
from waste_edge.rendering.held_out import JUDGING

_LEAST_SIDE_PX = 64
_SEED, _SCENES = 20_261_128, 4  # training's views begin from [its seed, 0 or 1, index]; see `rendered_pictures`


@dataclass(frozen=True)
class Grounds:
    """Source of surfaces to lay items on.

    Attributes:
        folder: of pictures; None: they are rendered.
        paths: the folder's pictures, sorted.
        paint: renders one; by default of families that neither training nor fitting uses.
    """

    folder: Path | None = None
    paths: tuple[Path, ...] = ()
    paint: Draw = JUDGING.paint

    @property
    def in_words(self) -> str:
        if self.folder is None:
            return "rendered surfaces that training never shows"
        return f"{len(self.paths)} pictures of surfaces in {self.folder.name}"

    def ground(self, rng: np.random.Generator, width_px: int, height_px: int) -> tuple[str, Pixels]:
        """A surface at random, uint8 (H, W, 3), with its name; a picture has its own size.

        Raises:
            PictureError: the picture cannot be read.
            DataError: it is too small.
        """
        if self.folder is None:
            return "rendered", self.paint(rng, width_px, height_px)
        path = self.paths[int(rng.integers(len(self.paths)))]
        pixels = read_picture(path)
        if min(pixels.shape[:2]) < _LEAST_SIDE_PX:
            raise DataError(f"{path}: {pixels.shape[1]}x{pixels.shape[0]} is too small for a ground; remove it")
        return path.relative_to(self.folder).as_posix(), pixels


def grounds_of(folder: Path | None) -> Grounds:
    """The grounds that a user meant.

    Raises:
        DataError: the folder has no pictures.
    """
    if folder is None:
        return Grounds()
    paths = tuple(sorted(find_pictures(folder))) if folder.is_dir() else ()
    if not paths:
        raise DataError(f"--grounds {folder}: no pictures; give a folder with pictures of bare surfaces")
    return Grounds(folder, paths)


def through_the_station(
    photos: Sequence[Photo], view: View, grounds: Grounds, progress: Progress = without_progress
) -> list[Photo]:
    """The photographs' items as a station with this view shows them, as many as can be cut out of a plain board.

    Each has its photograph's key, label and group. The scenes depend on the photographs and grounds alone, so that
    two models, and two views, are asked about the same ones.

    Args:
        photos: labelled photographs.
        view: what the network is shown: the whole view, or a crop.
        grounds: what the items are laid on.
        progress: told how many were looked at.

    Raises:
        DataError: no item can be cut out.
        PictureError: a picture cannot be read.
    """
    shown: list[Photo] = []
    for index, photo in enumerate(photos):
        sprite = credible_sprite(photo.pixels())
        progress(index + 1, len(photos))
        if sprite is None:
            continue
        kept = (photo.path, photo.key, photo.label, photo.group, photo.text, photo.part)
        shown.append(Drawn(*kept, draw=partial(_shown, sprite, grounds, view, index)))
    if not shown:
        raise DataError(
            f"none of {len(photos)} pictures shows an item on a plain board that could be cut out; give others"
        )
    return shown


def evaluate_through_the_station(
    bundle: Bundle,
    data: Path,
    grounds: Grounds,
    artifact: ArtifactName | None = None,
    part: PartChoice = "auto",
    progress: Progress = without_progress,
) -> Evaluation:
    """Score one of a bundle's networks on items as a station shows them, by the view that its manifest names.

    Args:
        data, artifact, part: as for `evaluate_bundle`.
        grounds: what the items are laid on.

    Raises:
        BundleError, MissingPackageError, EngineError: see `load_classifier`.
        DataError, PictureError: the pictures cannot be used.
    """
    manifest = bundle.manifest
    classifier = load_classifier(bundle, artifact=artifact)
    dataset = open_dataset(data, manifest.labels, manifest.provenance.label_map)
    photos, protocol = choose_photos(dataset, part, manifest.provenance.split, manifest.provenance.data_fingerprint)
    shown = through_the_station(photos, manifest.input.view, grounds)
    what = "the whole view" if manifest.input.view.kind == "picture" else "the item's crop"
    words = f"{what} of {len(shown)} items on {grounds.in_words}, cut out of {protocol}"
    return evaluate_photos(bundle, classifier, shown, words, progress)


def scene_of(sprite: Bytes, grounds: Grounds, index: int) -> Composed:
    """The scene number `index`: the same sprite and grounds, the same scene."""
    rng = np.random.default_rng([_SEED, _SCENES, index])
    ranges = SceneRanges()
    _, ground = grounds.ground(rng, ranges.width_px, ranges.height_px)
    return compose(sprite, ground, rng, ranges)


def _shown(sprite: Bytes, grounds: Grounds, view: View, index: int) -> Pixels:
    scene = scene_of(sprite, grounds, index)
    frame = scene.frames[0]
    region = find_item(frame, Ground(scene.empty))
    return frame if region is None else crop_item(frame, region, view)
