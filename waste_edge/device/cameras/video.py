"""Video through OpenCV: quietened, with bounded waits, its pictures left in BGR; and the camera that plays a file."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from waste_edge.device.cameras.camera import RawFrame, packed
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.errors import CameraError
from waste_edge.files.limits import MAX_FRAME_BYTES, MAX_SIDE_PX

FFMPEG_LOG, QUIET = "OPENCV_FFMPEG_LOGLEVEL", "-8"  # AV_LOG_QUIET
_SILENT = 0  # OpenCV's LOG_LEVEL_SILENT
STALL_S = 3  # a device or stream that gives nothing for so long is taken for lost
FALLBACK_FPS = 25.0  # for files that do not say, or say nonsense


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


def refuse_large(capture: cv2.VideoCapture, title: str) -> None:
    """Close an opened video whose frames are too large, before one of them is decoded.

    Raises:
        CameraError: they are; the message says what is possible.
    """
    try:
        _check_size(int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    except (CameraError, OverflowError, ValueError) as error:
        capture.release()
        raise CameraError(f"{title}: {error}") from error


def _check_size(width_px: int, height_px: int) -> None:
    if width_px * height_px * 3 > MAX_FRAME_BYTES or max(width_px, height_px) > MAX_SIDE_PX:
        raise CameraError(
            f"its frames have {width_px}x{height_px} pixels, at most {MAX_FRAME_BYTES // 3_000_000} million are "
            "possible (3840x2160 are 8 million); choose a smaller size"
        )


def next_frame(capture: cv2.VideoCapture, clock: Clock) -> RawFrame | None:
    """The capture's next picture, captured now, or None if it has no more to give.

    Raises:
        CameraError: it is too large: a stream of JPEGs may change its size whenever it likes.
    """
    try:
        got, picture = capture.read()
    except cv2.error:
        return None  # a half frame that the decoder choked on
    if not got or picture is None or picture.size == 0:
        return None
    captured_ns = clock.now_ns()
    _check_size(*picture.shape[1::-1])
    pixels = np.ascontiguousarray(picture, np.uint8)
    if pixels.ndim == 2:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return packed(pixels, "bgr", captured_ns)


class VideoFile:
    """A video at its own pace. Frames carry the film's own time, however late they were read."""

    still_images = False

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open a video file.

        Raises:
            CameraError: it is not a video that OpenCV can read.
        """
        prepare_opencv()
        self.title = str(path)
        self._clock = clock
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if self._capture.isOpened():
            refuse_large(self._capture, self.title)
        self._waiting = next_frame(self._capture, clock) if self._capture.isOpened() else None
        if self._waiting is None:
            self._capture.release()
            raise CameraError(f"{path}: neither a picture nor a video that can be read; expected .jpg, .png, .mp4 …")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0.1 <= fps <= 1000 else FALLBACK_FPS
        self._started_ns: int | None = None
        self._index = 0

    def read(self) -> RawFrame | None:
        """See `Camera.read`; waits until the frame is due."""
        frame, self._waiting = self._waiting, None
        if frame is None:
            frame = next_frame(self._capture, self._clock)
        if frame is None:
            return None
        if self._started_ns is None:
            self._started_ns = self._clock.now_ns()
        due_ns = self._started_ns + round(self._index * NS_PER_S / self.fps)
        self._index += 1
        self._clock.sleep((due_ns - self._clock.now_ns()) / NS_PER_S)
        return replace(frame, captured_ns=due_ns)

    def close(self) -> None:
        self._capture.release()


def open_video(path: str, clock: Clock) -> VideoFile:
    """Open a video file; raises CameraError."""
    return VideoFile(Path(path), clock)
