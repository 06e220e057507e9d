"""Pictures in files. These are read in the program's own process, so that the decoder's libraries may be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from waste_edge.device.cameras.camera import RawFrame, packed
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError
from waste_edge.files.remarks import remark
from waste_edge.files.text import as_utf8
from waste_edge.imaging.image_files import PICTURE_SUFFIXES, look_for_pictures, read_picture


class Pictures:
    """Picture files, one after the other, as fast as they are taken."""

    still_images = True

    def __init__(self, title: str, paths: Sequence[Path], clock: Clock) -> None:
        self.title = title
        self._paths = iter(paths)
        self._clock = clock

    def read(self) -> RawFrame | None:
        """See `Camera.read`; raises PictureError for one bad picture and goes on with the next."""
        path = next(self._paths, None)
        if path is None:
            return None
        return packed(read_picture(path), "rgb", self._clock.now_ns(), as_utf8(str(path)))

    def close(self) -> None:
        self._paths = iter(())


def pictures_of(path: Path) -> list[Path]:
    """The pictures in a folder, or the picture itself; none if it is another kind of file.

    Raises:
        CameraError: there is no such file, or the folder holds no pictures.
    """
    if path.is_dir():
        return _in_folder(path)
    if not path.exists():
        raise CameraError(f"{path}: no such file; expected a video, a folder of pictures, a picture or a URL")
    return [path] if is_picture(path) else []


def is_picture(path: Path) -> bool:
    """Return whether a file's name is that of a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def _in_folder(folder: Path) -> list[Path]:
    try:
        found = look_for_pictures(folder)
    except OSError as error:
        raise CameraError(f"{folder}: cannot be read ({error.strerror})") from error
    told = found.remark(folder)
    if not found.pictures:
        raise CameraError(told or f"{folder}: holds no pictures; expected {', '.join(sorted(PICTURE_SUFFIXES))}")
    if told:
        remark(told)
    return list(found.pictures)
