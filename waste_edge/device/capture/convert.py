"""From a camera's own layout to RGB, and turned where the camera hangs turned."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np

from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.cameras.process.shared import FrameReader
from waste_edge.device.capture.messages import Message, Messages
from waste_edge.imaging.frames import Frame, Pixels, rgb_from_nv12, rgb_from_yuv420

Degrees = Literal[0, 90, 180, 270]

_CODES = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def frame_of(raw: RawFrame, share: bool = False) -> Frame:
    """Convert a raw frame to RGB.

    Args:
        raw: what the camera gave; each layout is converted in one pass.
        share: the frame may keep `raw`'s own memory, if it is RGB already. Not so where that will be overwritten.
    """
    width, height = raw.width_px, raw.height_px
    if raw.layout == "yuv420":
        return Frame(rgb_from_yuv420(raw.data, width, height), raw.captured_ns, raw.name)
    if raw.layout == "nv12":
        return Frame(rgb_from_nv12(raw.data, width, height), raw.captured_ns, raw.name)
    pixels: Pixels = raw.data[:, : width * 3].reshape(height, width, 3)  # a view, without the row padding
    if raw.layout == "bgr":
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    elif not share:
        pixels = pixels.copy()
    return Frame(pixels, raw.captured_ns, raw.name)


def take_frame(reader: FrameReader) -> Frame | None:
    """The newest frame in a shared memory, in RGB; None if it was taken already.

    Raises:
        ValueError: what lies there is no frame.
    """
    try:
        return reader.take(frame_of)
    except cv2.error as error:
        raise ValueError(str(error)) from error


def turned_frame(frame: Frame, degrees: Degrees) -> Frame:
    """A frame turned clockwise; the same one if there is nothing to turn."""
    return replace(frame, pixels=np.asarray(cv2.rotate(frame.pixels, _CODES[degrees]), np.uint8)) if degrees else frame


def turned(messages: Messages, degrees: Degrees) -> Messages:
    """Messages whose frames are turned clockwise; the same ones if there is nothing to turn."""
    return _Turned(messages, degrees) if degrees else messages


class _Turned:
    """See `turned`."""

    def __init__(self, messages: Messages, degrees: Degrees) -> None:
        self._messages = messages
        self._degrees: Degrees = degrees

    @property
    def dropped_frames(self) -> int:
        """See `Messages`."""
        return self._messages.dropped_frames

    @property
    def abandoned(self) -> int:
        """See `Messages`."""
        return self._messages.abandoned

    def take(self, timeout_s: float) -> Message | None:
        """See `Messages.take`."""
        message = self._messages.take(timeout_s)
        return turned_frame(message, self._degrees) if isinstance(message, Frame) else message

    def close(self) -> None:
        """See `Messages.close`."""
        self._messages.close()
