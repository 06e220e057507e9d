"""Cameras on the network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from waste_edge.device.cameras.address import without_password
from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.cameras.opencv import STALL_S, next_frame, prepare_opencv, refuse_large
from waste_edge.device.cameras.refusal import refusal
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError

# FFmpeg collects packets ahead of the decoder unless it is told not to; TCP, OpenCV's own default, must be said
# again, since this replaces it. Films must not see it: they would lose their first frame. The rest of the newest frame
# is done by reading all the time.
_NO_QUEUE = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"


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
        with _options(_NO_QUEUE):
            self._capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
        if self._capture.isOpened():
            refuse_large(self._capture, self.title)
        if not self._capture.isOpened() or next_frame(self._capture, clock) is None:
            self._capture.release()
            why = refusal(url) or "no video comes from there; check the address and the network"
            raise CameraError(f"{self.title}: {why}")

    def read(self) -> RawFrame:
        """See `Camera.read`."""
        frame = next_frame(self._capture, self._clock)
        if frame is None:
            raise CameraError(f"{self.title}: the stream broke off")
        return frame

    def close(self) -> None:
        self._capture.release()


@contextmanager
def _options(wanted: str) -> Iterator[None]:
    """FFmpeg's options for what is opened meanwhile, unless the user set some: OpenCV takes them by this way only."""
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    if name in os.environ:
        yield
        return
    os.environ[name] = wanted
    try:
        yield
    finally:
        del os.environ[name]
