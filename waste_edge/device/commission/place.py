"""The view of a station's camera, before and while items are shown: is it fit, and which part of it matters?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from waste_edge.device.commission.records import Shot
from waste_edge.device.commission.shot_checks import LEAST_SHARPNESS, sharpness
from waste_edge.device.vision.camera_faults import is_blocked, is_dark, is_overexposed
from waste_edge.device.vision.scene import Grid, PresenceConfig, area, difference, small
from waste_edge.files.strict import Strict
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import Region

LEAST_FRAMES = 8  # that a view is judged by
_MOVING_SHARE = 0.25  # of the frames may show movement
_MARGIN = 0.08  # of the frame, around the items that were seen
_LEAST_ITEMS = 5
_WORTH_IT = 0.7  # a region that keeps more of the frame than this changes nothing


class PlaceReport(Strict, frozen=True):
    """State of the view.

    Attributes:
        frames: how many were looked at.
        brightness: mean of the picture, 0 to 255.
        sharpness: of the empty view, 0 to 1; see `shot_checks.sharpness`.
        moving: share of the frames in which something moved.
        problems: what to mend, each with its remedy; none if the view is fit.
        lights: how many lights are known in which the empty scene was seen before.
        rotate: degrees, clockwise, by which the view is turned.
    """

    frames: int
    brightness: float
    sharpness: float
    moving: float
    problems: list[str]
    lights: int = 0
    rotate: int = 0


@dataclass
class PlaceCheck:
    """Looks at a view for a while; nothing should lie there."""

    frames: int = 0
    _moving: int = 0
    _last: Grid | None = None
    _brightness: list[float] = field(default_factory=list)
    _sharpness: list[float] = field(default_factory=list)

    def see(self, watched: Pixels) -> None:
        """Take in the part of a frame that the site watches, uint8 (H, W, 3)."""
        look, sense = small(watched), PresenceConfig()
        self.frames += 1
        if self._last is not None:
            self._moving += area(difference(look, self._last) > sense.level) >= sense.still_area
        self._last = look
        self._brightness.append(float(look.mean()))
        self._sharpness.append(sharpness(watched))

    @property
    def is_enough(self) -> bool:
        """Enough was seen to judge."""
        return self.frames >= LEAST_FRAMES

    def report(self) -> PlaceReport:
        """Judge what was seen; an empty, even tray has nothing sharp to see, and is not called blurred for it."""
        if self._last is None:
            return PlaceReport(frames=0, brightness=0, sharpness=0, moving=0, problems=["the camera gives no frame"])
        moving, sharp = self._moving / self.frames, float(np.median(self._sharpness))
        problems = []
        if is_dark(self._last):
            problems.append("dark: switch on the light, or uncover the lens")
        elif is_overexposed(self._last, None):
            problems.append("burnt out: shade the camera from the light, or lower its exposure")
        elif is_blocked(self._last, None):
            problems.append("one even, dark colour fills the view: uncover the lens")
        elif sharp < LEAST_SHARPNESS and float(self._last.std()) > 2 * PresenceConfig().level:
            problems.append("blurred: wipe the lens, then focus the camera")
        if moving > _MOVING_SHARE:
            problems.append("something moves all the time: fix the camera, or point it away from what moves")
        return PlaceReport(
            frames=self.frames,
            brightness=round(float(np.mean(self._brightness)), 1),
            sharpness=round(sharp, 3),
            moving=round(moving, 3),
            problems=problems,
        )


def turned_region(region: Region, degrees: int) -> Region:
    """The same part of a frame after the frame was turned clockwise by a multiple of 90 degrees."""
    left, top, right, bottom = region.left, region.top, region.right, region.bottom
    for _ in range(degrees // 90 % 4):
        left, top, right, bottom = 1 - bottom, left, 1 - top, right
    return Region(left=round(left, 6), top=round(top, 6), right=round(right, 6), bottom=round(bottom, 6))


def propose_region(shots: Sequence[Shot], rotate: int = 0) -> Region | None:
    """The part of the frame in which all items came up, with a margin; None if nothing would be gained by it.

    Args:
        shots: with boxes in shares of the whole frame; those of pictures have none.
        rotate: degrees by which the frame is turned that the region is of.
    """
    boxes = np.array([_box(shot, rotate) for shot in shots if len(shot.box) == 4])
    if len({shot.item for shot in shots if shot.box}) < _LEAST_ITEMS:
        return None
    left, top = np.maximum(0.0, boxes[:, :2].min(axis=0) - _MARGIN)
    right, bottom = np.minimum(1.0, boxes[:, 2:].max(axis=0) + _MARGIN)
    if (right - left) * (bottom - top) > _WORTH_IT:
        return None
    return Region(
        left=round(float(left), 3),
        top=round(float(top), 3),
        right=round(float(right), 3),
        bottom=round(float(bottom), 3),
    )


def _box(shot: Shot, rotate: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = shot.box
    box = turned_region(Region(left=left, top=top, right=right, bottom=bottom), rotate - shot.rotate)
    return box.left, box.top, box.right, box.bottom
