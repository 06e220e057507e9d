"""Near-duplicate pictures: scaled, compressed once more, made brighter, cut at the edge.

A picture's hash is the signs of the 128 lowest frequencies of its 32x32 grey miniature (a DCT, the mean left out).
Two pictures are near-duplicates if at most 14 of 128 signs differ. On the development copy of TrashNet (2,022 pictures,
69 groups of two or more by embedding similarity) that finds 27 pairs. 23 of them lie in one given group, and 22 given
groups are found whole; most of the others are several views of an object, which only a network sees. Of the four
pairs across groups three are the same file under two labels, one is two cans alike: a false merge in 2 million pairs.
At 10 it finds 19 in groups, at 20 25 with five false ones. Of 300 pictures compressed to JPEG
quality 30, halved, or noisy by 8 levels every one was found; 99 % brightened by 15 %; 67 % with 5 % cut away.

`find_copies` looks for pictures that stand on two sides: near-copies of what taught a model among what it is to be
judged by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.dataset.values import Dataset, Photo
from waste_edge.errors import DataError
from waste_edge.imaging.frames import Pixels

SIDE_PX = 32
BITS = 128
SAME_BITS_OFF = 14
MIN_CONTRAST = 2.0  # levels, standard deviation of the miniature; TrashNet's plainest picture has 6.4
_NOISE = 0.01  # below it a frequency is absent: symmetric pictures would have the sign of a rounding error
_CHUNK = 1024

_LOWEST = np.array(sorted(((y, x) for y in range(16) for x in range(16) if y + x), key=lambda at: (sum(at), at))[:BITS])
_SHOWN = 5


def picture_hash(pixels: Pixels) -> NDArray[np.bool_] | None:
    """Bool (128,), or None for a picture so plain that it would be like every other plain one."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < MIN_CONTRAST:
        return None
    frequencies = np.asarray(cv2.dct(small))
    return np.asarray(frequencies[_LOWEST[:, 0], _LOWEST[:, 1]] > _NOISE)


def near_pairs(hashes: NDArray[np.bool_], bits_off: int = SAME_BITS_OFF) -> Iterator[tuple[int, int]]:
    """Index pairs (i < j) of hashes, bool (N, 128), that differ in at most so many bits.

    Every pair is compared: 20,000 pictures take seconds.
    """
    signs = np.where(hashes, np.float32(1), np.float32(-1))  # their products count equal bits less different ones
    least = hashes.shape[1] - 2 * bits_off
    for start in range(0, len(signs), _CHUNK):
        rows, columns = np.nonzero(signs[start : start + _CHUNK] @ signs[start:].T >= least)
        for row, column in zip((rows + start).tolist(), (columns + start).tolist(), strict=True):
            if row < column:
                yield row, column


def group_near_duplicates(dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Put copies and near-copies into one group, unless the data say themselves what belongs together.

    Identical files are always grouped, and so are equal texts where there is no picture. A group is called by its
    first key, so that the same pictures give the same groups. Decoders differ by a level from one version of a
    library to another, which may move a pair at the very limit; a split that `waste-edge data split` wrote stays.

    Args:
        progress: called with pictures done and in all.

    Raises:
        PictureError: a picture cannot be read.
    """
    if dataset.grouped:
        return dataset
    photos = sorted(dataset.photos, key=lambda photo: photo.key)
    first: dict[Hashable, int] = {}
    pairs = [(first.setdefault(_content(photo), index), index) for index, photo in enumerate(photos)]
    originals, hashes = [], []
    for done, (photo, (original, index)) in enumerate(zip(photos, pairs, strict=True), start=1):
        if photo.path is not None and original == index and (bits := picture_hash(photo.pixels())) is not None:
            originals.append(index)
            hashes.append(bits)
        if progress:
            progress(done, len(photos))
    if hashes:
        pairs += [(originals[a], originals[b]) for a, b in near_pairs(np.stack(hashes))]
    groups = {}
    for members in _joined(len(photos), pairs):
        for index in members if len(members) > 1 else ():
            groups[photos[index].key] = photos[members[0]].key
    grouped = [replace(photo, group=groups.get(photo.key, photo.group)) for photo in dataset.photos]
    return replace(dataset, photos=tuple(grouped))


def _content(photo: Photo) -> tuple[str, str]:
    if photo.path is None:
        return "text", " ".join(photo.text.casefold().split())
    return "picture", photo.sha256()


def _joined(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of `count` things, each in order."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    members: dict[int, list[int]] = defaultdict(list)
    for index in range(count):
        members[root(index)].append(index)
    return list(members.values())


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
