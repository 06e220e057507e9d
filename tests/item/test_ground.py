"""The reference view: size, drift, and what is kept of it on the disk."""

from __future__ import annotations

import numpy as np
import pytest

from tests.item.scenes import ground
from waste_edge.item import Ground, unpack
from waste_edge.item.ground import working_size
from waste_edge.rendering.backgrounds import Background


@pytest.mark.parametrize(
    ("frame", "working"),
    [((640, 480), (320, 240)), ((1920, 1080), (320, 180)), ((200, 100), (200, 100)), ((1, 1), (1, 1))],
)
def test_working_resolution_is_a_whole_divisor(frame: tuple[int, int], working: tuple[int, int]) -> None:
    assert working_size(*frame) == working


def test_packing_and_unpacking_changes_nothing() -> None:
    kept = Ground(ground(Background.WOOD))
    again = unpack(kept.pack())
    assert again is not None
    assert (again.look == kept.look).all()


def test_damaged_bytes_are_no_ground() -> None:
    whole = Ground(ground(Background.WOOD)).pack()
    claims_gigabytes = whole[:16] + (60_000).to_bytes(4) * 2 + whole[24:]
    for bad in (b"", b"not a picture", whole[:40], claims_gigabytes):
        assert unpack(bad) is None


def test_a_drift_of_less_than_a_level_a_call_adds_up() -> None:
    kept = Ground(np.full((48, 64, 3), 100, np.uint8))
    for _ in range(300):
        kept.follow(np.full((48, 64, 3), 110, np.uint8), 0.01)
    assert int(kept.look[0, 0, 0]) in (109, 110)
