"""Cameras on the network."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from waste_edge.device.cameras.address import without_password
from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.cameras.video import (
    FFMPEG_LOG,
    QUIET,
    STALL_S,
    next_frame,
    prepare_opencv,
    refuse_large,
)
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError

# FFmpeg collects packets ahead of the decoder unless it is told not to; TCP, OpenCV's own default, must be said
# again, since this replaces it. Films must not see it: they would lose their first frame. The rest of the newest frame
# is done by reading all the time.
_NO_QUEUE = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"
_WARNINGS = "24"  # AV_LOG_WARNING, at which it tells HTTP errors
_HEARD_BYTES = 64 << 10


class NetworkStream:
    """A camera on the network: rtsp://, http:// and what else FFmpeg opens. It may break off, but it never ends."""

    still_images = False

    def __init__(self, url: str, clock: Clock) -> None:
        """Open a stream.

        Raises:
            CameraError: nobody answers, or no frame comes.
        """
        # What FFmpeg says of a failure: it prints to the capture process's stdout, which nobody is shown.
        if os.environ.get(FFMPEG_LOG, QUIET) == QUIET:  # what a user set stays
            os.environ[FFMPEG_LOG] = _WARNINGS
        prepare_opencv()
        self.title = without_password(url)
        self._clock = clock
        wait_ms = STALL_S * 1000
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait_ms]
        with _options(_NO_QUEUE), _overheard() as said:
            self._capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
            opened = self._capture.isOpened()
            if opened:
                refuse_large(self._capture, self.title)
            silent = not opened or next_frame(self._capture, clock) is None
        if silent:
            self._capture.release()
            raise CameraError(f"{self.title}: {_why(said.text)}")

    def read(self) -> RawFrame:
        """See `Camera.read`."""
        frame = next_frame(self._capture, self._clock)
        if frame is None:
            raise CameraError(f"{self.title}: the stream broke off")
        return frame

    def close(self) -> None:
        self._capture.release()


# What FFmpeg says of a failure, and what it means to people. Its own words may hold the address, with the password.
_REASONS = (
    (r"\b401\b|[Uu]nauthorized", "asks for another user or password; check them in the address"),
    (r"\b403\b|[Ff]orbidden", "refuses this user (403); check the user's rights on the camera"),
    (r"\b404\b|[Nn]ot [Ff]ound\b", "has no such stream (404); check the path in the address"),
    (
        r"[Cc]onnection refused",
        "refuses the connection; check the port, and whether the camera's stream is switched on",
    ),
    (r"[Nn]ame or service not known|resolve hostname|name resolution", "is not known by that name; check the address"),
    (r"[Nn]o route to host|[Nn]etwork is unreachable", "cannot be reached; check the network"),
)


class _Said:
    text = ""


def _why(said: str) -> str:
    for pattern, reason in _REASONS:
        if re.search(pattern, said):
            return reason
    return "no video comes from there; check the address and the network"


@contextmanager
def _overheard() -> Iterator[_Said]:
    """Capture what libraries write to stderr or stdout meanwhile; it tells more than OpenCV's errors."""
    said, library = _Said(), ctypes.CDLL(None)
    with _memory_file() as memory:
        kept = [(number, os.dup(number)) for number in (1, 2)]
        library.fflush(None)
        for number, _ in kept:
            os.dup2(memory, number)
        try:
            yield said
        finally:
            library.fflush(None)
            for number, before in kept:
                os.dup2(before, number)
                os.close(before)
            size = min(os.fstat(memory).st_size, _HEARD_BYTES)
            said.text = os.pread(memory, size, 0).decode(errors="replace")


@contextmanager
def _memory_file() -> Iterator[int]:
    """A file descriptor of a file that has no name and no disk."""
    memory = os.memfd_create("waste-edge-heard", os.MFD_CLOEXEC)
    try:
        yield memory
    finally:
        os.close(memory)


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
