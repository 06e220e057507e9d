"""Part of picamera2 inside the guest: requests that never come, or come late, while /run/virtual-board says so.

Also paces the virtual camera, which would give frames as fast as they are taken.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from picamera2 import picamera2, request

WORD = Path("/run/virtual-board")
FPS = 30

_handle = picamera2.CameraManager.handle_request
_release = request.CompletedRequest.release
_due = 0.0


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


def release(self: object) -> None:
    global _due
    now = time.monotonic()
    _due = max(_due + 1 / FPS, now)
    time.sleep(_due - now)
    _release(self)


picamera2.CameraManager.handle_request = handle_request
request.CompletedRequest.release = release
