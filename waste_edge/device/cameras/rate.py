"""Options that may follow `synthetic:` in a camera's ID."""

from __future__ import annotations

import re

from waste_edge.errors import CameraError

DEFAULT_FPS = 15.0
MAX_FPS = 10_000.0


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
