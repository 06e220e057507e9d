"""Measures of pictures for processes that look at them; see `waste_edge.dataset.looking`."""

from __future__ import annotations

import os
import signal

from waste_edge.imaging.frames import Pixels


def size(pixels: Pixels) -> bytes:
    """Width and height, as text."""
    return f"{pixels.shape[1]}x{pixels.shape[0]}".encode()


def deadly(pixels: Pixels) -> bytes:
    """A decoder that crashes on pictures 13 pixels wide."""
    if pixels.shape[1] == 13:
        os.kill(os.getpid(), signal.SIGSEGV)
    return b"alive"
