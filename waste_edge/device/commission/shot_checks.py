"""Checks of a shot before it is kept: what a person can do better at once is refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.dataset.near_hashes import SAME_BITS_OFF, picture_hash
from waste_edge.device.vision.camera_faults import is_dark
from waste_edge.device.vision.inspection import ItemView, Visibility
from waste_edge.device.vision.scene import small
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import Region

# Of 200 photographs of five sources 99 % have more than 0.76, and blurred by 2 of 224 pixels 2 % have more than 0.73;
# where a camera's noise survives the shrinking (2.5 levels), half of the blurred ones pass.
LEAST_SHARPNESS = 0.72
_SIDE_PX = 224  # about what a network takes: what is blurred beyond does not matter
_BLUR_PX = 9
_EVEN_LEVELS = 6.0  # deviation of brightness in a picture in which nothing is to be seen
_VISIBLE = {
    Visibility.PARTLY: "only partly in view: it touches the edge; move it to the middle",
    Visibility.SMALL: "too small in the picture: put it nearer to the camera, or move the camera nearer",
    Visibility.SEVERAL: "several things lie apart: show one at a time, and take your hand away",
}


def sharpness(pixels: Pixels) -> float:
    """Sharpness of a picture at the size that a network sees it, 0 to 1: the energy that a further blur takes away.

    After the no-reference blur metric of Crete, Dolmiere, Ladret and Nicolas (Human Vision and Electronic Imaging 12,
    2007), with squared steps, so that strong edges decide and not a camera's noise.

    Args:
        pixels: uint8 (H, W, 3), unpainted: an outline that was cut out is sharp whatever the camera did.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    scale = _SIDE_PX / max(grey.shape)
    if scale < 1:
        size = (max(8, round(grey.shape[1] * scale)), max(8, round(grey.shape[0] * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    wide = grey.astype(np.float32)
    found = []
    for axis, kernel in ((0, (1, _BLUR_PX)), (1, (_BLUR_PX, 1))):
        steps = np.diff(wide, axis=axis)
        blurred = np.diff(cv2.blur(wide, kernel), axis=axis)
        found.append(1 - float((blurred**2).sum()) / max(float((steps**2).sum()), 1e-6))
    return max(found)


def refuse_shot(shown: Pixels, item: ItemView | None) -> str:
    """Reason for which a shot is refused; empty if it is not.

    Args:
        shown: the item as the camera gave it, uint8 (H, W, 3), nothing painted over.
        item: as the station's eye sees it; None for a picture that an item fills.
    """
    if item is not None and item.visibility in _VISIBLE:
        return _VISIBLE[item.visibility]
    look = small(shown)
    if is_dark(look):
        return "too dark: switch on the light"
    if float(cv2.cvtColor(look, cv2.COLOR_RGB2GRAY).std()) < _EVEN_LEVELS:
        return "empty: nothing is to be seen in it; put the item under the camera"
    if sharpness(shown) < LEAST_SHARPNESS:
        return "blurred: hold it still, wipe the lens, or focus the camera"
    return ""


def hash_of(pixels: Pixels) -> str:
    """A picture's hash as records keep it; empty for one so plain that it has none."""
    bits = picture_hash(pixels)
    return "" if bits is None else np.packbits(bits).tobytes().hex()


def near_duplicate(hashed: str, kept: Mapping[int, NDArray[np.bool_]]) -> int | None:
    """Find the kept shot whose picture is a near-copy, by the data set's own measure; None if there is none.

    Args:
        hashed: of `hash_of`.
        kept: of `Records.hashes`.
    """
    if not hashed:
        return None
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(hashed), np.uint8)).astype(bool)
    for number, other in kept.items():
        if int(np.count_nonzero(bits != other)) <= SAME_BITS_OFF:
            return number
    return None


def cut_box(pixels: Pixels, box: Region) -> Pixels:
    """The part of a frame that a box in shares of it covers, at least 8 pixels wide and high."""
    height, width = pixels.shape[:2]
    left, top = min(int(box.left * width), width - 8), min(int(box.top * height), height - 8)
    right, bottom = max(left + 8, round(box.right * width)), max(top + 8, round(box.bottom * height))
    return np.ascontiguousarray(pixels[max(0, top) : bottom, max(0, left) : right])
