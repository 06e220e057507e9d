"""Part of picamera2 in the root: what libcamera's virtual camera needs, and what it can be made to suffer.

It has no raw pictures, which picamera2 asks for; its colours are a plane of their own; and it gives frames as fast as
they are taken: here at most 30 a second. Requests never come, or come late, while /run/virtual-board says so.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import libcamera
from picamera2 import picamera2, request
from picamera2.allocators import dmaallocator

WORD = Path("/run/virtual-board")
PACE = Path("/run/virtual-board-fps")
FPS = float(PACE.read_text()) if PACE.exists() else 30.0

_handle = picamera2.CameraManager.handle_request
_release = request.CompletedRequest.release
_raw_modes = picamera2.Picamera2._get_raw_modes
_used: queue.Queue[request.CompletedRequest] = queue.Queue()


def word() -> str:
    with contextlib.suppress(OSError):
        return WORD.read_text().strip()
    return ""


def handle_request(self: object, flushid: object = None) -> None:
    now = word()
    if now == "lost":
        self.cms.get_ready_requests()  # type: ignore[attr-defined]  # and nobody hears of them
        return
    if now == "late":
        time.sleep(1.5)
    _handle(self, flushid)


def release(self: request.CompletedRequest) -> None:
    """The last one gives the buffer back to the camera: when its time has come, and nobody waits for that."""
    if self.ref_count == 1:
        _used.put(self)
    else:
        _release(self)


def give_back() -> None:
    due = 0.0
    while True:
        used = _used.get()
        due = max(due + 1 / FPS, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        _release(used)


def raw_modes(self: object) -> list[dict[str, object]]:
    try:
        return _raw_modes(self)
    except AttributeError:  # it has none
        return [{"format": "SRGGB10", "size": (640, 480)}]


class TwoPlanes:
    """Makes libcamera's buffers of NV12: brightness, then colours."""

    Plane = libcamera.FrameBuffer.Plane

    def __call__(self, planes: list) -> object:
        (whole,) = planes
        length = whole.length
        colours = self.Plane()
        colours.fd, colours.offset, colours.length = whole.fd, length * 2 // 3, length // 3
        whole.length = length * 2 // 3
        return libcamera.FrameBuffer([whole, colours])


class MemoryHeap:
    """Picture memory where this machine's kernel has no heaps."""

    isValid = True  # noqa: N815

    def alloc(self, name: str, size: int) -> SimpleNamespace:
        memory = os.memfd_create(name)
        os.ftruncate(memory, size)
        return SimpleNamespace(get=lambda: memory, isValid=lambda: True)

    def close(self) -> None:
        """Its files are closed by who asked for them."""


if not Path("/dev/dma_heap").exists():
    dmaallocator.DmaHeap = MemoryHeap
    dmaallocator.fcntl = SimpleNamespace(ioctl=lambda *_: 0)
picamera2.CameraManager.handle_request = handle_request
picamera2.Picamera2._get_raw_modes = raw_modes
request.CompletedRequest.release = release
threading.Thread(target=give_back, daemon=True).start()
dmaallocator.libcamera = SimpleNamespace(FrameBuffer=TwoPlanes())
