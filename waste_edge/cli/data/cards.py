"""`waste-edge data cards`: which data sets the project knows, and what their labels mean elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import JsonOption, console, say_json

if TYPE_CHECKING:
    from waste_edge.training.data.cards import DataCard


def command(
    card: Annotated[
        str | None, typer.Argument(metavar="[CARD]", help="Card to show, with its label maps as a recipe takes them.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the data cards, or show one.

    A card has the licence, the labels, and their names in other taxonomies.

    \b
    Examples:
      waste-edge data cards
      waste-edge data cards trashnet
    """
    from waste_edge.files.strict import to_json
    from waste_edge.training.data.cards import as_builtins, read_card, shipped_cards

    chosen = [read_card(card)] if card else [read_card(str(path)) for path in shipped_cards()]
    if json:
        values = [as_builtins(one) for one in chosen]
        say_json(to_json(values[0] if card else values))
    elif card:
        _print_card(chosen[0])
    else:
        _print_cards(chosen)


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
