"""`waste-edge doctor`: is this board fit to be a station?"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import DEFAULT_BUNDLE, BundleOption, JsonOption, RequireKeyOption, console, opened_bundle

if TYPE_CHECKING:
    from waste_edge.device.doctor import Examination

_COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}
_VERDICTS = {
    "ok": "This board is fit to be a station.",
    "warn": "This board can be a station; look at the warnings.",
    "bad": "This board is not fit to be a station yet; mend what is bad.",
}


def command(
    camera: Annotated[
        str | None,
        typer.Option("--camera", metavar="ID", help="The camera that must be there, as in run; else any is tried."),
    ] = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="The station's folder; else the service's, /var/lib/waste-edge."),
    ] = None,
    require_key: RequireKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Examine this board: is it fit to be a station, and if not, what is to be done?

    A line each for camera and picamera2, permissions, Python and its libraries,
    64 bits, INT8 instructions, power, temperature, memory, disk, clock, service,
    and each engine: its version, its speed on the bundle and whether its answers
    are right. A line is

    \b
      ok    well, or the machine does not tell
      warn  works, but look at it: the line says what to do
      bad   the station cannot work, or will not keep what it sees

    Nothing is changed and nothing is written. It takes a few seconds; a camera
    that hangs costs eight.

    \b
    Examples:
      waste-edge doctor
      waste-edge doctor --camera picamera:0       bad if this one gives no frame
      waste-edge doctor --json | jq .level

    Exit code 0: nothing is bad, warnings or not. 2: something is.
    """
    from waste_edge.device.clock import SystemClock
    from waste_edge.device.doctor import Setting, all_checks, examine
    from waste_edge.strict import to_json

    screen = console(stderr=True)
    setting = Setting(partial(opened_bundle, bundle, require_key), camera, state)
    with screen.status("examining …"):
        examination = examine(all_checks(setting), SystemClock())
    if json:
        typer.echo(to_json(examination), nl=False)
    else:
        _print(examination)
    raise typer.Exit(2 if examination.level == "bad" else 0)


def _print(examination: Examination) -> None:
    from rich.table import Table
    from rich.text import Text

    from waste_edge.device.condition import Level

    screen = console()
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for condition in examination.conditions:
        level = Text(condition.level, style=_COLOURS[condition.level])
        table.add_row(level, condition.part, Text(condition.text))
        if not screen.is_terminal:  # a line each, for grep
            typer.echo(f"{condition.level:4}  {condition.part:14}  {condition.text}")
    if screen.is_terminal:
        screen.print(table)
    counts = ", ".join(f"{examination.count(level)} {level}" for level in Level)
    screen.print(
        f"[{_COLOURS[examination.level]}]{_VERDICTS[examination.level]}[/] ({counts}; {examination.seconds:.1f} s)",
        soft_wrap=True,
    )
