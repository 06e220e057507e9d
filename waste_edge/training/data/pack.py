"""Packing of everything that a training reads into one folder, small enough to be carried to another machine."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from waste_edge.dataset import Dataset, Domains, open_dataset, open_domains
from waste_edge.dataset.domains import COLUMNS
from waste_edge.errors import DataError
from waste_edge.evaluation.evaluate import Progress, without_progress
from waste_edge.files.atomic import folder_in_one_piece, write_atomically
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_PICTURE_FILE_BYTES
from waste_edge.imaging.image_files import read_picture

DATA_NAME, DOMAINS_NAME = "data", "domains.csv"


@dataclass(frozen=True)
class Packed:
    """Content of a packed folder."""

    pictures: int
    of_sources: dict[str, int]
    bytes: int


def pack(
    data: Path, domains: Path | None, out: Path, side_px: int, quality: int, progress: Progress = without_progress
) -> Packed:
    """Copy a folder of labelled photographs, and what may teach of a domains file, into a new folder.

    The photographs are copied as they are, so that a run's data are the same ones wherever it was trained. Pictures of
    other sources are reduced to `side_px` and compressed again where that makes them smaller. Rows that may not teach
    are left out.

    Args:
        data: a folder with one folder of pictures a label.
        domains: see `dataset.open_domains`; None: none.
        out: the folder to make.
        side_px: short side of a picture of another source, at most.
        quality: of its JPEG, 1 to 95.
        progress: told pictures done and in all.

    Returns:
        Counts, and how many bytes it is.

    Raises:
        DataError: `data` is a file, or what `open_dataset` and `open_domains` object to.
        PictureError: one cannot be read.
        UserError: `out` exists or cannot be written.
    """
    if data.is_file():
        raise DataError(f"{data}: is a file; pack takes a folder with one folder of pictures a label")
    dataset = open_dataset(data)
    teaching = open_domains(domains).teaching() if domains else None
    total = len(dataset.photos) + (len(teaching.rows) if teaching else 0)
    with folder_in_one_piece(out) as folder:
        _copy(dataset, folder / DATA_NAME, progress, total)
        if teaching:
            done = len(dataset.photos)
            for number, row in enumerate(teaching.rows, start=1):
                assert row.photo.path is not None
                place = folder / row.photo.key
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(_smaller(row.photo.path, side_px, quality))
                progress(done + number, total)
            write_atomically(folder / DOMAINS_NAME, _table(teaching))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Packed(total, teaching.pictures_by_source() if teaching else {}, size)


def _copy(dataset: Dataset, folder: Path, progress: Progress, total: int) -> None:
    rows = []
    for done, photo in enumerate(dataset.photos, start=1):
        assert photo.path is not None
        place = folder / "images" / photo.key
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo.path, place)
        rows.append([photo.key, photo.label, photo.group.removeprefix("group:")])
        progress(done, total)
    if dataset.grouped:
        write_atomically(folder / "groups.csv", _csv(["file", "label", "group"], rows))


def _smaller(path: Path, side_px: int, quality: int) -> bytes:
    """A picture's file, or a smaller one of the same picture at most `side_px` on its short side."""
    pixels = read_picture(path)
    content = read_bounded(path, MAX_PICTURE_FILE_BYTES)
    scale = side_px / min(pixels.shape[:2])
    if scale < 1:
        size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=quality, optimize=True)
    return packed.getvalue() if packed.tell() < len(content) else content


def _table(domains: Domains) -> str:
    rows = [
        [one.photo.key, one.photo.label, one.source, one.original_dataset, one.licence,
         one.photo.group.removeprefix("domains:")]
        for one in domains.rows
    ]  # fmt: skip
    return _csv(list(COLUMNS), rows)


def _csv(columns: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
