"""Make a data folder of very many small pictures with planted faults: `python -m tools.many_pictures FOLDER`.

    python -m tools.many_pictures /tmp/many --count 250000 --side 48

Every picture is an arrangement of patches of its own in its label's colours, so that hashes for near-duplicates differ
as those of photographs do. Of each thousand pictures thirteen are faults:

    2  broken: a JPEG that is cut off, a text
    2  exact copies under the same label
    1  exact copy under another label
    4  near-copies under the same label: compressed more, made brighter
    2  pictures whose name says another kind of file: a PNG that is called .jpg (read by its content), a JPEG that is
       called .dat (passed over)
    2  twins by case: IMG_000007.jpg and img_000007.JPG, different pictures

`planted.json` beside the folder says how many there are of each, and what `data check` has to find. All cores make
the pictures; the same count, side and seed give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageEnhance

from waste_edge.dataset.looking import cores
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import Strict, to_json

LABELS = {
    "cardboard": (150, 110, 70),
    "glass": (60, 150, 90),
    "metal": (150, 150, 160),
    "paper": (215, 210, 190),
    "plastic": (90, 130, 190),
    "trash": (110, 90, 100),
}
_PATCHES = 16  # a side: frequencies up to those that the hash looks at
_IN_A_TASK = 500
_EVERY = 1000


class Planted(Strict, frozen=True):
    """Count of what was made.

    Attributes:
        files: in the class folders.
        pictures: of them that can be read, by names that are looked at.
        unreadable: broken files.
        copies: exact copies under the same label, without what they are copies of.
        across_labels: exact copies under another label, likewise.
        alike: near-copies, likewise.
        stray: pictures whose name is that of no picture.
        twins: pictures whose name differs from another one's in case alone.
    """

    files: int = 0
    pictures: int = 0
    unreadable: int = 0
    copies: int = 0
    across_labels: int = 0
    alike: int = 0
    stray: int = 0
    twins: int = 0


def make_pictures(folder: Path, count: int, side_px: int = 48, seed: int = 0) -> Planted:
    """Make `folder`, which must not exist, with `count` files in six class folders, and `planted.json` beside it."""
    for label in LABELS:
        (folder / label).mkdir(parents=True)
    starts = range(0, count, _IN_A_TASK)
    # Not forked: OpenCV and torch have threads, of which a fork keeps the locks alone.
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        made = pool.map(partial(_make, folder, side_px, seed, count), starts)
        totals = [sum(counts) for counts in zip(*made, strict=True)]
    planted = Planted(**dict(zip(Planted.__struct_fields__, totals, strict=True)))
    write_atomically(folder.with_name("planted.json"), to_json(planted))
    return planted


def sound_pictures(count: int) -> Iterator[tuple[str, str]]:
    """Yield path below the folder and label of each file but the broken, the passed over and copies across labels."""
    for index in range(count):
        path = _path(Path(), index)
        place = index % _EVERY
        if place in (501, 502):
            path = path.with_name(_path(Path(), index - 6).name.swapcase())
        if place not in (101, 102, 203, 402):
            yield path.as_posix(), path.parts[0]


def _make(folder: Path, side_px: int, seed: int, count: int, start: int) -> tuple[int, ...]:
    """Make the files of a task; returns the counts in the order of `Planted`."""
    cv2.setNumThreads(1)
    counts = dict.fromkeys(Planted.__struct_fields__, 0)
    for index in range(start, min(start + _IN_A_TASK, count)):
        counts["files"] += 1
        fault = _fault(folder, index, side_px, seed)
        counts["pictures"] += fault not in ("unreadable", "stray")
        if fault:
            counts[fault] += 1
    return tuple(counts.values())


def _fault(folder: Path, index: int, side_px: int, seed: int) -> str:
    """Make one file; returns the field of `Planted` for its fault, empty if it has none."""
    place = index % _EVERY
    path, image = _path(folder, index), partial(_image, seed=seed, side_px=side_px)
    if place in (101, 102):
        whole = _jpeg(image(index))
        path.write_bytes(whole[: len(whole) // 2] if place == 101 else b"shopping list\n")
        return "unreadable"
    if place in (201, 202, 203):  # of the picture six before, of the same label, or five before, of another
        other = index - (6 if place < 203 else 5)
        path.write_bytes(_jpeg(image(other)))
        return "copies" if place < 203 else "across_labels"
    if place in (301, 302, 303, 304):
        image_before = image(index - 6 * 2)
        if place % 2:
            path.write_bytes(_jpeg(image_before, 60))
        else:
            path.write_bytes(_jpeg(ImageEnhance.Brightness(image_before).enhance(1.1)))
        return "alike"
    if place == 401:
        image(index).save(path, "PNG")
        return ""
    if place == 402:
        path.with_suffix(".dat").write_bytes(_jpeg(image(index)))
        return "stray"
    if place in (501, 502):
        before = _path(folder, index - 6)
        path.with_name(before.name.swapcase()).write_bytes(_jpeg(image(index)))
        return "twins"
    path.write_bytes(_jpeg(image(index)))
    return ""


def _path(folder: Path, index: int) -> Path:
    return folder / list(LABELS)[index % len(LABELS)] / f"IMG_{index:06}.jpg"


def _image(index: int, seed: int, side_px: int) -> Image.Image:
    """Draw the picture of a number."""
    generator = np.random.default_rng([seed, index])
    colour = np.array(list(LABELS.values())[index % len(LABELS)])
    patches = generator.integers(-70, 71, (_PATCHES, _PATCHES, 1)) + colour + generator.integers(-12, 13, 3)
    small = np.clip(patches, 0, 255).astype(np.uint8)
    return Image.fromarray(np.asarray(cv2.resize(small, (side_px, side_px), interpolation=cv2.INTER_LINEAR), np.uint8))


def _jpeg(image: Image.Image, quality: int = 90) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return content.getvalue()


def main() -> int:
    """Make the folder that the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder to make; planted.json is written beside it")
    parser.add_argument("--count", type=int, default=250_000, help="files in it")
    parser.add_argument("--side", type=int, default=48, help="of a picture, in pixels")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.folder.exists():
        print(f"{given.folder}: exists already; choose another one", file=sys.stderr)
        return 2
    free, needed = shutil.disk_usage(given.folder.absolute().parent).free, given.count * 8192
    if free < needed:
        print(f"{given.folder}: {needed:,} bytes are needed, {free:,} are free; choose another disk", file=sys.stderr)
        return 2
    print(to_json(make_pictures(given.folder, given.count, given.side, given.seed)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
