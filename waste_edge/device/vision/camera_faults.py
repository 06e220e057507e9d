"""Checks for camera faults: each judges one picture, most against the learned empty scene.

All work on the small looks of `scene.py`, except for sharpness, which needs the pixels. A check that the scene
gives no hold for, such as a grey tray for swapped colours, finds nothing rather than guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.device.vision.scene import (
    BURNT,
    GRID_HEIGHT,
    GRID_WIDTH,
    Grid,
    Mask,
    area,
    brightened,
    difference,
    gain_of,
)
from waste_edge.imaging.frames import Pixels

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]

_LEVEL = 14.0  # of 255: a smaller difference between two looks tells nothing
_THING = 0.012  # share of the picture that the least item covers
_REACH = 14  # cells: the farthest shift that is looked for


def is_dark(look: Grid) -> bool:
    """Return whether even the brightest parts are nearly black."""
    return int(np.count_nonzero(look >= 24)) < 0.02 * look.size


def is_overexposed(look: Grid, empty_look: Grid | None) -> bool:
    """Return whether most of the picture is white without drawing; a tray that is white itself needs nearly all.

    Not if something darker than the empty scene lies in it: the camera has exposed for that, which is well seen.
    """
    # Two colours are enough: of something yellow or blue the third is never burnt.
    if np.count_nonzero(look >= BURNT) < 0.4 * look.size:
        return False  # the quick answer, nearly always
    burnt = float(np.mean(_ranked(look)[:, 1] >= BURNT))
    if burnt > 0.9 or empty_look is None:
        return burnt > 0.9
    usual = float(np.mean(_ranked(empty_look)[:, 1] >= BURNT))
    if burnt <= 0.6 or usual >= burnt / 2:
        return False
    return area(np.asarray((empty_look - look).min(axis=2) > _LEVEL)) < _THING


def is_blocked(look: Grid, empty_look: Grid | None) -> bool:
    """Return whether an even field without any drawing fills the picture, as it does when something covers the lens.

    Where the empty scene is such a field itself, or not known, only one of quite another brightness counts.
    """
    if _drawn(look) >= 0.01:
        return False
    if empty_look is None:
        return bool(look.mean() < 40)
    if _drawn(empty_look) > 0.03:
        return True
    return not 0.5 <= (look.mean() + 4) / (empty_look.mean() + 4) <= 2.0


def colours_swapped(look: Grid, empty_look: Grid) -> bool:
    """Return whether the empty scene's coloured parts are seen with red and blue exchanged."""
    coloured = cv2.absdiff(empty_look[..., 0], empty_look[..., 2]) > 16
    if area(coloured) < 0.03:
        return False
    gain = np.float32(_middle((look[..., 1] + 4) / (empty_look[..., 1] + 4)).clip(0.5, 2))
    straight = difference(look, empty_look * gain)
    swapped = difference(look, np.asarray(empty_look[..., ::-1] * gain))
    return _outvotes((swapped < 12) & (swapped < 0.5 * straight), straight < swapped, coloured)


def shift_of(look: Grid, empty_look: Grid) -> tuple[float, float] | None:
    """Measure the camera's shift as shares of the picture's width and height; None if it was not moved.

    Only the cells in which the empty scene and the shifted one differ have a vote. An item, however large, does
    not move the tray's edges beside it. A shift of less than a cell (10 of 640 pixels) is seen only where the scene
    is richly drawn, and a turn or a zoom not at all.
    """
    still = _relit(empty_look, look)
    across, down = _best_shift(_drawing(still), _drawing(look))
    if math.hypot(across, down) < 0.3:
        return None
    matrix = np.array([[1, 0, across], [0, 1, down]], np.float64)
    outside = (-1000.0, -1000.0, -1000.0)
    moved = np.asarray(cv2.warpAffine(still, matrix, (GRID_WIDTH, GRID_HEIGHT), borderValue=outside), np.float32)
    telling = (difference(moved, still) > _LEVEL / 2) & (moved.min(axis=2) >= 0)
    if area(telling) < 0.01:
        return None
    stayed, shifted = difference(look, still), difference(look, moved)
    if not _outvotes(shifted < 0.5 * stayed, stayed < 0.5 * shifted, telling):
        return None
    return across / GRID_WIDTH, down / GRID_HEIGHT


@dataclass(frozen=True)
class Detail:
    """Edge strength of a picture on a grid of (12, 16) blocks, normalized for brightness and noise.

    Attributes:
        fine: energy of gradients over 2 of 320 pixels.
        coarse: energy of gradients over 2 of 80 pixels, which survive a blur.
        grey: (240, 320) uint8, what it was computed from.
    """

    fine: Floats
    coarse: Floats
    grey: Grey

    @property
    def acuity(self) -> float:
        """0.25 and more where edges are sharp, towards 0.06 the wider they are, whatever their contrast."""
        return float(self.fine.sum() / max(self.coarse.sum(), 1e-6))


@dataclass(frozen=True)
class Usual:
    """Learned detail of the empty scene, as in `Detail`."""

    fine: Floats
    acuity: float


