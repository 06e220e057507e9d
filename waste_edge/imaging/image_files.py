"""Picture files: one list of formats, checked from the header first, decoded in bounded memory, upright, RGB."""

from __future__ import annotations

import contextlib
import functools
import itertools
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from waste_edge.errors import PictureError
from waste_edge.files.bounded import NotAFileError, TooLargeError, open_file
from waste_edge.files.limits import (
    MAX_DECODED_BYTES,
    MAX_FOLDER_DEPTH,
    MAX_JPEG_SCANS,
    MAX_KEPT_MEGAPIXELS,
    MAX_PICTURE_FILE_BYTES,
    MAX_PICTURE_MEGAPIXELS,
    MAX_SIDE_PX,
)
from waste_edge.files.text import first_line
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.jpeg import jpeg_cost

# Suffix -> the format that it names. What a file is, its content says; the suffix says whether a folder's walk looks.
FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".mpo": "JPEG",
    ".png": "PNG",
    ".apng": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
    ".ppm": "PPM",
    ".pgm": "PPM",
} | ({".avif": "AVIF"} if "avif" in features.modules and features.check("avif") else {})
PICTURE_SUFFIXES = frozenset(FORMAT_OF_SUFFIX)
_USUAL = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})  # taken for granted: not worth a word
# Pictures and films of kinds that are not read: a folder's walk names them, so that nobody misses them later.
_UNREAD = (
    ".heic .heif .hif .avif .jxl .jp2 .j2k .jpf .svg .psd .xcf .ico .tga .exr .hdr .raw .dng .cr2 .cr3 .nef .arw .orf "
    ".rw2 .raf .eps .pdf .pcx .dds .mp4 .mov .avi .mkv"
)
UNREAD_SUFFIXES = frozenset(_UNREAD.split()) - PICTURE_SUFFIXES

_FORMATS = tuple(sorted(set(FORMAT_OF_SUFFIX.values())))
_COPIES = {"WEBP": 4, "AVIF": 4, "GIF": 2, "TIFF": 2}  # how many whole pictures a decoder holds at once
_POINTER_BYTES = 8  # Pillow keeps one to each row
_ROWS_BYTES = 16  # per pixel of the two rows that a PNG's decoder works on, of up to 64 bits
_TILE_PX = 1 << 10
_MOST_WAYS = 100  # to one folder, by links: two on each level would double the ways at each
_JPEG = ("JPEG", "MPO")
_Identity = tuple[int, int]  # a folder's device and number

_ORIENTATION_TAG = 0x0112
_TURNS: dict[object, tuple[bool, bool, bool]] = {  # swap the axes, then turn rows round, then columns
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def read_picture(path: Path) -> Pixels:
    """A picture file as uint8 (H, W, 3) RGB, turned upright by its EXIF orientation.

    The size is read from the header and checked before any pixel is decoded. A JPEG of many megapixels is decoded at a
    half, a quarter or an eighth; what is then above 16 megapixels or 16,384 pixels a side is averaged down.

    Raises:
        PictureError: missing, no plain file, not a picture, damaged, or too large.
    """
    try:
        with warnings.catch_warnings():
            # Our own limit below is stricter than Pillow's, and odd EXIF blocks are not the user's concern.
            warnings.simplefilter("ignore")
            _silence_libtiff()
            # A stream, not a path: a path may be a pipe, and Pillow would map a grey TIFF's bytes in the wrong shape.
            with open_file(path, MAX_PICTURE_FILE_BYTES) as stream, Image.open(stream, formats=_FORMATS) as image:
                _check_size(path, *image.size)
                _reduce_jpeg(image)
                _check_memory(path, image, _jpeg_coefficients(path, stream) if image.format in _JPEG else 0)
                return rgb_pixels(image)
    except FileNotFoundError as error:
        raise PictureError(f"{path}: no such picture; check the path") from error
    except IsADirectoryError as error:
        raise PictureError(f"{path}: is a folder, expected a picture") from error
    except (NotAFileError, TooLargeError) as error:
        raise PictureError(f"{path}: {error.strerror}, expected a picture") from error
    except PermissionError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{path}: not a picture (or of a format that is not read); expected JPEG, PNG or the like"
        ) from error
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{path}: at most {MAX_PICTURE_MEGAPIXELS} megapixels are accepted ({error}); make it smaller"
        ) from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        raise PictureError(
            f"{path}: damaged picture ({first_line(error)}); make or copy it again, or remove it"
        ) from error


@dataclass(frozen=True)
class Found:
    """Files below a folder, by kind.

    Attributes:
        pictures: sorted.
        unread: files that are pictures or films of a kind that is not read, by suffix.
    """

    pictures: tuple[Path, ...]
    unread: Counter[str]

    def remark(self, folder: Path) -> str:
        """One line on what somebody may miss or not expect; empty if there is nothing of the kind."""
        parts = []
        if self.unread:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(self.unread.items()))
            parts.append(f"passed over {kinds}: not a kind of picture that is read; convert to JPEG or PNG")
        rare = Counter(suffix for path in self.pictures if (suffix := path.suffix.lower()) not in _USUAL)
        if rare:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(rare.items()))
            parts.append(f"read as pictures: {kinds}")
        return f"{folder}: {'; '.join(parts)}" if parts else ""


def look_for_pictures(folder: Path) -> Found:
    """Picture files below `folder`; hidden files and folders, and links back up, are passed over in silence."""
    pictures, unread = [], Counter[str]()
    for path in _walk(folder, (_identity(folder),), Counter()):
        if (suffix := path.suffix.lower()) in PICTURE_SUFFIXES:
            pictures.append(path)
        elif suffix in UNREAD_SUFFIXES:
            unread[suffix] += 1
    return Found(tuple(pictures), unread)


