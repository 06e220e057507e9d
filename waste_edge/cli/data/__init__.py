"""`waste-edge data`: photographs before anything is trained on them."""

from __future__ import annotations

import typer

from waste_edge.cli.data import cards, check, domains, fetch, pack, split

app = typer.Typer(
    help="Prepare training data: download, check, split and pack photographs and texts.",
    no_args_is_help=True,
    add_completion=False,
)
app.command("cards")(cards.command)
app.command("fetch")(fetch.command)
app.command("check")(check.command)
app.command("split")(split.command)
app.command("domains")(domains.command)
app.command("pack")(pack.command)
