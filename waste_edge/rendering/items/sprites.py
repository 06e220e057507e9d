"""Sprites of single waste items, by label."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from waste_edge.rendering.canvas import Bytes, Canvas
from waste_edge.rendering.items import cardboard, glass, metal, paper, plastic, trash

ITEM_LABELS: tuple[str, ...] = ("cardboard", "glass", "metal", "paper", "plastic", "trash")

Painter = Callable[[Canvas, np.random.Generator], None]

PAINTERS: MappingProxyType[str, tuple[Painter, ...]] = MappingProxyType(
    {
        "cardboard": cardboard.VARIANTS,
        "glass": glass.VARIANTS,
        "metal": metal.VARIANTS,
        "paper": paper.VARIANTS,
        "plastic": plastic.VARIANTS,
        "trash": trash.VARIANTS,
    }
)


def check_label(label: str) -> None:
    """Raise ValueError, naming the known labels, if nothing can be drawn for this one."""
    if label not in PAINTERS:
        raise ValueError(f"cannot draw {label!r}; the labels are {', '.join(ITEM_LABELS)}")


def render_item(label: str, rng: np.random.Generator, size_px: int, painter: Painter | None = None) -> Bytes:
    """Draw one random item of a class on a transparent square.

    Args:
        label: one of ITEM_LABELS.
        rng: source of every random choice; the same state draws the same item.
        size_px: side of the square in pixels, at least 16.
        painter: which of the class's PAINTERS to use instead of a random one.

    Returns:
        (size_px, size_px, 4) bytes, RGBA with straight alpha. The item's longer side nearly fills the square.

    Raises:
        ValueError: the label is unknown or the size too small.
    """
    check_label(label)
    if size_px < 16:
        raise ValueError(f"a sprite needs at least 16 pixels a side, got {size_px}")
    canvas = Canvas(size_px)
    variants = PAINTERS[label]
    chosen = variants[int(rng.integers(len(variants)))]
    (painter or chosen)(canvas, rng)
    return canvas.sprite()
