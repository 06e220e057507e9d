"""A labelled photograph or text, the text that goes with a photograph, and a set of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from waste_edge.errors import DataError
from waste_edge.imaging.frames import Pixels

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
TextSource = Literal["file_name", "column"]


@dataclass(frozen=True, slots=True)
class Photo:
    """One labelled picture, text, or both.

    Attributes:
        path: the picture; None for a row of text only.
        key: what tells it from all others: its path below the data folder with forward slashes.
        label: after the recipe's label map.
        group: photos of one group never lie on two sides of a split.
        text: what the data say of it beside its label.
        part: where the data themselves put it; None if they leave that open.
    """

    path: Path | None
    key: str
    label: str
    group: str
    text: str = ""
    part: Part | None = None

    def pixels(self) -> Pixels:
        """The picture, uint8 (H, W, 3) RGB.

        Raises:
            DataError: this is a row of text only.
            PictureError: the file is missing, damaged, or not a picture.
        """
        from waste_edge.imaging.image_files import (
            read_picture,  # here: a manifest needs a SplitSpec, a station no Pillow
        )

        if self.path is None:
            raise DataError(f"{self.key}: is text without a picture; give data with pictures")
        return read_picture(self.path)

    def sha256(self) -> str:
        """SHA-256 of the picture's file, read once while it does not change; empty for a row of text only."""
        from waste_edge.dataset.remembered import sum_of  # here: a manifest needs a SplitSpec and none of SQLite

        return sum_of(self.path) if self.path else ""


@dataclass(frozen=True)
class Dataset:
    """Labelled photos from one source.

    Attributes:
        root: the folder that keys are relative to.
        labels: sorted by name unless a model's order was asked for.
        photos: in the order of the source.
        grouped: the data say which photos belong together.
    """

    root: Path
    labels: tuple[str, ...]
    photos: tuple[Photo, ...]
    grouped: bool

    @property
    def name(self) -> str:
        """Name for messages: that of its folder."""
        return self.root.name if self.root.name != "images" else self.root.parent.name

    @property
    def has_pictures(self) -> bool:
        """True if every photo has a picture."""
        return all(photo.path is not None for photo in self.photos)

    @property
    def has_text(self) -> bool:
        """True if any photo has a text."""
        return any(photo.text for photo in self.photos)

    @property
    def has_parts(self) -> bool:
        """True if the data say themselves what to train on, validate on or test on."""
        return any(photo.part for photo in self.photos)

    def label_index(self, photo: Photo) -> int:
        return self.labels.index(photo.label)

    def fingerprint(self) -> str:
        """SHA-256 over every photo's key and content: equal exactly when the data are.

        A label counts where it is not the top folder's name, as after a merge; a text and a part where there are any.
        Groups do not count.
        """
        total = hashlib.sha256()
        for photo in sorted(self.photos, key=lambda photo: photo.key):
            total.update(f"{photo.key}\0{photo.sha256()}".encode())
            if photo.key.split("/")[0] != photo.label:
                total.update(f"\0label\0{photo.label}".encode())
            if photo.text:
                total.update(f"\0text\0{photo.text}".encode())
            if photo.part:
                total.update(f"\0part\0{photo.part}".encode())
            total.update(b"\n")
        return total.hexdigest()


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