def find_pictures(folder: Path) -> Iterator[Path]:
    """The pictures alone of `look_for_pictures`."""
    yield from look_for_pictures(folder).pictures


def _walk(folder: Path, above: tuple[_Identity, ...], ways: Counter[_Identity]) -> Iterator[Path]:
    if len(above) > MAX_FOLDER_DEPTH:
        raise PictureError(f"{folder}: more than {MAX_FOLDER_DEPTH} folders in one another; give one further down")
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            real = _identity(entry)
            ways[real] += 1
            if real not in above and ways[real] <= _MOST_WAYS:
                yield from _walk(entry, (*above, real), ways)
        else:
            yield entry


def _identity(folder: Path) -> _Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _check_size(path: Path, width_px: int, height_px: int) -> None:
    if width_px * height_px > MAX_PICTURE_MEGAPIXELS * 1_000_000:
        raise PictureError(
            f"{path}: {width_px}x{height_px} is {width_px * height_px / 1e6:.0f} megapixels, "
            f"at most {MAX_PICTURE_MEGAPIXELS} are accepted; make it smaller"
        )


def _reduce_jpeg(image: Image.Image) -> None:
    """Decode a large JPEG at the largest of 1/2, 1/4 and 1/8 that is small enough, without memory for the rest."""
    factor = _factor(*image.size)
    if image.format in _JPEG and factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))


def _jpeg_coefficients(path: Path, stream: BinaryIO) -> int:
    """Bytes that a JPEG's decoder keeps beside the pixels; raises PictureError if it has too many scans."""
    cost = jpeg_cost(stream)
    if cost.scans > MAX_JPEG_SCANS:
        raise PictureError(
            f"{path}: {cost.scans} scans of one JPEG, at most {MAX_JPEG_SCANS} are decoded; save it again as JPEG"
        )
    return cost.coefficient_bytes


def _check_memory(path: Path, image: Image.Image, beside_bytes: int) -> None:
    """Raise PictureError where the decoder alone would take more than a small board has to give."""
    bytes_per_pixel = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "LA": 4}.get(image.mode, 4)  # as Pillow keeps it
    row = image.width * bytes_per_pixel + _POINTER_BYTES  # a picture one pixel wide has as many rows as pixels
    needed = image.height * row * _COPIES.get(image.format or "", 1) + image.width * _ROWS_BYTES + beside_bytes
    if needed > MAX_DECODED_BYTES:
        kind = "baseline JPEG" if beside_bytes else "JPEG"
        raise PictureError(
            f"{path}: {image.width}x{image.height} {image.format} takes {needed >> 20} MiB to decode, at most "
            f"{MAX_DECODED_BYTES >> 20} are spent; make it smaller, or save it as {kind}"
        )


def _factor(width_px: int, height_px: int) -> int:
    """The least whole number by which a picture is divided to have at most 16 megapixels and 16,384 pixels a side."""
    factor = 1
    while (width_px // factor) * (height_px // factor) > MAX_KEPT_MEGAPIXELS * 1_000_000 or -(
        -max(width_px, height_px) // factor
    ) > MAX_SIDE_PX:
        factor += 1
    return factor


def rgb_pixels(image: Image.Image) -> Pixels:
    """A PIL image as uint8 (H, W, 3) RGB: upright, on white; made smaller where it is above our limits."""
    return _upright(image, _pixels(image))


def _pixels(image: Image.Image) -> Pixels:
    """The picture as it is stored, in RGB on white, in tiles: no second whole copy of it is made."""
    image.load()
    width, height = image.size
    factor = _factor(width, height)
    side = max(1, _TILE_PX // factor) * factor
    pixels = np.empty((-(-height // factor), -(-width // factor), 3), np.uint8)
    for top, left in itertools.product(range(0, height, side), range(0, width, side)):
        tile = _on_white(image.crop((left, top, min(width, left + side), min(height, top + side))))
        if factor > 1:
            tile = tile.reduce(factor)
        rows, columns = top // factor, left // factor
        pixels[rows : rows + tile.height, columns : columns + tile.width] = np.asarray(tile)
    return pixels


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Sixteen-bit grey: Pillow's own conversion clips to 255 instead of scaling.
        grey = (np.asarray(image, dtype=np.int32) >> 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # A cut-out picture stands on white, as a viewer would show it, not on whatever colour lies hidden.
        layer = image.convert("RGBA")
        page = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = Image.alpha_composite(page, layer)
    return image.convert("RGB")


def _upright(image: Image.Image, pixels: Pixels) -> Pixels:
    """Turned as the EXIF orientation says; Pillow's own `exif_transpose` fails on odd EXIF blocks, and copies twice.

    A TIFF has been turned by Pillow while it was loaded, and has lost its tag.
    """
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # noqa: BLE001  # an unreadable EXIF block does not spoil the pixels
        return pixels
    if not isinstance(orientation, int) or orientation not in _TURNS:
        return pixels
    swap, rows, columns = _TURNS[orientation]
    turned = pixels.swapaxes(0, 1) if swap else pixels
    turned = turned[::-1] if rows else turned
    return np.ascontiguousarray(turned[:, ::-1] if columns else turned)


@functools.cache
def _silence_libtiff() -> None:
    """Libtiff writes on stderr what it thinks of a damaged file; Pillow's error says it in our words.

    By libtiff's own call, since to close stderr for a moment would swallow what other threads say.
    """
    import ctypes

    from PIL import _imaging

    with contextlib.suppress(OSError, AttributeError):  # built without libtiff, or into one piece
        library = ctypes.CDLL(_imaging.__file__)  # looks through the libraries that this one brought
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