def detail_of(pixels: Pixels, noise_variance: float) -> Detail:
    """Measure a picture, uint8 (H, W, 3); `noise_variance` is what `noise_between` found, in squared levels."""
    colour = cv2.resize(pixels, (320, 240), interpolation=cv2.INTER_LINEAR)
    grey = np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8)
    level = float(cv2.mean(grey)[0]) + 1
    noise = 24 * noise_variance / level**2  # 24: the squared weights of both Sobel filters
    fine = np.maximum(_gradient_energy(grey) / np.float32(level**2) - np.float32(noise), 0)
    small_grey = np.asarray(cv2.resize(grey, (80, 60), interpolation=cv2.INTER_AREA), np.uint8)
    coarse = _gradient_energy(small_grey) / np.float32(level**2)
    return Detail(fine, np.maximum(coarse - np.float32(noise / 16), 0), grey)


def noise_between(first: Detail, second: Detail) -> float:
    """The sensor's variance, in squared levels, from two pictures of the same scene."""
    return float(cv2.norm(first.grey, second.grey, cv2.NORM_L2SQR)) / (2 * first.grey.size)


def shows_only(look: Grid, empty_look: Grid) -> bool:
    """Return whether nothing but the empty scene is in the picture, to the eye of camera health."""
    return area(difference(look, _relit(empty_look, look)) > _LEVEL) < 0.01


def is_blurred(detail: Detail, usual: Usual, look: Grid, empty_look: Grid) -> bool:
    """Return whether the empty scene lost its fine detail where it still shows, and nothing in the picture is sharp.

    Args:
        detail: of the picture.
        usual: of the empty scene.
        look: of the picture.
        empty_look: the empty scene.
    """
    if detail.acuity >= min(0.25, 0.7 * usual.acuity):
        return False
    now = _blocks(look)
    shows = difference(now, _blocks(_relit(empty_look, look))) < _LEVEL
    shows &= now.max(axis=2) < BURNT - 5  # the grain of what is nearly burnt goes with the light, not with the lens
    telling = shows & (usual.fine > 0.01)
    if np.count_nonzero(telling) < 6:
        return False
    return bool(_middle(detail.fine[telling] / usual.fine[telling]) < 0.6)


def _middle(values: Floats) -> np.float32:
    """The median, or the upper of the two middle ones. np.median imports numpy.ma, in the middle of a frame."""
    return np.float32(np.partition(values, values.size // 2, axis=None)[values.size // 2])


def _blocks(look: Grid) -> Floats:
    return np.asarray(cv2.resize(look, (16, 12), interpolation=cv2.INTER_AREA), np.float32)


def _relit(empty_look: Grid, look: Grid) -> Grid:
    """The empty scene in the light of a look."""
    return brightened(empty_look, gain_of(look, empty_look, 2.0))


def _best_shift(drawing: Floats, seen: Floats) -> tuple[float, float]:
    """Across and down, in cells and parts of one: where the correlation peaks."""
    around = cv2.copyMakeBorder(seen, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_CONSTANT, value=(0.0,))
    fits = np.asarray(cv2.matchTemplate(around, drawing, cv2.TM_CCORR), np.float64)  # (29, 29)
    row, column = (int(place) for place in np.unravel_index(fits[1:-1, 1:-1].argmax(), (2 * _REACH - 1,) * 2))
    row, column = row + 1, column + 1
    down = row + _peak(fits[row - 1 : row + 2, column])
    across = column + _peak(fits[row, column - 1 : column + 2])
    return across - _REACH, down - _REACH


def _peak(three: NDArray[np.float64]) -> float:
    """Interpolate the peak of a parabola through three values, relative to the middle one."""
    bend = 2 * three[1] - three[0] - three[2]
    return float((three[2] - three[0]) / (2 * bend)) if bend > 0 else 0.0


def _gradient_energy(grey: Grey) -> Floats:
    across, down = cv2.spatialGradient(grey)
    energy = cv2.add(cv2.multiply(across, across, dtype=cv2.CV_32F), cv2.multiply(down, down, dtype=cv2.CV_32F))
    return np.asarray(cv2.resize(energy, (16, 12), interpolation=cv2.INTER_AREA), np.float32)


def _outvotes(ayes: Mask, noes: Mask, voters: Mask) -> bool:
    """A clear majority among the cells that have a vote."""
    count = np.count_nonzero(voters)
    return bool(np.count_nonzero(ayes & voters) >= 0.6 * count and np.count_nonzero(noes & voters) <= 0.2 * count)


def _drawn(look: Grid) -> float:
    """The share of cells that stand out from a smooth course of brightness."""
    return area(np.abs(_drawing(look)) > 3)


def _drawing(look: Grid) -> Floats:
    """Brightness without its smooth course, (48, 64); limited, so that one glaring thing does not outshout all."""
    luma = np.asarray(cv2.cvtColor(look, cv2.COLOR_RGB2GRAY), np.float32)
    course = np.asarray(cv2.GaussianBlur(luma, (0, 0), 3), np.float32)
    return np.asarray(np.clip(luma - course, -25, 25), np.float32)


def _ranked(look: Grid) -> Floats:
    """The three colours of every fourth cell from the least to the brightest, (768, 3)."""
    return np.sort(look[::2, ::2].reshape(-1, 3), axis=1)
