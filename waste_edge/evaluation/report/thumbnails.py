"""Pictures small enough to be carried inside a page."""

from __future__ import annotations

import base64
import io

from PIL import Image

from waste_edge.dataset import Photo

_SIDE_PX = 176  # drawn at half of it or a little more, so that it is sharp on fine screens


def thumbnail(photo: Photo) -> str:
    """A photo as a JPEG data URI, its whole frame, the longer side at most 176 px."""
    image = Image.fromarray(photo.pixels())
    image.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode()}"
