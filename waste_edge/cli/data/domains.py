"""`waste-edge data domains`: fetched folders become one file of sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from waste_edge.cli.common import JsonOption, host_only, progress_bar, say, say_json


def command(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="Folders of data fetch, or with one folder of pictures a label."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="CSV", help="File to write.", show_default=False)],
    taxonomy: Annotated[
        str | None,
        typer.Option("--taxonomy", help="Rename labels by the cards' maps to this taxonomy, e.g. six_materials."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write one CSV of pictures from several sources, for --domains.

    Each folder is a source, under its card's name and licence. A folder without a
    SOURCE.json has no licence, so it serves for measuring and is never trained
    on. Near-copies share a group.

    [dim]waste-edge data domains data/clothing_small data/my_bin --out elsewhere.csv[/]
    """
    with host_only("train"):
        from waste_edge.training.data.fetch import write_domains

        with progress_bar("looking for near-duplicates") as progress:
            domains = write_domains(folders, out, taxonomy, progress)
    teaching = domains.teaching().pictures_by_source()
    if as_json:
        from waste_edge.files.strict import to_json

        told = {"file": str(out), "pictures": domains.pictures_by_source(), "may_teach": teaching}
        say_json(to_json(told))
        return
    for source, count in domains.pictures_by_source().items():
        may = "may teach" if source in teaching else "for measuring only"
        say(f"{source}: {count} pictures, {may}")
    say(f"{out}: written")
