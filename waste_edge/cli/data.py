"""`waste-edge data`: labelled pictures, before anything is trained on them."""

from __future__ import annotations

import typer

from waste_edge.cli import data_split

app = typer.Typer(
    help="Prepare labelled pictures or texts before training.", no_args_is_help=True, add_completion=False
)


@app.callback()
def _group() -> None:
    """Keep `split` a word of its own, although it is the only one so far."""


app.command("split")(data_split.command)
