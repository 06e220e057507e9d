"""Reading picture files: checked from the header first, upright, RGB."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from waste_edge.errors import PictureError
from waste_edge.imaging.frames import Pixels

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MAX_MEGAPIXELS = 64

_ORIENTATION_TAG = 0x0112
_TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(path: Path) -> Pixels:
    """A picture file as uint8 (H, W, 3) RGB, turned upright by its EXIF orientation.

    The size is read from the header and checked before any pixel is decoded.

    Raises:
        PictureError: missing, not a picture, damaged, or above 64 megapixels.
    """
    try:
        with warnings.catch_warnings():
            # Our own limit below is stricter than Pillow's, and odd EXIF blocks are not the user's concern.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                _check_size(path, *image.size)
                return rgb_pixels(image)
    except FileNotFoundError as error:
        raise PictureError(f"{path}: no such picture; check the path") from error
    except IsADirectoryError as error:
        raise PictureError(f"{path}: is a folder, expected a picture") from error
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{path}: not a picture (or of an unknown format); expected JPEG, PNG or the like"
        ) from error
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{path}: at most {MAX_MEGAPIXELS} megapixels are accepted ({error}); make it smaller"
        ) from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        raise PictureError(
            f"{path}: damaged picture ({_first_line(error)}); make or copy it again, or remove it"
        ) from error


def find_pictures(folder: Path) -> Iterator[Path]:
    """Picture files below `folder`, sorted; hidden files and folders, and links back up, are passed over."""
    yield from _walk(folder, frozenset({folder.resolve()}))


def _walk(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if (real := entry.resolve()) not in above:
                yield from _walk(entry, above | {real})
        elif entry.suffix.lower() in PICTURE_SUFFIXES:
            yield entry


def _check_size(path: Path, width_px: int, height_px: int) -> None:
    if width_px * height_px > MAX_MEGAPIXELS * 1_000_000:
        raise PictureError(
            f"{path}: {width_px}x{height_px} is {width_px * height_px / 1e6:.0f} megapixels, "
            f"at most {MAX_MEGAPIXELS} are accepted; make it smaller"
        )


def rgb_pixels(image: Image.Image) -> Pixels:
    """Convert a PIL image to uint8 (H, W, 3) RGB, upright, transparency laid on white."""
    if image.mode.startswith("I;16") or image.mode == "I":
        # Sixteen-bit grey: Pillow's own conversion clips to 255 instead of scaling.
        grey = (np.asarray(image, dtype=np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    upright = _upright(image)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        # A cut-out picture stands on white, as a viewer would show it, not on whatever colour lies hidden.
        layer = upright.convert("RGBA")
        page = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(page, layer)
    return np.array(upright.convert("RGB"), dtype=np.uint8)


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says; Pillow's own `exif_transpose` fails on odd EXIF blocks."""
    image.load()
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # noqa: BLE001  # an unreadable EXIF block does not spoil the pixels
        return image
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
