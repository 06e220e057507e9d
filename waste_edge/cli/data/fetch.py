"""`waste-edge data fetch`: a data card becomes a folder of photographs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import JsonOption, console, say_json

if TYPE_CHECKING:
    from waste_edge.training.data.fetch import Source


def command(
    card: Annotated[str, typer.Argument(metavar="CARD", help="A data card: a .toml file, or a shipped name.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to create; default: data/CARD.")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option("--archive", metavar="FILE", help="Archive downloaded by hand, checked and unpacked likewise."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Download a data set and unpack it into folders that train reads.

    An interrupted download continues, in this call or the next. The archive's
    SHA-256 is compared with the card's, or printed where the card has none. Only
    plain files of the card's folders are unpacked. For sources that need a login
    the file to download by hand is named; continue with --archive.

    \b
    Examples:
      waste-edge data fetch trashnet
      waste-edge data fetch organic_recyclable --archive archive.zip --out photos

    Exit code 2: it could not be downloaded; stderr says why.
    """
    from waste_edge.files.strict import to_json
    from waste_edge.training.data.cards import read_card
    from waste_edge.training.data.fetch import fetch

    read = read_card(card)
    folder = out or Path("data") / read.name
    with _fetch_bar() as (downloading, unpacking):
        source = fetch(read, folder, archive, downloading, unpacking)
    if json:
        say_json(to_json({"folder": str(folder), "source": source}))
    else:
        _print_source(source, folder)


@contextlib.contextmanager
def _fetch_bar() -> Iterator[tuple[Callable[[int, int | None], None], Callable[[int], None]]]:
    """Bytes with speed and time left, then the files written, on stderr if that is a
    terminal.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    screen = console(stderr=True)
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("fetching", total=None)
        yield (
            lambda done, total: bar.update(task, completed=done, total=total),
            lambda files: bar.update(task, description=f"unpacking, {files:,} files"),
        )


def _print_source(source: Source, folder: Path) -> None:
    screen = console()
    agreed = "as the card says" if source.checked else "the card knows none: compare it with somebody else's"
    for line in (
        f"{folder}: {source.files:,} files of {len(source.labels)} labels ({', '.join(source.labels)})",
        f"SHA-256 of the archive {source.sha256}, {agreed}",
        f"licence: {source.licence}",
        f"cite: {source.citation}",
        f"next: waste-edge data check {folder}",
    ):
        screen.print(line, markup=False, soft_wrap=True)
