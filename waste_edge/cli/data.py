"""`waste-edge data`: photographs before anything is trained on them."""

from __future__ import annotations

import typer

from waste_edge.cli import data_cards, data_check, data_fetch, data_pack, data_split

app = typer.Typer(
    help="Photographs and texts before training: get them, see whether they are fit for it, split them.",
    no_args_is_help=True,
    add_completion=False,
)
app.command("cards")(data_cards.command)
app.command("fetch")(data_fetch.command)
app.command("check")(data_check.command)
app.command("split")(data_split.command)
app.command("pack")(data_pack.command)
