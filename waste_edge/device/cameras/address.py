"""Cameras as people type them: network addresses, as they may be shown; device names; the rate of `synthetic:`."""

from __future__ import annotations

import re

from waste_edge.errors import CameraError

STREAM_SCHEMES = ("rtsp://", "rtsps://", "http://", "https://", "rtmp://", "rtmps://", "udp://", "tcp://")
# A network address, or one with a slash forgotten: its password must not be shown either.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]{1,9}):(/{0,3})(?=[^/])", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9a-f:.%]*\]|[^:@\s]*)(:\d{1,5})?", re.IGNORECASE)
_SECRET = re.compile(r"(?i)\b(\w*?(?:pass|pw|secret|token|auth|key|psw|user|login)\w*?)=[^&/;]*")
# The names that stay when the numbers of /dev/videoN change.
_DEVICE = re.compile(r"/dev/v4l/by-(?:id|path)/(?!\.)[\w.:+@,%=-]+")
DEFAULT_FPS = 15.0  # of `synthetic:`
MAX_FPS = 10_000.0


def is_address(given: str) -> bool:
    """Return whether a source is meant as a network address, and not as a file."""
    found = _ADDRESS.match(given)
    return "://" in given or bool(found and (found[1].lower() + "://") in STREAM_SCHEMES)


def is_device(given: str) -> bool:
    """Return whether this is udev's name of a camera, e.g. `/dev/v4l/by-id/usb-Example-video-index0`."""
    return _DEVICE.fullmatch(given) is not None


def without_password(url: str) -> str:
    """The address without user, password and query: titles and messages end up in logs.

    What may be a password that holds `/`, `?` or `#` goes too, at the price of some of an odd path.
    """
    found = _ADDRESS.match(url)
    if not found:
        return url
    scheme, rest = url[: found.end()], url[found.end() :]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    plain = _HOST.fullmatch(authority) is not None
    searched = re.split(r"[?#]", rest, maxsplit=1)[0] if plain else rest
    if cut := "@" in searched:
        rest = rest[searched.rindex("@") + 1 :]
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        plain = _HOST.fullmatch(authority) is not None
    unsure = "@" in rest and (cut or ":" in authority.rpartition("]")[2])
    if unsure or not plain:  # or a user and a password, and no host
        return f"{scheme}…"
    path, *more = re.split(r"([?#])", rest, maxsplit=1)
    return scheme + _SECRET.sub(r"\1=…", path) + (f"{more[0]}…" if more else "")


def parse_rate(given: str) -> tuple[float, int]:
    """Frames a second and the seed, from `FPS` or `FPS:SEED`; without them 15 and 0.

    Raises:
        CameraError: it is neither, or the rate is out of range.
    """
    match = re.fullmatch(r"(\d{1,5}(?:\.\d{1,3})?)?(?::(\d{1,9}))?", given, re.ASCII)
    fps = float(match[1] or DEFAULT_FPS) if match else 0.0
    if match is None or not 0.1 <= fps <= MAX_FPS:
        raise CameraError(
            f"--camera synthetic:{given}: expected synthetic:FPS or synthetic:FPS:SEED, FPS from 0.1 to {MAX_FPS:g}"
        )
    return fps, int(match[2] or 0)
