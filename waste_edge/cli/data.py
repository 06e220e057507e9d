"""`waste-edge data`: photographs before training: where to get them, and are they fit for it?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli import data_check
from waste_edge.cli.common import JsonOption, console

if TYPE_CHECKING:
    from waste_edge.training.data.cards import DataCard
    from waste_edge.training.data.fetch import Source

app = typer.Typer(
    help="Photographs before training: get them, and see whether they are fit for it.",
    no_args_is_help=True,
    add_completion=False,
)
app.command("check")(data_check.command)

CardArgument = Annotated[str, typer.Argument(metavar="CARD", help="A data card: a .toml file, or a shipped name.")]


@app.command()
def cards(
    card: Annotated[
        str | None, typer.Argument(metavar="[CARD]", help="One of them, with its maps as a recipe takes them.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the data cards, or tell all of one: licence, labels, and what they
    are called in other taxonomies.

    \b
    Examples:
      waste-edge data cards
      waste-edge data cards trashnet
    """
    from waste_edge.strict import to_json
    from waste_edge.training.data.cards import as_builtins, read_card, shipped_cards

    chosen = [read_card(card)] if card else [read_card(str(path)) for path in shipped_cards()]
    if json:
        values = [as_builtins(one) for one in chosen]
        typer.echo(to_json(values[0] if card else values), nl=False)
    elif card:
        _print_card(chosen[0])
    else:
        _print_cards(chosen)


@app.command()
def fetch(
    card: CardArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder to be made; data/CARD if not given.")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option("--archive", metavar="FILE", help="An archive fetched by hand, checked and unpacked likewise."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Download a data set and unpack it as folders that train takes.

    A broken download goes on where it stopped, in this call or the next. The
    archive's SHA-256 is held against the card's, or told where the card knows
    none. Nothing is unpacked but plain files of the card's folders. What needs a
    login says what to download by hand; go on with --archive.

    \b
    Examples:
      waste-edge data fetch trashnet
      waste-edge data fetch organic_recyclable --archive archive.zip --out photos

    Exit code 2: it could not be had, and why.
    """
    from waste_edge.strict import to_json
    from waste_edge.training.data.cards import read_card
    from waste_edge.training.data.fetch import fetch as fetch_card

    read = read_card(card)
    folder = out or Path("data") / read.name
    with _fetch_bar() as (downloading, unpacking):
        source = fetch_card(read, folder, archive, downloading, unpacking)
    if json:
        typer.echo(to_json({"folder": str(folder), "source": source}), nl=False)
    else:
        _print_source(source, folder)


@contextlib.contextmanager
def _fetch_bar() -> Iterator[tuple[Callable[[int, int | None], None], Callable[[int], None]]]:
    """Bytes with speed and time left, then the files written, on stderr if that is a terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    screen = console(stderr=True)
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("fetching", total=None)
        yield (
            lambda done, total: bar.update(task, completed=done, total=total),
            lambda files: bar.update(task, description=f"unpacking, {files:,} files"),
        )


def _print_cards(chosen: list[DataCard]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="data cards", title_justify="left", title_style="bold")
    for heading in ("card", "what it is", "labels", "got by"):
        table.add_column(heading, overflow="fold")
    for card in chosen:
        labels = ", ".join(card.labels)
        table.add_row(card.name, escape(card.title), escape(labels), "download" if card.addresses else "hand")
    console().print(table)


def _print_card(card: DataCard) -> None:
    screen = console()
    lines = [
        f"{card.name}: {card.title}",
        f"by       {card.citation}",
        f"page     {card.homepage}",
        f"licence  {card.licence}",
        f"labels   {', '.join(card.labels)}" + (f" (taxonomy {card.taxonomy})" if card.taxonomy else ""),
        f"fetch    {', '.join(card.addresses) or card.login}",
        f"sha256   {card.sha256 or 'not known; fetch tells what it got'}",
        *(f"note     {note}" for note in card.notes),
    ]
    for name in card.maps:
        lines += ["", f"# in a recipe, to train on {name} with these data:", "[labels.merge]"]
        for target, labels in card.merge(name).items():
            words = ", ".join(f'"{label}"' for label in labels)
            lines.append(f'"{target}" = [{words}]')
    for line in lines:
        screen.print(line, markup=False, soft_wrap=True)


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
