"""Hashes of pictures, and the pairs of them that differ in few bits, found without comparing every pair.

A picture's hash is the signs of the 128 lowest frequencies of its 32x32 grey miniature (a DCT, the mean left out).

Pairs by multi-index hashing (Norouzi, Punjani and Fleet 2012, "Fast search in Hamming space with multi-index
hashing"): the 128 bits are divided into 8 bands of 16. Two hashes that differ in at most 15 bits differ in at most one
bit of one band at least, so only hashes are compared whose band is equal or one bit off: 136 of 65,536 values, 0.2 % of
all pairs. No pair is missed. On the hashes of the development copy of TrashNet it is 0.26 %.

Where that does not pay (few hashes, many alike in a band), blocks of all pairs are compared by a matrix product. Both
take a bounded amount of memory whatever the number of hashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.imaging.frames import Pixels

SIDE_PX = 32
BITS = 128
SAME_BITS_OFF = 14
MIN_CONTRAST = 2.0  # levels, standard deviation of the miniature; TrashNet's plainest picture has 6.4
_NOISE = 0.01  # below it a frequency is absent: symmetric pictures would have the sign of a rounding error
_LOWEST = np.array(sorted(((y, x) for y in range(16) for x in range(16) if y + x), key=lambda at: (sum(at), at))[:BITS])

_BANDS, _BAND_BITS = 8, 16
_VALUES = 1 << _BAND_BITS
_MASKS = (0, *(1 << bit for bit in range(_BAND_BITS)))  # equal, and one bit off
_BLOCK = 1 << 20  # pairs that are looked at in one go: some 80 MB
_ROWS, _COLUMNS = 1024, 8192  # of a block of the matrix product: 32 MB
_FEW = 2048  # hashes of which all pairs are compared at once
_PRICE = 6  # a pair that a band names costs as much as so many pairs of a matrix product
_ONES = np.array([bin(value).count("1") for value in range(256)], np.uint8)  # numpy 1 has no bitwise_count

Indices = NDArray[np.int64]


def picture_hash(pixels: Pixels) -> NDArray[np.bool_] | None:
    """Bool (128,), or None for a picture so plain that it would be like every other plain one."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < MIN_CONTRAST:
        return None
    frequencies = np.asarray(cv2.dct(small))
    return np.asarray(frequencies[_LOWEST[:, 0], _LOWEST[:, 1]] > _NOISE)


def unpacked(hashes: Sequence[bytes]) -> NDArray[np.bool_]:
    """Unpack hashes of 16 bytes each (numpy.packbits) to bool (N, 128)."""
    rows = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, BITS // 8)
    return np.unpackbits(rows, axis=1).view(np.bool_)


class _Block(NamedTuple):
    """Candidate pairs: the indices of the one and of the other."""

    first: Indices
    second: Indices


class _Groups:
    """Groups of indices that grow together; `root` holds the smallest index of each one's group."""

    def __init__(self, count: int) -> None:
        self.root: Indices = np.arange(count)

    def join(self, pairs: _Block) -> None:
        """Join the groups of each pair."""
        first, second = pairs
        while True:
            one, other = self.root[first], self.root[second]
            apart = one != other
            if not apart.any():
                return
            first, second, one, other = first[apart], second[apart], one[apart], other[apart]
            np.minimum.at(self.root, np.maximum(one, other), np.minimum(one, other))
            while not np.array_equal(above := self.root[self.root], self.root):
                self.root = above


def pair_blocks(hashes: NDArray[np.bool_], bits_off: int = SAME_BITS_OFF) -> Iterator[tuple[Indices, Indices]]:
    """Blocks of index pairs (i < j) of hashes, bool (N, B), that differ in at most `bits_off` bits: each pair once."""
    if not _banded(hashes, bits_off) or _candidates(hashes) * _PRICE > len(hashes) ** 2 / 2:
        yield from _of_all(hashes, bits_off)
        return
    words, bands = _words(hashes), _bands(hashes)
    for band, place in enumerate(bands):
        for block in _of_band(place, None, _MASKS):
            near = _near(words, block, bits_off)
            if not len(near.first):
                continue
            # A pair that an earlier band has named, too, has been told.
            told = np.zeros(len(near.first), bool)
            for earlier in bands[:band]:
                differing = earlier[near.first] ^ earlier[near.second]
                told |= (differing & (differing - 1)) == 0
            low, high = np.minimum(*near)[~told], np.maximum(*near)[~told]
            yield low, high


