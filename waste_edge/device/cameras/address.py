"""Network addresses of cameras, as they may be shown."""

from __future__ import annotations

import re

STREAM_SCHEMES = ("rtsp://", "rtsps://", "http://", "https://", "rtmp://", "udp://", "tcp://")


def without_password(url: str) -> str:
    """The address without `user:password@`: titles and messages end up in logs."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)
