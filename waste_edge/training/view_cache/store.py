"""A stock on disk: one array of views, and beside it whose they are."""

from __future__ import annotations

import fcntl
import hashlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.errors import RunError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import Strict, read_json, to_json
from waste_edge.training.view_cache.view_maker import ViewMaker, ViewSource

VIEWS_NAME, INDEX_NAME, _LOCK_NAME = "views.npy", "index.json", ".lock"
Progress = Callable[[int, int], None]
_VERSION = 2  # of how views are made, region and crop too; another one makes other views of the same pictures


class StockIndex(Strict, frozen=True):
    """`index.json`: written last, so that its presence means a whole stock.

    Attributes:
        key: tells this stock from one of other pictures or another [stock] part.
        first: number of each subject's first view, and at the end how many views there are.
        labels: of each subject; -1 where there is none.
        names: of each subject, for messages.
    """

    key: str
    first: list[int]
    labels: list[int]
    names: list[str]


@dataclass(frozen=True, eq=False)
class ViewCache:
    """Views, uint8 (N, side, side, 3), read from disk as they are needed, and whose they are."""

    views: NDArray[np.uint8]
    index: StockIndex


def open_stock(
    folder: Path, maker: ViewMaker, subjects: Sequence[ViewSource], processes: int, progress: Progress
) -> ViewCache:
    """The stock in `folder`, made if it is not there, or of other pictures.

    Args:
        folder: may be shared by all trainings on the same pictures.
        maker: makes the views.
        subjects: what of, in their order.
        processes: how many make them.
        progress: told subjects done and in all.

    Raises:
        PictureError: one cannot be read.
        RunError: the folder holds something else.
    """
    key = _key(maker, subjects)
    kept = _index(folder)
    if kept is None or kept.key != key:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK_NAME).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of two trainings that begin together one makes the views
            kept = _index(folder)
            if kept is None or kept.key != key:
                _make(folder, maker, subjects, key, processes, progress)
                kept = _index(folder)
    assert kept is not None
    views = np.load(folder / VIEWS_NAME, mmap_mode="r", allow_pickle=False)
    side = maker.spec.side_px
    if views.shape != (kept.first[-1], side, side, 3) or views.dtype != np.uint8:
        raise RunError(f"{folder / VIEWS_NAME}: damaged ({views.shape} of {views.dtype}); remove {folder}")
    return ViewCache(views, kept)


def _index(folder: Path) -> StockIndex | None:
    path = folder / INDEX_NAME
    return read_json(path, StockIndex) if path.is_file() else None


def _make(
    folder: Path, maker: ViewMaker, subjects: Sequence[ViewSource], key: str, processes: int, progress: Progress
) -> None:
    (folder / INDEX_NAME).unlink(missing_ok=True)
    first = [0, *accumulate(maker.count(subject) for subject in subjects)]
    side = maker.spec.side_px
    path = folder / VIEWS_NAME
    np.lib.format.open_memmap(path, "w+", np.uint8, (first[-1], side, side, 3)).flush()
    work = partial(_write_views, path, maker)
    places = list(zip(first[:-1], subjects, strict=True))
    for done, _ in enumerate(_all_done(work, places, processes), start=1):
        progress(done, len(subjects))
    names = [subject.photo.key if subject.photo else f"drawn {subject.number}" for subject in subjects]
    index = StockIndex(key=key, first=first, labels=[one.label for one in subjects], names=names)
    write_atomically(folder / INDEX_NAME, to_json(index))


def _all_done(
    work: Callable[[tuple[int, ViewSource]], None], places: Sequence[tuple[int, ViewSource]], processes: int
) -> Iterator[None]:
    """Do all the work, in this process alone or in several."""
    if processes <= 1:
        yield from map(work, places)
        return
    # Not forked: torch's and OpenCV's threads do not survive it.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, places, chunksize=8)


def _write_views(path: Path, maker: ViewMaker, place: tuple[int, ViewSource]) -> None:
    """A subject's views, written where they belong; other processes write elsewhere in the same file."""
    views = np.load(path, mmap_mode="r+", allow_pickle=False)
    first, subject = place
    for offset, view in enumerate(maker.views(subject)):
        views[first + offset] = view


def _key(maker: ViewMaker, subjects: Sequence[ViewSource]) -> str:
    """Hash everything that decides a stock's views; how they are drawn from in an epoch does not."""
    spec = msgspec.structs.replace(maker.spec, per_epoch=0, strange_share=0.0, balance=0.0)
    total = hashlib.sha256(f"{_VERSION}\0{to_json(spec)}".encode())
    for path in maker.grounds:
        total.update(f"ground\0{path.name}\0{path.stat().st_size}\n".encode())
    for one in subjects:
        content = one.photo.sha256() if one.photo else ""
        total.update(f"{one.number}\0{one.label}\0{content}\n".encode())
    return total.hexdigest()
