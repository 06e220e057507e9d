"""The ways in which one item is shown to a network, for answers that are averaged (test-time augmentation).

Mirrored, turned by a quarter, its surroundings painted darker: an item lies in any direction, and a pale one is lost
before a pale board. Small turns and other margins did not measure better; training/LOG.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import View
from waste_edge.item.crop import on_grey

_QUARTERS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True)
class Look:
    """One way to show an item to the network.

    Attributes:
        mirrored: left and right exchanged, after it was turned.
        turn_deg: turned by so much, counter-clockwise: 0, 90, 180 or 270.
        grey: what is painted plain around it is grey instead.
    """

    mirrored: bool = False
    turn_deg: int = 0
    grey: bool = False


LOOKS: tuple[Look, ...] = (
    Look(),
    Look(mirrored=True),
    Look(grey=True),
    Look(mirrored=True, grey=True),
    Look(turn_deg=90),
    Look(mirrored=True, turn_deg=90, grey=True),
    Look(turn_deg=270),
    Look(mirrored=True, turn_deg=270, grey=True),
)


def look_of(crop: Pixels, view: View, number: int) -> Pixels:
    """The picture of one look at an item.

    Args:
        crop: of the item as the view has it, uint8 (H, W, 3).
        view: of the bundle's manifest; a whole picture is not turned, and only what is painted can be grey.
        number: which look, from 0; after the last one that the view allows they begin anew.
    """
    looks = _looks_for(view.kind == "item", view.surround == "plain")
    look = looks[number % len(looks)]
    picture = on_grey(crop) if look.grey else crop
    if look.turn_deg:
        picture = np.asarray(cv2.rotate(picture, _QUARTERS[look.turn_deg]), np.uint8)
    return np.asarray(cv2.flip(picture, 1), np.uint8) if look.mirrored else picture


def count_looks(view: View) -> int:
    """Count the looks of a view that differ from one another."""
    return len(_looks_for(view.kind == "item", view.surround == "plain"))


@cache
def _looks_for(is_item: bool, is_painted: bool) -> tuple[Look, ...]:
    """Those of `LOOKS` that differ from one another for such a view."""
    on_boards = is_item and is_painted
    return tuple(look for look in LOOKS if (is_item or not look.turn_deg) and (on_boards or not look.grey))
