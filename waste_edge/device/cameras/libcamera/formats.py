"""From libcamera's buffers to frames: what its cameras give, with their padding. Needs numpy, and Pillow for MJPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waste_edge.device.cameras.camera import Layout, RawFrame, packed
from waste_edge.errors import CameraError

# libcamera names formats from the most significant byte down: "BGR888" lies in memory as R, G, B, which is
# what a Frame holds, while "RGB888" is B, G, R.
RGB, YUV, MJPEG = "BGR888", "YUV420", "MJPEG"
_LAYOUTS: dict[str, Layout] = {RGB: "rgb", "RGB888": "bgr", YUV: "yuv420", "NV12": "nv12"}
ACCEPTED = (*_LAYOUTS, MJPEG)


@dataclass(frozen=True)
class Stream:
    """Memory layout of the pictures of one of libcamera's streams.

    Attributes:
        format: one of ACCEPTED.
        width_px, height_px: of the picture.
        stride: bytes from one row (of luma, if it is planar) to the next.
    """

    format: str
    width_px: int
    height_px: int
    stride: int

    def frame(self, buffer: NDArray[np.uint8], captured_ns: int) -> RawFrame:
        """One picture, from uint8 bytes that may be followed by padding.

        Raises:
            CameraError: it is not a whole picture: half of one would be taken for a smaller, squeezed one.
        """
        if self.format == MJPEG:
            return packed(self._unpacked(buffer), "rgb", captured_ns)
        layout = _LAYOUTS[self.format]
        rows = self.height_px * 3 // 2 if layout in ("yuv420", "nv12") else self.height_px
        whole = rows * self.stride
        if np.ndim(buffer) != 1 or len(buffer) < whole:
            raise CameraError(f"gives a picture of {np.size(buffer)} bytes for {self._size}, {whole} expected")
        data = np.ascontiguousarray(buffer[:whole], np.uint8).reshape(rows, self.stride)
        return RawFrame(data, layout, self.width_px, self.height_px, captured_ns)

    def _unpacked(self, buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A JPEG's pixels, uint8 (H, W, 3); its size is looked at before anything of it is decoded."""
        from PIL import Image  # picamera2 brings it

        try:
            with Image.open(io.BytesIO(np.ascontiguousarray(buffer, np.uint8).tobytes()), formats=["JPEG"]) as picture:
                if picture.size != (self.width_px, self.height_px):
                    raise CameraError(f"gives a picture of {picture.size[0]}x{picture.size[1]} for {self._size}")
                return np.asarray(picture.convert("RGB"), np.uint8)
        except (OSError, ValueError, SyntaxError) as error:
            raise CameraError(f"gives a JPEG that cannot be read ({error})") from error

    @property
    def _size(self) -> str:
        return f"{self.width_px}x{self.height_px} {self.format}"
