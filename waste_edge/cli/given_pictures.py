"""The pictures that the arguments of `classify` name, and how a bad one is reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from waste_edge.cli.common import say
from waste_edge.errors import PictureError
from waste_edge.files.text import visible


def pictures_of(given: Path) -> Iterator[Path]:
    """The pictures below a folder, or the path itself; raises PictureError for a folder without pictures."""
    from waste_edge.files.remarks import remark
    from waste_edge.imaging.image_files import look_for_pictures

    try:
        if not given.is_dir():
            yield given
            return
        found = look_for_pictures(given)
    except OSError as error:
        raise PictureError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions") from error
    told = found.remark(given)
    if not found.pictures:
        raise PictureError(told or f"{given}: folder without pictures; expected .jpg, .png or the like in it")
    if told:
        remark(told)
    yield from found.pictures


def report(error: PictureError) -> int:
    """Tell of one failure in one line on stderr; returns 1, to be counted."""
    say(f"waste-edge: {visible(str(error))}", err=True)
    return 1
