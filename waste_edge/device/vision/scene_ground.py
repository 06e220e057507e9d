"""A layer's ground on the disk, and an item's region where there is no ground to find it on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.imaging.preprocess import Region
from waste_edge.item import Ground, ItemRegion
from waste_edge.item.ground import LONG_SIDE_PX


def ground_bytes(ground: Ground | None) -> bytes:
    """A ground as a JPEG, some 30 kB; nothing if there is none. A loss of two levels is far below what is a change."""
    if ground is None:
        return b""
    _, data = cv2.imencode(".jpg", ground.look[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    return data.tobytes()


def ground_of(kept: bytes) -> Ground | None:
    """The ground that `ground_bytes` made bytes of; None if they are none or damaged."""
    decoded = cv2.imdecode(np.frombuffer(kept, np.uint8), cv2.IMREAD_COLOR) if kept else None
    if decoded is None or max(decoded.shape) > LONG_SIDE_PX:
        return None
    return Ground(np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1]))


def relit(ground: Ground, gain: NDArray[np.float32]) -> Ground:
    """A ground in another light.

    Args:
        ground: as it was.
        gain: (48, 64, 3), by how much each part is brighter.
    """
    fine = cv2.resize(gain, ground.size, interpolation=cv2.INTER_LINEAR)
    return Ground(np.asarray(((ground.look + np.float32(4)) * fine - 3.5).clip(0, 255), np.uint8))


def region_of_cells(cells: NDArray[np.bool_]) -> ItemRegion | None:
    """The region that changed cells of a grid, bool (h, w), cover: coarse, and taken for one thing; None if none."""
    rows, columns = cells.shape
    left, top, across, down = cv2.boundingRect(cells.astype(np.uint8))
    if not across:
        return None
    right, bottom = left + across, top + down
    box = Region(left=left / columns, top=top / rows, right=right / columns, bottom=bottom / rows)
    at_edge = left == 0 or top == 0 or right == columns or bottom == rows
    return ItemRegion(box, cells, np.count_nonzero(cells) / cells.size, at_edge, (box,))
