"""OpenCV's video capture: quietened, with bounded waits, its pictures left in BGR."""

from __future__ import annotations

import os
from typing import Any, cast

import cv2
import numpy as np

from waste_edge.device.cameras.camera import RawFrame, packed
from waste_edge.device.clock import Clock

FFMPEG_LOG, QUIET = "OPENCV_FFMPEG_LOGLEVEL", "-8"  # AV_LOG_QUIET
_SILENT = 0  # OpenCV's LOG_LEVEL_SILENT
STALL_S = 3  # a device or stream that gives nothing for so long is taken for lost


def prepare_opencv() -> None:
    """Make OpenCV and FFmpeg keep quiet about absent devices, and give up on silent ones.

    Each reads its variable on first use, so this is called before any capture; what the user set stays.
    """
    os.environ.setdefault(FFMPEG_LOG, QUIET)
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(STALL_S))
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # OpenCV read that variable when it was imported; from here on it takes a call, which OpenCV 5 moved.
        library = cast(Any, cv2)
        (library.setLogLevel if hasattr(library, "setLogLevel") else library.utils.logging.setLogLevel)(_SILENT)


def next_frame(capture: cv2.VideoCapture, clock: Clock) -> RawFrame | None:
    """The capture's next picture, captured now, or None if it has no more to give."""
    try:
        got, picture = capture.read()
    except cv2.error:
        return None  # a half frame that the decoder choked on
    if not got or picture is None or picture.size == 0:
        return None
    captured_ns = clock.now_ns()
    pixels = np.ascontiguousarray(picture, np.uint8)
    if pixels.ndim == 2:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return packed(pixels, "bgr", captured_ns)
