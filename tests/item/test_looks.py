"""Looks at an item: what each one shows, and which of them a view allows."""

from __future__ import annotations

import numpy as np
import pytest

from waste_edge.imaging.preprocess import Surround, View
from waste_edge.item import LOOKS, look_of
from waste_edge.item.crop import GREY, PLAIN

ITEM = View(kind="item", margin=0.1, surround="plain")


def crop() -> np.ndarray:
    """A crop of 6 by 6: a red item, lighter at its top left, on the plain colour."""
    pixels = np.full((6, 6, 3), PLAIN, np.uint8)
    pixels[1:5, 2:4] = (180, 30, 30)
    pixels[1, 2] = (250, 90, 90)
    return pixels


def corner(pixels: np.ndarray) -> tuple[int, int]:
    """Row and column of the lighter pixel."""
    ((row, column),) = np.argwhere((pixels == (250, 90, 90)).all(axis=2)).tolist()
    return row, column


def test_the_first_is_the_crop_itself() -> None:
    assert (look_of(crop(), ITEM, 0) == crop()).all()


def test_each_shows_the_item_another_way_and_nothing_is_lost() -> None:
    seen = [look_of(crop(), ITEM, number) for number in range(len(LOOKS))]
    assert len({one.tobytes() for one in seen}) == len(LOOKS)
    reds = np.sort(crop()[1:5, 2:4].reshape(-1, 3), axis=0)
    for look, one in zip(LOOKS, seen, strict=True):
        board = (GREY,) * 3 if look.grey else PLAIN
        assert (np.sort(one[(one != board).any(axis=2)], axis=0) == reds).all()


@pytest.mark.parametrize(
    ("turn_deg", "mirrored", "where"), [(0, True, (1, 3)), (90, False, (3, 1)), (270, False, (2, 4))]
)
def test_it_is_turned_counter_clockwise_and_mirrored_after(
    turn_deg: int, mirrored: bool, where: tuple[int, int]
) -> None:
    number = next(i for i, one in enumerate(LOOKS) if (one.turn_deg, one.mirrored) == (turn_deg, mirrored))
    assert corner(look_of(crop(), ITEM, number)) == where


@pytest.mark.parametrize(("surround", "different"), [("plain", 8), ("keep", 4)])
def test_what_is_not_painted_is_never_grey(surround: Surround, different: int) -> None:
    view = View(kind="item", margin=0.1, surround=surround)
    seen = [look_of(crop(), view, number).tobytes() for number in range(16)]
    assert len(set(seen)) == different
    assert seen[:different] == seen[different : 2 * different], "after the last they begin anew"


def test_a_whole_picture_is_only_mirrored() -> None:
    oblong = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    seen = [look_of(oblong, View(), number) for number in range(4)]
    assert {one.shape for one in seen} == {(4, 6, 3)}
    assert (seen[1] == oblong[:, ::-1]).all()
    assert (seen[2] == oblong).all()


def test_the_crop_is_left_as_it_was() -> None:
    pixels = crop()
    for number in range(len(LOOKS)):
        look_of(pixels, ITEM, number)
    assert (pixels == crop()).all()
