"""Store of the collected crops: picture files and their index, which agree after whatever happened.

A file is written whole before its row, and deleted before its row. So a kill or a power cut leaves at most a file
without a row, which is taken up again at the next start, or a row without a file, which goes.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from waste_edge.device.collect.index import RECOVERED, Crop, CropIndex
from waste_edge.files.atomic import write_atomically
from waste_edge.taxonomy import UNKNOWN

FOLDER = "collect"  # below the station's folder
INDEX_NAME = "index.sqlite"
SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
_OURS = re.compile(r"([0-9a-f]{32})\.(jpg|png)")
_FILE_MODE, _FOLDER_MODE = 0o640, 0o750
_KEPT_ASIDE = "index.damaged.sqlite"


class CropStore:
    """The crops of one station, below its folder. For one thread; another process may list, export and purge.

    Args:
        state: the station's folder.
        mends: set a damaged index aside and make it anew; for the station's own process.

    Attributes:
        folder: where crops and index lie.
        index: of the crops.
        remark: what had to be mended at the start, in words; empty if nothing had.

    Raises:
        ConfigError: another version of the program made the index.
        OSError, sqlite3.Error: the folder cannot be made or written.
    """

    def __init__(self, state: Path, mends: bool = False) -> None:
        self.folder = state / FOLDER
        self.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self.remark = ""
        self.index = self._opened(mends)

    def _opened(self, mends: bool) -> CropIndex:
        path = self.folder / INDEX_NAME
        try:
            is_new = not path.exists()
            index = CropIndex(path)
            if is_new:
                os.chmod(path, _FILE_MODE)
            return index
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or not mends:  # busy, full, read-only: not damaged
                raise
            os.replace(path, self.folder / _KEPT_ASIDE)
            Path(f"{path}-journal").unlink(missing_ok=True)
            self.remark = f"the index was damaged ({error}) and made anew from the files: labels in it are lost"
            return CropIndex(path)

    def reconcile(self, lived_s: float) -> None:
        """Make index and files agree; for the station's own process, before it adds anything.

        Args:
            lived_s: run time of the station now, the age from which a file without a row counts.
        """
        for path in self.folder.iterdir():
            if path.name.startswith(".") and path.is_file():  # what a kill left of a file that was being written
                path.unlink(missing_ok=True)
        files = self.files()
        rows = {crop.id: crop for crop in self.index.crops()}
        for item_id, crop in rows.items():
            if crop.file not in files:
                self.index.remove(item_id)
        named = {crop.file for crop in rows.values()}
        for name, path in files.items():
            if name not in named:
                self._take_up(path, lived_s, rows)

    def _take_up(self, path: Path, lived_s: float, rows: dict[str, Crop]) -> None:
        found = path.stat()
        item_id = path.stem
        if not found.st_size or item_id in rows:  # nothing in it, or a second file of an item
            path.unlink(missing_ok=True)
            return
        self.index.add(
            Crop(
                id=item_id, file=path.name, bytes=found.st_size, reasons=RECOVERED, label=UNKNOWN, stream="",
                confidence=0.0, answer_label=None, answer_stream=None, time_s=found.st_mtime, in_step=False,
                boot_id="", kept_ns=0, lived_s=lived_s,
            )
        )  # fmt: skip

    def files(self) -> dict[str, Path]:
        """Every picture of ours by its name; other files in the folder are none of our business."""
        return {path.name: path for path in sorted(self.folder.iterdir()) if _OURS.fullmatch(path.name)}

    def add(self, crop: Crop, picture: bytes) -> None:
        """Write a picture, then its row.

        Raises:
            UserError, OSError, sqlite3.Error: it could not be written; nothing, or a whole file, is left.
        """
        write_atomically(self.folder / crop.file, picture, _FILE_MODE)
        self.index.add(crop)

    def delete(self, crops: Iterable[Crop]) -> int:
        """Delete pictures, each before its row; returns how many."""
        count = 0
        for crop in crops:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / crop.file).unlink()
            self.index.remove(crop.id)
            count += 1
        return count

    def purge(self) -> int:
        """Delete all pictures of ours, with rows or without; returns how many rows there were."""
        count = self.delete(self.index.crops())
        for path in self.files().values():
            path.unlink(missing_ok=True)
        (self.folder / _KEPT_ASIDE).unlink(missing_ok=True)
        return count

    def prune(self, lived_s: float, now_s: float | None, max_s: float, max_bytes: int) -> int:
        """Delete what is too old, and the oldest while all are too large together.

        Args:
            lived_s: run time of the station now.
            now_s: wall clock, seconds since 1970; None while it is not in step.
            max_s: age in seconds beyond which a crop goes.
            max_bytes: of all together.

        Returns:
            How many went.
        """
        count = self.delete(self.index.expired(lived_s, now_s, max_s))
        while self.index.total()[1] > max_bytes and (oldest := self.index.oldest()) is not None:
            count += self.delete([oldest])
        return count

    def close(self) -> None:
        """Close the index."""
        self.index.close()
