"""A camera without a camera: rendered items come to a tray, rest and leave, for ever.

For trying things out and for soak tests. What frame number n shows depends on the rate and the seed alone, not on
when it is read.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from waste_edge.device.cameras.address import parse_rate
from waste_edge.device.cameras.camera import RawFrame, packed
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.rendering.backgrounds import Background, paint_background
from waste_edge.rendering.canvas import Bytes

WIDTH_PX, HEIGHT_PX = 640, 480
# Seconds; one visit after the other.
FIRST_EMPTY_S, ARRIVE_S, REST_S, LEAVE_S, EMPTY_S = 1.5, 0.4, 1.8, 0.4, 0.8
VISIT_S = ARRIVE_S + REST_S + LEAVE_S + EMPTY_S

_ITEM_PX = 330  # side of an item's sprite
_NOISE_LEVELS = 5  # grey levels of sensor noise, from 0; without noise a camera would seem frozen
_NOISE_ROOM_PX = 32  # the noise is shifted by up to so much from frame to frame


class SyntheticCamera:
    """Frames of rendered items at a given rate."""

    still_images = False

    def __init__(self, fps: float, seed: int, clock: Clock) -> None:
        """Draw the empty tray; each item is drawn when it first comes."""
        self.title = f"synthetic camera ({fps:g} frames/s, seed {seed})"
        self._fps = fps
        self._clock = clock
        self._due_ns: int | None = None
        self._number = 0
        self._scenes = _Scenes(seed)

    def read(self) -> RawFrame:
        """See `Camera.read`; waits until the frame is due. It never ends."""
        pixels = self._scenes.frame(self._number, self._fps)
        self._number += 1
        now_ns = self._clock.now_ns()
        # One that is late is not made up for: a camera would have lost it.
        due_ns = now_ns if self._due_ns is None else max(now_ns, self._due_ns)
        self._clock.sleep((due_ns - now_ns) / NS_PER_S)
        self._due_ns = due_ns + round(NS_PER_S / self._fps)
        return packed(pixels, "rgb", due_ns)

    def close(self) -> None:
        """Do nothing: no device is held."""


class _Scenes:
    """Contents of the tray by frame number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        # Painted small: the first frame, and with it the start of a station, waits for the tray.
        tray = paint_background(Background.TRAY, np.random.default_rng([seed, 0]), WIDTH_PX // 2, HEIGHT_PX // 2)
        self._tray = np.asarray(cv2.resize(tray, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC), np.uint8)
        size = (HEIGHT_PX + _NOISE_ROOM_PX, WIDTH_PX + _NOISE_ROOM_PX, 3)
        self._noise = np.random.default_rng([seed, 1]).integers(0, _NOISE_LEVELS, size, dtype=np.uint8)
        self._item = lru_cache(maxsize=1)(self._draw)  # one visit after the other: nothing grows
        self._last: tuple[int, int | None] = (-1, None)
        self._scene = self._tray

    def frame(self, number: int, fps: float) -> Bytes:
        """The frame of this number: a new (HEIGHT_PX, WIDTH_PX, 3) array."""
        visit, since_s = divmod((number + 1e-3) / fps - FIRST_EMPTY_S, VISIT_S)
        centre = None if visit < 0 else _centre_x(since_s)
        if self._last != (visit, centre):  # an item at rest stays as it was put together
            self._scene = self._tray if centre is None else self._with_item(int(visit), centre)
            self._last = (int(visit), centre)
        top, left = (number * 7) % _NOISE_ROOM_PX, (number * 13 + number // 32) % _NOISE_ROOM_PX
        noise = self._noise[top : top + HEIGHT_PX, left : left + WIDTH_PX]
        return np.asarray(cv2.add(self._scene, noise), np.uint8)

    def _with_item(self, visit: int, centre_x: int) -> Bytes:
        """The tray with an item whose middle is at `centre_x`, part of it perhaps outside."""
        sprite, mask = self._item(*_which(visit, self._seed))
        left, top = centre_x - _ITEM_PX // 2, (HEIGHT_PX - _ITEM_PX) // 2
        first, last = max(0, left), min(WIDTH_PX, left + _ITEM_PX)
        scene = self._tray.copy()
        if first < last:
            inside = slice(first - left, last - left)
            cv2.copyTo(sprite[:, inside], mask[:, inside], scene[top : top + _ITEM_PX, first:last])
        return scene

    def _draw(self, label: str, variant: int) -> tuple[Bytes, Bytes]:
        """An item's colours (side, side, 3) and mask (side, side), turned at random."""
        # Not before the first item comes: its painters are many, and the empty tray comes first.
        from waste_edge.rendering.items.sprites import ITEM_LABELS, render_item
        from waste_edge.rendering.scene import extent

        rng = np.random.default_rng([self._seed, 2, ITEM_LABELS.index(label), variant])
        sprite = render_item(label, rng, _ITEM_PX)
        angle = float(rng.uniform(-50, 50))
        middle = ((_ITEM_PX - 1) / 2, (_ITEM_PX - 1) / 2)
        turn = cv2.getRotationMatrix2D(middle, angle, min(1.0, 0.95 / max(0.2, extent(sprite, -angle))))
        turned = np.asarray(cv2.warpAffine(sprite, turn, (_ITEM_PX, _ITEM_PX)), np.uint8)
        mask = np.where(turned[..., 3] > 127, 255, 0).astype(np.uint8)
        return np.ascontiguousarray(turned[..., :3]), mask


def label_of(visit: int, seed: int) -> str:
    """Name the label of item number `visit`, from 0."""
    return _which(visit, seed)[0]


def _which(visit: int, seed: int) -> tuple[str, int]:
    """Label and variant: all labels, in an order that changes, before any comes again; no item is seen twice."""
    from waste_edge.rendering.items.sprites import ITEM_LABELS  # see `_draw`

    turn, place = divmod(visit, len(ITEM_LABELS))
    order = np.random.default_rng([seed, 3, turn]).permutation(len(ITEM_LABELS))
    return ITEM_LABELS[int(order[place])], turn


def _centre_x(since_s: float) -> int | None:
    """Compute an item's middle across the frame, in pixels: slides in, rests, slides out; None if it is not there."""
    rest, outside = WIDTH_PX // 2, WIDTH_PX // 2 + _ITEM_PX // 2
    if since_s < ARRIVE_S:
        left = 1.0 - since_s / ARRIVE_S
        return rest - round(outside * left * left)
    if since_s < ARRIVE_S + REST_S:
        return rest
    if since_s < ARRIVE_S + REST_S + LEAVE_S:
        gone = (since_s - ARRIVE_S - REST_S) / LEAVE_S
        return rest + round(outside * gone * gone)
    return None


def open_synthetic(rate: str, clock: Clock) -> SyntheticCamera:
    """Draw items at `FPS:SEED`; raises CameraError."""
    return SyntheticCamera(*parse_rate(rate), clock)
