"""From data cards to folders of photographs, and from such folders to one file of sources."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from waste_edge.dataset import Domains, group_near_duplicates, open_dataset, open_domains
from waste_edge.dataset.domains import COLUMNS
from waste_edge.dataset.folders import class_folders
from waste_edge.dataset.looking import cores
from waste_edge.errors import ConfigError, DataError, UserError
from waste_edge.files.atomic import folder_in_one_piece, sha256_of, write_atomically
from waste_edge.files.strict import Strict, read_json, to_json
from waste_edge.training.data.cards import DataCard, read_card
from waste_edge.training.data.download import DownloadProgress, download
from waste_edge.training.data.unpack import BadArchiveError, unpack

SOURCE_NAME = "SOURCE.json"


class Source(Strict, frozen=True):
    """`SOURCE.json` in a fetched folder: what it is, whose, and under which licence.

    Attributes:
        sha256: the archive's.
        checked: whether the card knew that sum beforehand.
    """

    card: str
    title: str
    citation: str
    homepage: str
    licence: str
    sha256: str
    checked: bool
    files: int
    labels: list[str]
    fetched: str


def fetch(
    card: DataCard,
    out: Path,
    archive: Path | None,
    downloading: DownloadProgress,
    unpacking: Callable[[int], None],
) -> Source:
    """Make `out`: the card's photographs, and a SOURCE.json beside the class folders.

    Args:
        card: what to fetch.
        out: the folder to be made; the archive lies beside it until it has been unpacked.
        archive: one fetched by hand, which is left where it is; if None, it is downloaded.
        downloading: told bytes there and bytes to come.
        unpacking: told files written.

    Raises:
        UserError: there is something at `out`, the card's data must be fetched by hand, or it could not be had.
        DataError: the archive is not what the card says.
    """
    with folder_in_one_piece(out) as folder:  # first, since it refuses a folder that is in use
        if archive is None:
            given, found = _downloaded(card, out, downloading)
        else:
            given, found = archive, _checked_sum(card, archive)
        try:
            files = unpack(given, card.folders, folder, unpacking)
            _check_labels(card, given, folder)
        except BadArchiveError as error:
            if archive is not None or card.sha256 is not None:
                raise
            given.unlink()  # else each later call would take it for the download it once was
            raise BadArchiveError(f"{error}; what came was removed") from error
        source = Source(
            card=card.name,
            title=card.title,
            citation=card.citation,
            homepage=card.homepage,
            licence=card.licence,
            sha256=found,
            checked=card.sha256 is not None,
            files=files,
            labels=card.labels,
            fetched=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_atomically(folder / SOURCE_NAME, to_json(source))
    if archive is None:
        given.unlink()
    return source


def _downloaded(card: DataCard, out: Path, progress: DownloadProgress) -> tuple[Path, str]:
    """The archive beside `out`, and its sum; one that an earlier call could not unpack is not fetched again."""
    if not card.addresses:
        raise UserError(
            f"data card {card.name}: must be fetched by hand: {card.login}; then: "
            f"waste-edge data fetch {card.name} --archive FILE --out {out}"
        )
    path = out.with_name(f"{out.name}.archive")
    if path.is_file():
        with contextlib.suppress(DataError):  # damaged since it came
            return path, _checked_sum(card, path)
        path.unlink()
    return path, download(card.addresses, path, card.sha256, progress)


def _checked_sum(card: DataCard, archive: Path) -> str:
    if not archive.is_file():
        raise DataError(f"{archive}: no such archive; check --archive")
    found = sha256_of(archive)
    if card.sha256 is not None and found != card.sha256:
        raise DataError(
            f"{archive}: has the SHA-256 {found}, the card {card.name} expects {card.sha256}: damaged or another file; "
            "remove it and get it again"
        )
    return found


def _check_labels(card: DataCard, archive: Path, folder: Path) -> None:
    """Raise DataError unless the class folders are the card's labels."""
    depths = {len(Path(goal).parts) for goal in card.folders.values()}
    level = "*/*/" if depths == {2} else "*/"  # train/organic, or organic
    found = sorted({path.name for path in folder.glob(level)})
    if found != card.labels:
        raise DataError(
            f"{archive}: has the class folders {', '.join(found) or 'none'}, the card {card.name} says "
            f"{', '.join(card.labels)}; its layout has changed, or it is another archive"
        )


def write_domains(
    folders: Sequence[Path], out: Path, taxonomy: str | None, progress: Callable[[int, int], None] | None = None
) -> Domains:
    """Write a domains file of folders that `data fetch` made, or that hold one folder of pictures a label.

    A folder without a SOURCE.json is a source of its own name without a licence: it measures, and teaches nothing.
    Near-copies within a folder share a group.

    Args:
        folders: at least one; their names tell groups apart.
        out: the CSV file; pictures are named relative to its folder.
        taxonomy: call labels as its card's map to this taxonomy does; those of a card without such a map stay.
        progress: told pictures looked at and in all, folder by folder.

    Raises:
        DataError: two folders of one source, or what `open_dataset` objects to.
        ConfigError: a SOURCE.json is damaged.
        UserError: `out` cannot be written.
    """
    text, seen = io.StringIO(), set[str]()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for folder in folders:
        source, title, licence, renamed = _origin(folder, taxonomy)
        if source in seen:
            raise DataError(f"{folder}: its source {source} was given already; give each folder once")
        seen.add(source)
        dataset = group_near_duplicates(open_dataset(folder, _labels_in(folder)), progress, cores())
        for photo in dataset.photos:
            if photo.path is None:
                raise DataError(f"{folder}: holds texts without pictures; a domains file is of pictures")
            file = Path(os.path.relpath(photo.path, out.parent.resolve())).as_posix()
            label = renamed.get(photo.label, photo.label)
            writer.writerow([file, label, source, title, licence, f"{source}:{photo.group}"])
    write_atomically(out, text.getvalue())
    return open_domains(out)


def _labels_in(folder: Path) -> list[str]:
    """List the class folders' names; one is enough, since nothing is to be told apart by a source alone."""
    root = folder / "images" if (folder / "images").is_dir() else folder
    return sorted({one.label for one in class_folders(root)})


def _origin(folder: Path, taxonomy: str | None) -> tuple[str, str, str, dict[str, str]]:
    """Source, title, licence, and what labels are called instead."""
    if not (folder / SOURCE_NAME).is_file():
        return folder.resolve().name, "", "", {}
    origin = read_json(folder / SOURCE_NAME, Source)
    try:
        maps = read_card(origin.card).maps
    except ConfigError:  # a card of somebody's own, which is not at hand
        maps = {}
    return origin.card, f"{origin.title} ({origin.homepage})", origin.licence, maps.get(taxonomy or "", {})
