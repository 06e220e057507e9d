"""Things that stand in for a camera: video files, network streams, pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import cv2

from waste_edge.device.cameras.opencv import STALL_S, next_pixels, prepare_opencv
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.errors import CameraError
from waste_edge.frames import Frame
from waste_edge.pictures import read_picture

FALLBACK_FPS = 25.0  # for files that do not say, or say nonsense


class VideoFile:
    """A video at its own pace. Frames carry the film's own time, however late they were read."""

    stills = False

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open a video file.

        Raises:
            CameraError: it is not a video that OpenCV can read.
        """
        prepare_opencv()
        self.title = str(path)
        self._clock = clock
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        self._waiting = next_pixels(self._capture) if self._capture.isOpened() else None
        if self._waiting is None:
            self._capture.release()
            raise CameraError(f"{path}: neither a picture nor a video that can be read; expected .jpg, .png, .mp4 …")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0.1 <= fps <= 1000 else FALLBACK_FPS
        self._started_ns: int | None = None
        self._index = 0

    def read(self) -> Frame | None:
        """See `Camera.read`; waits until the frame is due."""
        pixels, self._waiting = self._waiting, None
        if pixels is None:
            pixels = next_pixels(self._capture)
        if pixels is None:
            return None
        if self._started_ns is None:
            self._started_ns = self._clock.now_ns()
        due_ns = self._started_ns + round(self._index * NS_PER_S / self.fps)
        self._index += 1
        self._clock.sleep((due_ns - self._clock.now_ns()) / NS_PER_S)
        return Frame(pixels, due_ns)

    def close(self) -> None:
        self._capture.release()


class NetworkStream:
    """A camera on the network: rtsp://, http:// and what else FFmpeg opens. It may break off, but it never ends."""

    stills = False

    def __init__(self, url: str, clock: Clock) -> None:
        """Open a stream.

        Raises:
            CameraError: nobody answers, or no frame comes.
        """
        prepare_opencv()
        self.title = without_password(url)
        self._clock = clock
        wait_ms = STALL_S * 1000
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait_ms]
        self._capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened() or next_pixels(self._capture) is None:
            self._capture.release()
            raise CameraError(f"{self.title}: no video comes from there; check the address and the network")

    def read(self) -> Frame:
        """See `Camera.read`."""
        pixels = next_pixels(self._capture)
        if pixels is None:
            raise CameraError(f"{self.title}: the stream broke off")
        return Frame(pixels, self._clock.now_ns())

    def close(self) -> None:
        self._capture.release()


class Pictures:
    """Picture files, one after the other, as fast as they are taken."""

    stills = True

    def __init__(self, title: str, paths: Sequence[Path], clock: Clock) -> None:
        self.title = title
        self._paths = iter(paths)
        self._clock = clock

    def read(self) -> Frame | None:
        """See `Camera.read`; raises PictureError for one bad picture and goes on with the next."""
        path = next(self._paths, None)
        if path is None:
            return None
        return Frame(read_picture(path), self._clock.now_ns(), str(path))

    def close(self) -> None:
        self._paths = iter(())


def without_password(url: str) -> str:
    """The address without `user:password@`: titles and messages end up in logs."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)
