"""The text that goes with a photo, for networks that read one."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Literal

from waste_edge.dataset.values import Photo
from waste_edge.errors import DataError

TextSource = Literal["file_name", "column"]


def text_of(photo: Photo, source: TextSource) -> str:
    """Get the text of a photo that a network reads besides its pixels.

    Args:
        source: `file_name` is the picture's own name, see `text_of_name`; `column` the data's text, which may be empty.

    Raises:
        DataError: a file name is asked of a row that is text only.
    """
    if source == "column":
        return photo.text
    if photo.path is None:
        raise DataError(
            f"{photo.key}: is text without a picture, so it has no file name; set the text source to column"
        )
    return text_of_name(photo.path)


def text_of_name(path: PurePath) -> str:
    """A file's name as words: `green-bottle_02.jpg` is `green bottle 02`. Its folders do not count: they are labels."""
    return " ".join(re.findall(r"[^\W_]+", path.stem))
