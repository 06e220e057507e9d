"""`waste-edge service`: the loop under systemd, from boot on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import JsonOption, say, say_json

if TYPE_CHECKING:
    from waste_edge.device.service.steps import Step

app = typer.Typer(
    help="Install and manage the station as a systemd service.", no_args_is_help=True, add_completion=False
)

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the steps without doing them. Needs no root.")]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Follow new lines; Ctrl-C ends.")]
InstanceOption = Annotated[
    str | None,
    typer.Option("--instance", metavar="NAME", help="One of several stations on this board, e.g. left."),
]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Start of the log, e.g. -1h, today, '2026-05-01 08:00'.")
]


@app.command()
def install(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="TOML", help="Begin with this station.toml in place of the shipped one."),
    ] = None,
    instance: InstanceOption = None,
    camera: Annotated[
        str | None,
        typer.Option("--camera", metavar="ID", help="Camera that a new station.toml names, e.g. /dev/video2."),
    ] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Install the service and start it, now and at every boot; needs root.

    Writes the unit and, unless there is one, /etc/waste-edge/station.toml.

    Installing again renews the unit and leaves the configuration as it is.

    Several bins on one board: --instance installs waste-edge@NAME.service with
    /etc/waste-edge/NAME/station.toml and /var/lib/waste-edge-NAME, beside others.

    Example: [bold]sudo /opt/waste-edge/current/bin/waste-edge service install[/]
    Example: [bold]sudo waste-edge service install --instance left --camera /dev/video2[/]
    """
    import dataclasses

    from waste_edge.device.service import unit
    from waste_edge.device.service.instances import Instance

    places = dataclasses.replace(unit.Places(), instance=Instance(instance or ""), camera=camera)
    if config is not None:
        from waste_edge.device.config import read_config

        read_config(config)
        places = dataclasses.replace(places, template=config)
    if dry_run:
        _print_steps(unit.install_steps(places))
        unit.check(places)  # last, so that the steps are seen in any case
        return
    unit.install(places, tell=say)
    say(f"{places.instance.unit} runs, now and at every boot; see how with: waste-edge service status")


@app.command()
def status(instance: InstanceOption = None, as_json: JsonOption = False) -> None:
    """Show the state of the service and the next step.

    All stations of this board, unless one is named; --json prints one object a
    line.

    Exit code 1 if one does not run.

    Example: [bold]waste-edge service status[/]
    """
    import dataclasses

    import msgspec

    from waste_edge.device.clock import SystemClock
    from waste_edge.device.service.instances import chosen_instances
    from waste_edge.device.service.status import lines, read_status

    stations = [read_status(SystemClock().now_ns(), one) for one in chosen_instances(instance)]
    for found in stations:
        if as_json:
            say_json(msgspec.json.encode({**dataclasses.asdict(found), "remedy": found.remedy}).decode())
        else:
            say("\n".join(lines(found)))
    if not all(found.active for found in stations):
        raise typer.Exit(1)


@app.command()
def logs(instance: InstanceOption = None, follow: FollowOption = False, since: SinceOption = None) -> None:
    """Show the service's journal: the last 100 lines, or all since a time.

    Of all stations of this board, unless one is named.

    Example: [bold]waste-edge service logs --follow[/]
    """
    import os

    from waste_edge.device.service.instances import chosen_instances
    from waste_edge.device.service.status import log_command
    from waste_edge.errors import UserError

    command = log_command(follow, since, units=[one.unit for one in chosen_instances(instance)])
    try:
        os.execvp(command[0], command)
    except FileNotFoundError as error:
        raise UserError(f"{command[0]}: not on this machine; the service's log is systemd's journal") from error


@app.command()
def update(
    wheels: Annotated[
        Path | None,
        typer.Option("--wheels", metavar="DIR", help="Folder that device/gather_wheels.sh made; needs no network."),
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="With --wheels: download what the folder lacks.")] = False,
    version: Annotated[
        str, typer.Option("--version", metavar="X", help="Version to install from pip's package index.")
    ] = "",
    hashes: Annotated[
        Path | None,
        typer.Option(
            "--hashes",
            metavar="FILE",
            help="With --version: a requirements file of pip's with a hash for each package.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Update the service to another version; needs root.

    Rolls back if the new version is not ready within 120 s.

    The new version is installed beside the old one, which keeps running
    meanwhile; then the service is started from it. Settings and data stay as they
    are. The old version is kept until the next update. Wheels are checked against
    the folder's SHA256SUMS; where the station requires a key, that list must be
    signed with it (SHA256SUMS.sig).

    Example: [bold]sudo waste-edge service update --wheels /media/stick/wheels[/]
    """
    from waste_edge.device.service import unit
    from waste_edge.device.service.environments import Environments, Source
    from waste_edge.device.service.update import plan
    from waste_edge.device.service.update import update as update_service

    source, environments = Source(wheels, version, online, hashes), Environments()
    if dry_run:
        say("\n".join(plan(source, environments)))
    elif update_service(source, unit.Places(), environments, tell=say):
        say("the service runs the new version; the one before is kept until the next update")
    else:
        say(f"{environments.link}: made from this very source; nothing was to be done")


@app.command()
def uninstall(instance: InstanceOption = None, dry_run: DryRunOption = False) -> None:
    """Stop the service and remove the unit; settings and data stay. Needs root.

    Example: [bold]sudo /opt/waste-edge/current/bin/waste-edge service uninstall[/]
    """
    import dataclasses

    from waste_edge.device.service import unit
    from waste_edge.device.service.instances import Instance

    places = dataclasses.replace(unit.Places(), instance=Instance(instance or ""))
    if dry_run:
        _print_steps(unit.uninstall_steps(places))
        return
    unit.uninstall(places, tell=say)
    say(f"{places.config}, {places.instance.state()} and the user waste-edge stay")


def _print_steps(steps: Sequence[Step]) -> None:
    for step in steps:
        say(step.title)
        if step.content:
            say(step.content)
