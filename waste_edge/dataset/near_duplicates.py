"""Near-duplicate pictures: scaled, compressed once more, made brighter, cut at the edge.

Two pictures are near-duplicates if at most 14 of their hashes' 128 bits differ (`near_hashes`). On the development
copy of TrashNet (2,022 pictures, 69 groups of two or more by embedding similarity) that finds 27 pairs. 23 of them lie
in one given group, and 22 given groups are found whole; most of the others are several views of an object, which only a
network sees. Of the four pairs across groups three are the same file under two labels, one is two cans alike: a false
merge in 2 million pairs. At 10 it finds 19 in groups, at 20 25 with five false ones. Of 300 pictures compressed to JPEG
quality 30, halved, or noisy by 8 levels every one was found; 99 % brightened by 15 %; 67 % with 5 % cut away.

`find_copies` looks for pictures that stand on two sides: near-copies of what taught a model among what it is to be
judged by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waste_edge.dataset.near_hashes import SAME_BITS_OFF, near_groups, pair_blocks, picture_hash, unpacked
from waste_edge.dataset.values import Dataset, Photo
from waste_edge.errors import DataError

_SHOWN = 5


def near_pairs(hashes: NDArray[np.bool_], bits_off: int = SAME_BITS_OFF) -> Iterator[tuple[int, int]]:
    """Index pairs (i < j) of hashes, bool (N, 128), that differ in at most so many bits.

    In no order, each once.
    """
    for low, high in pair_blocks(hashes, bits_off):
        yield from zip(low.tolist(), high.tolist(), strict=True)


def group_near_duplicates(
    dataset: Dataset, progress: Callable[[int, int], None] | None = None, processes: int = 1
) -> Dataset:
    """Put copies and near-copies into one group, unless the data say themselves what belongs together.

    Identical files are always grouped, and so are equal texts where there is no picture. A group is called by its
    first key, so that the same pictures give the same groups. Decoders differ by a level from one version of a
    library to another, which may move a pair at the very limit; a split that `waste-edge data split` wrote stays.

    Pictures that were looked at before, by this or by `data check`, and not changed since, are not read again.

    Args:
        progress: called with pictures done and in all.
        processes: how many look at the pictures where these are many, at most.

    Raises:
        PictureError: a picture cannot be read.
    """
    if dataset.grouped:
        return dataset
    from waste_edge.dataset.looking import Looker  # here: a station that reads a manifest looks at no pictures

    photos = sorted(dataset.photos, key=lambda photo: photo.key)
    looks = Looker(processes=processes).look(dataset.root, [photo.path for photo in photos if photo.path])
    first: dict[Hashable, int] = {}
    pairs: list[tuple[int, int]] = []
    originals: list[int] = []
    hashes: list[bytes] = []
    for index, photo in enumerate(photos):
        look = next(looks) if photo.path else None
        if look and (error := look.error()):
            raise error
        original = first.setdefault(look.sha256 if look else _words(photo), index)
        if original != index:
            pairs.append((original, index))
        elif look and look.hash:
            originals.append(index)
            hashes.append(look.hash)
        if progress:
            progress(index + 1, len(photos))
    if hashes:
        roots = near_groups(unpacked(hashes)).tolist()
        pairs += [(originals[root], own) for root, own in zip(roots, originals, strict=True) if originals[root] != own]
    groups = {}
    for members in _joined(len(photos), pairs):
        for index in members if len(members) > 1 else ():
            groups[photos[index].key] = photos[members[0]].key
    grouped = [replace(photo, group=groups[photo.key]) if photo.key in groups else photo for photo in dataset.photos]
    return replace(dataset, photos=tuple(grouped))


def _words(photo: Photo) -> str:
    return " ".join(photo.text.casefold().split())


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
    total = sum(map(len, sides))
    photos: list[Photo] = []
    hashes: list[NDArray[np.bool_]] = []
    of_first = 0
    for done, photo in enumerate((*sides[0], *sides[1]), start=1):
        if (bits := picture_hash(photo.pixels())) is not None:
            photos.append(photo)
            hashes.append(bits)
            of_first += done <= len(sides[0])
        if progress:
            progress(done, total)
    if not 0 < of_first < len(photos):
        return []
    crossing = sorted((low, high) for low, high in near_pairs(np.stack(hashes)) if low < of_first <= high)
    return [Copy(photos[low], photos[high]) for low, high in crossing]


def refuse_copies(copies: Sequence[Copy], remedy: str) -> None:
    """Raise DataError naming the first copies, unless there are none."""
    if not copies:
        return
    named = "; ".join(copy.sentence for copy in copies[:_SHOWN])
    more = f"; and {len(copies) - _SHOWN} more" if len(copies) > _SHOWN else ""
    raise DataError(f"{named}{more}: what a model has been taught with must not judge it; {remedy}")