def near_groups(hashes: NDArray[np.bool_], bits_off: int = SAME_BITS_OFF) -> Indices:
    """Group hashes, bool (N, B), that differ in at most `bits_off` bits, one through another.

    Pairs within a group that is known already are passed over, so that many pictures of one thing cost no more.

    Returns:
        For each hash the smallest index of its group, (N,).
    """
    groups = _Groups(len(hashes))
    if not _banded(hashes, bits_off):
        for low, high in _of_all(hashes, bits_off):
            groups.join(_Block(low, high))
        return groups.root
    words, bands = _words(hashes), _bands(hashes)
    for place in bands:
        groups.join(_near(words, _to_first(place), bits_off))
    left = len(hashes) ** 2 / 2 / _PRICE
    for masks in (_MASKS[:1], _MASKS[1:]):
        for place in bands:
            for block in _of_band(place, groups.root, masks):
                left -= len(block.first)
                if left < 0:
                    for low, high in _of_all(hashes, bits_off):
                        groups.join(_Block(low, high))
                    return groups.root
                apart = groups.root[block.first] != groups.root[block.second]
                groups.join(_near(words, _Block(block.first[apart], block.second[apart]), bits_off))
    return groups.root


def _banded(hashes: NDArray[np.bool_], bits_off: int) -> bool:
    """Return whether the bands miss nothing, and are worth the trouble."""
    return len(hashes) > _FEW and hashes.shape[1] == _BANDS * _BAND_BITS and bits_off < 2 * _BANDS


def _words(hashes: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Bits packed, (N, 2)."""
    return np.packbits(hashes, axis=1).view(np.uint64)


def _bands(hashes: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Values of each band, (N,) each. Neighbouring bits, which are alike in how often they are set, are dealt out."""
    weights = 1 << np.arange(_BAND_BITS)
    return [hashes[:, band::_BANDS] @ weights for band in range(_BANDS)]


def _candidates(hashes: NDArray[np.bool_]) -> float:
    """Count the pairs that all bands name."""
    total, values = 0.0, np.arange(_VALUES)
    for place in _bands(hashes):
        counts = np.bincount(place, minlength=_VALUES).astype(np.float64)
        total += (sum(float(counts @ counts[values ^ mask]) for mask in _MASKS) - len(hashes)) / 2  # none with itself
    return total


def _near(words: NDArray[np.uint64], block: _Block, bits_off: int) -> _Block:
    """Those pairs that differ in few enough bits."""
    differing = words[block.first] ^ words[block.second]
    if hasattr(np, "bitwise_count"):
        count = np.bitwise_count(differing).sum(axis=1)
    else:
        count = _ONES[differing.view(np.uint8)].sum(axis=1)
    close = count <= bits_off
    return _Block(block.first[close], block.second[close])


def _to_first(place: NDArray[np.int64]) -> _Block:
    """Each hash with the first one of its value of a band."""
    _, first, value = np.unique(place, return_index=True, return_inverse=True)
    return _Block(first[value.reshape(-1)], np.arange(len(place)))


def _of_band(place: NDArray[np.int64], root: Indices | None, masks: tuple[int, ...]) -> Iterator[_Block]:
    """Pairs whose values of a band differ by one of the masks, each once, but for those of one root."""
    count = len(place)
    roots = np.arange(count) if root is None else root
    # In the order of value and root: those of a value are a range, and those of one root a range in it.
    order = np.lexsort((roots, place))
    place, roots = place[order], roots[order]
    bounds = np.searchsorted(place, np.arange(_VALUES + 1))
    own = place * count + roots
    for mask in masks:
        partner = place ^ mask
        low, high = bounds[partner], bounds[partner + 1]
        if mask == 0:
            # Behind it in its own range, and behind those of its root.
            yield from _blocks(order, np.searchsorted(own, own, side="right"), high)
            continue
        high = np.where(place < partner, high, low)
        if root is None:
            yield from _blocks(order, low, high)
            continue
        wanted = partner * count + roots
        yield from _blocks(order, low, np.minimum(high, np.searchsorted(own, wanted)))
        yield from _blocks(order, np.searchsorted(own, wanted, side="right"), high)


def _blocks(order: Indices, low: Indices, high: Indices) -> Iterator[_Block]:
    """Pair the thing at each place with those from `low` to before `high`, some at a time."""
    lengths = np.maximum(high - low, 0)
    places = np.flatnonzero(lengths)
    ends = np.cumsum(lengths[places])
    begin = 0
    while begin < len(places):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _BLOCK, side="right")))
        some = places[begin:end]
        sizes = lengths[some]
        starts = np.cumsum(sizes) - sizes
        second = np.repeat(low[some] - starts, sizes) + np.arange(int(sizes.sum()))
        yield _Block(order[np.repeat(some, sizes)], order[second])
        begin = end


def _of_all(hashes: NDArray[np.bool_], bits_off: int) -> Iterator[tuple[Indices, Indices]]:
    """The pairs by comparing all of them: products of signs count equal bits less different ones."""
    least = hashes.shape[1] - 2 * bits_off
    for top in range(0, len(hashes), _ROWS):
        rows = _signs(hashes[top : top + _ROWS])
        for left in range(top, len(hashes), _COLUMNS):
            row, column = np.nonzero(rows @ _signs(hashes[left : left + _COLUMNS]).T >= least)
            above = row + top < column + left
            if above.any():
                yield row[above] + top, column[above] + left


def _signs(hashes: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(hashes, np.float32(1), np.float32(-1))
