"""`waste-edge service`: the loop under systemd, from boot on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

app = typer.Typer(
    help="Run `waste-edge run --camera` from boot on, under systemd.", no_args_is_help=True, add_completion=False
)

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")]


@app.command()
def install(dry_run: DryRunOption = False) -> None:
    """Write the unit, start it now and at every boot. Needs root.

    Example: [bold]sudo /opt/waste-edge/bin/waste-edge service install[/]
    """
    from waste_edge.device import service

    if dry_run:
        typer.echo(f"# {service.UNIT_PATH}\n{service.render_unit(service.this_executable())}")
        _print_commands(*service.INSTALL_COMMANDS)
        return
    service.install()
    typer.echo(f"{service.UNIT} runs, now and after every start; see it with: journalctl -u waste-edge -f")


@app.command()
def uninstall(dry_run: DryRunOption = False) -> None:
    """Stop the service and remove the unit. Needs root.

    Example: [bold]sudo /opt/waste-edge/bin/waste-edge service uninstall[/]
    """
    from waste_edge.device import service

    if dry_run:
        _print_commands(*service.STOP_COMMANDS, ("rm", str(service.UNIT_PATH)), *service.RELOAD_COMMANDS)
        return
    service.uninstall()
    typer.echo(f"{service.UNIT} is stopped and removed")


def _print_commands(*commands: Sequence[str]) -> None:
    for command in commands:
        typer.echo(f"$ {' '.join(command)}")
