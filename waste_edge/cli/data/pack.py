"""`waste-edge data pack`: what a training reads, in one small folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from waste_edge.cli.common import DataOption, JsonOption, host_only, progress_bar


def command(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="The folder to make.", show_default=False)],
    domains: Annotated[
        Path | None,
        typer.Option(
            "--domains", metavar="CSV", help="Pictures of other sources; those that may be trained on are packed."
        ),
    ] = None,
    side: Annotated[
        int,
        typer.Option("--side", metavar="PX", min=32, max=1024, help="Longest short side of these pictures, in pixels."),
    ] = 224,
    quality: Annotated[int, typer.Option("--quality", min=1, max=95, help="JPEG quality of these pictures.")] = 85,
    as_json: JsonOption = False,
) -> None:
    """Pack a training's data into one folder, to copy it to another machine.

    Photographs of --data are copied as they are; pictures of other sources are
    reduced and compressed again. Pictures that may not be used for training are
    left out.

    \b
    Example:
      waste-edge data pack --data photos --domains domains.csv --out packed
      waste-edge train teacher --data packed/data --out runs/teacher

    Then --domains packed/domains.csv gives training the other sources, too.
    """
    with host_only("data pack"):
        from waste_edge.training.data.pack import pack
    with progress_bar("packing") as progress:
        packed = pack(data, domains, out, side, quality, progress)
    if as_json:
        from waste_edge.files.strict import to_json

        facts = {"pictures": packed.pictures, "of_sources": packed.of_sources, "bytes": packed.bytes}
        typer.echo(to_json(facts), nl=False)
        return
    sources = ", ".join(f"{source} {count}" for source, count in packed.of_sources.items())
    typer.echo(f"{out}: {packed.pictures} pictures, {packed.bytes / 2**20:.1f} MiB{f'; {sources}' if sources else ''}")
