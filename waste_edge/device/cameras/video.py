"""Camera that plays a video file."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2

from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.cameras.opencv import next_frame, prepare_opencv, refuse_large
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.errors import CameraError

FALLBACK_FPS = 25.0  # for files that do not say, or say nonsense


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
