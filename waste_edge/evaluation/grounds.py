"""Grounds that things are laid on: pictures of surfaces in a folder, or rendered ones that training never shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from waste_edge.errors import DataError
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.image_files import find_pictures, read_picture
from waste_edge.rendering.held_out import JUDGING

_LEAST_SIDE_PX = 64


@dataclass(frozen=True)
class Grounds:
    """Source of surfaces to lay items on.

    Attributes:
        folder: of pictures; None: they are rendered, of families that neither training nor fitting uses.
        paths: the folder's pictures, sorted.
    """

    folder: Path | None = None
    paths: tuple[Path, ...] = ()

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
            return "rendered", JUDGING.paint(rng, width_px, height_px)
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
