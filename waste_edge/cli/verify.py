"""`waste-edge verify`: does a bundle still do on this machine what it did where it was exported?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import AllowOlderOption, JsonOption, RequireKeyOption, console, opened_bundle, say_json

if TYPE_CHECKING:
    from waste_edge.engines.verify import Replay, Verification

_COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}


def command(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder, a .zip, or the name of a shipped bundle.")],
    require_key: RequireKeyOption = None,
    allow_older: AllowOlderOption = False,
    json: JsonOption = False,
) -> None:
    """Verify a bundle: checksums, then its golden outputs on every installed engine.

    A bundle that this machine has not verified before runs in a process of its
    own first, with limits on memory and time.

    Each artifact must reproduce the logits and features recorded at export,
    within the manifest's tolerance. Exit code 2 if a file is damaged, an artifact
    differs, no artifact could be run, or the signature is not the required key's.

    Example: [bold]waste-edge verify small[/]
    """
    from waste_edge.engines.trial import trial
    from waste_edge.engines.verify import Verification
    from waste_edge.errors import UserError
    from waste_edge.files.strict import to_json

    try:
        with opened_bundle(bundle, require_key, allow_older) as opened:
            result = trial.verify(opened)
    except UserError as error:
        if json:  # whoever reads it learns why there is no result
            say_json(to_json(Verification(bundle=bundle, error=str(error))))
        raise
    if json:
        say_json(to_json(result))
    else:
        _print(result)
    raise typer.Exit(0 if result.ok else 2)


def _print(result: Verification) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    screen = console()
    screen.print(f"{escape(result.name)} {escape(result.version)}: {result.files} files, checksums right")
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("artifact", "engine"):
        table.add_column(heading, no_wrap=True)
    for heading in ("labels", "logits off", "features off"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("status")
    for row in result.artifacts:
        table.add_row(*_cells(row), f"[{_COLOURS[row.status]}]{row.status}[/]")
    screen.print(table)
    for row in result.artifacts:
        if row.reason:
            screen.print(f"{row.artifact}: {row.reason}", markup=False, soft_wrap=True)
    if result.head_items:
        items = f"{result.head_items} item{'s' * (result.head_items > 1)}"
        screen.print(f"The station's head answers {items} of its own as it did there.", soft_wrap=True)
    screen.print(_verdict(result), soft_wrap=True)


def _cells(row: Replay) -> list[str]:
    if row.logits_difference is None or row.features_difference is None:
        return [row.artifact, row.engine, "", "", ""]
    return [
        row.artifact,
        row.engine,
        f"{row.labels_agreeing}/{row.pictures}",
        _compared(row.logits_difference, row.tolerance.logits),
        _compared(row.features_difference, row.tolerance.features),
    ]


def _compared(difference: float, allowed: float) -> str:
    return f"{difference:.1g} {'≤' if difference <= allowed else 'is not ≤'} {allowed:.2g}"


def _verdict(result: Verification) -> str:
    if result.ok:
        return "[green]This machine answers as the exporting one did.[/]"
    if any(row.status == "failed" for row in result.artifacts):
        return "[red]This machine does not answer as the exporting one did; do not rely on this bundle here.[/]"
    return "[red]Nothing was replayed: no artifact's engine is installed here.[/]"
