"""Pictures that stand on two sides: near-copies of what taught a model among what it is to be judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waste_edge.dataset.near_duplicates import SAME_BITS_OFF, picture_hash
from waste_edge.dataset.values import Photo
from waste_edge.errors import DataError

_CHUNK = 1024
_SHOWN = 5


class Copy(NamedTuple):
    """A picture that taught, and one of the other side that shows the same."""

    taught: Photo
    judged: Photo

    @property
    def sentence(self) -> str:
        return f"{self.judged.path or self.judged.key} is a near-copy of {self.taught.path or self.taught.key}"


def find_copies(
    taught: Sequence[Photo], judged: Sequence[Photo], progress: Callable[[int, int], None] | None = None
) -> list[Copy]:
    """Every pair of pictures, one of each side, that are the same one: scaled, compressed again, made brighter.

    Args:
        taught, judged: with pictures; rows of text alone are passed over.
        progress: called with pictures read and in all.

    Raises:
        PictureError: a picture cannot be read.
    """
    sides = [[photo for photo in side if photo.path is not None] for side in (taught, judged)]
    total, done = sum(map(len, sides)), 0
    hashed: list[tuple[list[Photo], NDArray[np.float32]]] = []
    for side in sides:
        photos, signs = [], []
        for photo in side:
            if (bits := picture_hash(photo.pixels())) is not None:
                photos.append(photo)
                signs.append(np.where(bits, np.float32(1), np.float32(-1)))
            done += 1
            if progress:
                progress(done, total)
        hashed.append((photos, np.array(signs, np.float32)))
    (first, ours), (second, theirs) = hashed
    if not first or not second:
        return []
    least = ours.shape[1] - 2 * SAME_BITS_OFF
    found = []
    for start in range(0, len(ours), _CHUNK):
        rows, columns = np.nonzero(ours[start : start + _CHUNK] @ theirs.T >= least)
        found += [Copy(first[row + start], second[column]) for row, column in zip(rows, columns, strict=True)]
    return found


def refuse_copies(copies: Sequence[Copy], remedy: str) -> None:
    """Raise DataError naming the first copies, unless there are none."""
    if not copies:
        return
    named = "; ".join(copy.sentence for copy in copies[:_SHOWN])
    more = f"; and {len(copies) - _SHOWN} more" if len(copies) > _SHOWN else ""
    raise DataError(f"{named}{more}: what a model has been taught with must not judge it; {remedy}")
