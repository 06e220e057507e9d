"""`waste-edge support`: one zip for a bug report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from waste_edge.cli.common import JsonOption, console, say, say_json


def command(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="ZIP", help="The zip to write; else waste-edge-support-TIME.zip in this folder."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="TOML", help="The station.toml; else the service's."),
    ] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="NAME", help="One of several stations on this board.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="The station's folder; else as configured, or the service's."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="Take the log from a file, not from the service's journal."),
    ] = None,
    bench: Annotated[
        bool, typer.Option(" /--no-bench", help="Leave out the measurement of speed.", show_default=False)
    ] = True,
    pictures: Annotated[
        bool,
        typer.Option(
            "--with-pictures", help="Take along the newest collected crops, at most 20 and 8 MiB. Else no picture."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Collect what a bug report needs into one zip, with secrets removed.

    The zip holds versions, the doctor's lines, station.toml and site.toml, the
    service's unit and the end of its log, the last health, names and sizes of
    the files in the station's folder, and a quick measurement of speed. Each is
    listed. It is written whole or not at all, for your user alone.

    Removed are the contents of files and variables that station.toml names as
    secrets, passwords in addresses, values whose names speak of a secret, tokens
    and keys by their form, the path of a webhook and the topic of \\[push]. Look
    through the zip before you send it all the same.

    As in doctor, a webhook and the phones of \\[push] are sent one test message.
    With sudo it can read the service's configuration and log.

    \b
    Examples:
      sudo waste-edge support
      waste-edge support --config my_station.toml --state station/ --no-bench
      waste-edge support --log station.log --with-pictures --out report.zip

    Exit code 0: written. 2: it cannot be written there.
    """
    from datetime import datetime

    from waste_edge.device.service.instances import Instance
    from waste_edge.device.service.unit import Places
    from waste_edge.device.support.archive import check_place, default_name, lines_of, write_report
    from waste_edge.device.support.gather import Gatherer, Wish
    from waste_edge.errors import UserError

    target = out or Path(default_name(datetime.now()))
    check_place(target)
    for option, path in (("--config", config), ("--log", log)):
        if path is not None and not path.is_file():
            raise UserError(f"{option} {path}: no such file; check the path")
    screen = console(stderr=True)
    with screen.status("gathering …") as status:
        wish = Wish(config, state, log, bench, pictures)
        places = Places(instance=Instance(instance or ""))
        gatherer = Gatherer(wish, os.environ, places=places, tell=lambda part: status.update(f"gathering {part} …"))
        parts = gatherer.parts()
    size_bytes = write_report(target, parts, gatherer.redactor)
    if json:
        from waste_edge.files.strict import to_json

        rows = [{"name": part.name, "bytes": len(part.content), "about": part.about} for part in parts]
        removed = gatherer.redactor.count
        say_json(to_json({"path": str(target), "bytes": size_bytes, "secrets_removed": removed, "parts": rows}))
        return
    say("\n".join(gatherer.redactor.text(line) for line in lines_of(parts)))
    say(f"{target}: {size_bytes:,} bytes, secrets removed in {gatherer.redactor.count} places; look through it first")
