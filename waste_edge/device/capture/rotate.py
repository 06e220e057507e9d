"""A camera that hangs turned: its frames are turned once, before anything looks at them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np

from waste_edge.device.capture.messages import Message, Messages
from waste_edge.imaging.frames import Frame

Degrees = Literal[0, 90, 180, 270]

_CODES = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def turned(messages: Messages, degrees: Degrees) -> Messages:
    """Messages whose frames are turned clockwise; the same ones if there is nothing to turn."""
    return _Turned(messages, degrees) if degrees else messages


class _Turned:
    """See `turned`."""

    def __init__(self, messages: Messages, degrees: Degrees) -> None:
        self._messages = messages
        self._code = _CODES[degrees]

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
        if not isinstance(message, Frame):
            return message
        return replace(message, pixels=np.asarray(cv2.rotate(message.pixels, self._code), np.uint8))

    def close(self) -> None:
        """See `Messages.close`."""
        self._messages.close()
