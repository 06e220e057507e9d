"""Cost of decoding a JPEG beyond its pixels: each of several scans is decoded, and all coefficients are kept.

A picture decoded at an eighth still takes 2 bytes a sample then (ITU T.81; libjpeg's `jdcoefct.c`).
"""

from __future__ import annotations

import mmap
import re
from typing import BinaryIO, NamedTuple

_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd8\x01]")  # none of those that have no length
_START_OF_SCAN, _END = 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})


class JpegCost(NamedTuple):
    """Scans of a JPEG's first picture, and the bytes of coefficients that its decoder keeps; 0 if it keeps none."""

    scans: int
    coefficient_bytes: int


def jpeg_cost(stream: BinaryIO) -> JpegCost:
    """Look through a JPEG's markers; what is damaged is left to its decoder.

    Args:
        stream: a real file; its position is left alone.
    """
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        scans, samples, components, buffered = 0, 0, 0, False
        found = _MARKER.search(content, 2)
        while found is not None:
            marker, at = content[found.end() - 1], found.end()
            if marker == _END:
                break
            segment = content[at : at + 2 + 256]
            if marker in _FRAMES and not samples:
                samples, components = _samples(segment), segment[7] if len(segment) > 7 else 0
                buffered = marker in _PROGRESSIVE
            elif marker == _START_OF_SCAN:
                scans += 1
                buffered = buffered or (len(segment) > 2 and segment[2] < components)
            found = _MARKER.search(content, at + max(2, int.from_bytes(segment[:2], "big")))
    return JpegCost(scans, 2 * samples if buffered else 0)


def _samples(segment: bytes) -> int:
    """Samples of all components of a frame, from its header; T.81 B.2.2."""
    height, width = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[5:7], "big")
    factors = [(byte >> 4, byte & 15) for byte in segment[9 : 8 + 3 * segment[7] : 3]] if len(segment) > 8 else []
    most_across, most_down = (max((pair[axis] for pair in factors), default=0) for axis in (0, 1))
    if not most_across or not most_down:
        return 0
    return sum(-(-width * across // most_across) * -(-height * down // most_down) for across, down in factors)
