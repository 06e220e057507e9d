"""`waste-edge setup`: a station.toml, by questions in a terminal or by options."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import console, opened_bundle, say
from waste_edge.errors import UserError

if TYPE_CHECKING:
    from waste_edge.device.setup.questions import Machine
    from waste_edge.device.setup.write import Before, Plan

_ANSWERS, _STEPS = "Answers", "Steps"

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="TOML",
        help="The file to write; else /etc/waste-edge/station.toml for root, station.toml in this folder for others.",
    ),
]
InstanceOption = Annotated[
    str | None,
    typer.Option("--instance", metavar="NAME", help="One of several stations on this board, e.g. left."),
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="TEXT", help="The station's name, in every event.", rich_help_panel=_ANSWERS),
]
CameraOption = Annotated[
    str | None,
    typer.Option(
        "--camera", metavar="ID|URL", help="Camera as in run --camera, or a network address.", rich_help_panel=_ANSWERS
    ),
]
SiteOption = Annotated[
    str | None,
    typer.Option("--site", metavar="SITE", help="A shipped site, a site.toml, or none.", rich_help_panel=_ANSWERS),
]
StateOption = Annotated[
    str | None,
    typer.Option("--state", metavar="DIR", help="Folder for events; systemd gives one.", rich_help_panel=_ANSWERS),
]
BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker", metavar="HOST[:PORT]", help="MQTT broker, tried at once; or none.", rich_help_panel=_ANSWERS
    ),
]
UserOption = Annotated[
    str, typer.Option("--broker-user", metavar="NAME", help="User name at the broker.", rich_help_panel=_ANSWERS)
]
PasswordOption = Annotated[
    Path | None,
    typer.Option(
        "--broker-password-file", metavar="FILE", help="File that holds the password.", rich_help_panel=_ANSWERS
    ),
]
TlsOption = Annotated[
    bool | None,
    typer.Option("--broker-tls/--no-broker-tls", help="Encrypt the connection.", rich_help_panel=_ANSWERS),
]
PageOption = Annotated[
    str | None,
    typer.Option(
        "--page",
        metavar="off|local|network|HOST:PORT",
        help="Page in the browser, for this machine or the network; a token is made where one is needed.",
        rich_help_panel=_ANSWERS,
    ),
]
TokenOption = Annotated[
    Path | None,
    typer.Option("--page-token-file", metavar="FILE", help="File that holds the token.", rich_help_panel=_ANSWERS),
]
LightOption = Annotated[
    list[str] | None,
    typer.Option(
        "--light",
        metavar="STREAM=PIN",
        help="Light on a pin (BCM number), :low behind it for one that is on at 0 V; repeat it, or none.",
        rich_help_panel=_ANSWERS,
    ),
]
ButtonOption = Annotated[
    list[str] | None,
    typer.Option("--button", metavar="ANSWER=PIN", help="Button that answers; repeat it, or none.",
                 rich_help_panel=_ANSWERS),
]  # fmt: skip
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: what is not given stays as it is.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the difference and write nothing.")]
PicturesOption = Annotated[
    Path | None, typer.Option("--pictures", metavar="DIR", help="Keep the cameras' pictures in this folder.")
]
CheckOption = Annotated[
    bool,
    typer.Option(
        " /--no-broker-check",
        help="Do not try the broker that --broker names.",
        show_default=False,
        rich_help_panel=_STEPS,
    ),
]
CameraCheckOption = Annotated[
    bool,
    typer.Option(
        " /--no-camera-check",
        help="Take no picture of the camera that --camera names: it comes later.",
        show_default=False,
        rich_help_panel=_STEPS,
    ),
]
DoctorOption = Annotated[
    bool,
    typer.Option(" /--no-doctor", help="Leave the doctor out.", show_default=False, rich_help_panel=_STEPS),
]
ServiceOption = Annotated[
    bool | None,
    typer.Option(
        "--service/--no-service",
        help="Install the service, or reload the one that runs; needs root.",
        rich_help_panel=_STEPS,
    ),
]
CommissionOption = Annotated[
    bool | None,
    typer.Option(
        "--commission/--no-commission",
        help="Show the station its own items, before the service.",
        rich_help_panel=_STEPS,
    ),
]


def command(
    config: ConfigOption = None,
    instance: InstanceOption = None,
    name: NameOption = None,
    camera: CameraOption = None,
    site: SiteOption = None,
    state: StateOption = None,
    broker: BrokerOption = None,
    broker_user: UserOption = "",
    broker_password_file: PasswordOption = None,
    broker_tls: TlsOption = None,
    page: PageOption = None,
    page_token_file: TokenOption = None,
    lights: LightOption = None,
    buttons: ButtonOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    pictures: PicturesOption = None,
    broker_check: CheckOption = True,
    camera_check: CameraCheckOption = True,
    doctor: DoctorOption = True,
    commission: CommissionOption = None,
    service: ServiceOption = None,
) -> None:
    """Set up a station: ask what cannot be found out, and write station.toml.

    Asks for the name, the camera (a picture of each is shown in the terminal),
    the site, the broker (tried at once), the page and the pins; Enter keeps what
    stands there. Each answer may be an option, and is then not asked. The
    difference is shown before anything is written, and comments stay. Then the
    doctor examines the board; the station may be shown its own items, and the
    service installed.

    With --yes nothing is asked, and an answer that cannot be used, such as a
    camera that gives no picture, ends the command with nothing written. A
    password that is typed and a token that is made go into files beside
    station.toml, for root and the service alone.

    \b
    Examples:
      sudo waste-edge setup
      waste-edge setup --config my_station.toml --dry-run
      sudo waste-edge setup --yes --site four_bins --page network --service

    Exit code 0: set up, and the doctor found nothing bad. 1: not wanted after
    all. 2: an answer that cannot be used, or something is bad. 130: Ctrl-C.
    """
    from waste_edge.cli import setup_steps as steps
    from waste_edge.device.service.instances import Instance
    from waste_edge.device.service.unit import Places
    from waste_edge.device.setup.answers import Answers, Broker
    from waste_edge.device.setup.questions import Interview
    from waste_edge.device.setup.write import default_place, plan, read_before, write

    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("setup asks its questions in a terminal; give --yes, and the answers as options")
    if config is not None and instance is not None:
        raise UserError("--config and --instance: give one of them; an instance has a place of its own")
    places = Places(instance=Instance(instance or ""))
    target = config or (places.config if instance else default_place(places))
    if service and target != places.config:
        raise UserError(f"--service: the service reads {places.config}; leave --config out")
    if service and os.geteuid() != 0 and not dry_run:
        raise UserError("--service needs root; say it again with sudo")
    if broker is None and (broker_user or broker_password_file or broker_tls is not None):
        raise UserError("--broker-user, --broker-password-file and --broker-tls go with --broker HOST")
    secret = str(broker_password_file.resolve()) if broker_password_file else ""
    given = Answers(
        name=name,
        camera=camera,
        site=site,
        state=state,
        broker=None if broker is None else Broker(broker, broker_user, "", secret, broker_tls),
        page=page,
        page_token_file=str(page_token_file.resolve()) if page_token_file else "",
        lights=tuple(lights) if lights else None,
        buttons=tuple(buttons) if buttons else None,
    )
    before = read_before(target)
    with steps.opened_terminal(pictures) as terminal:
        interview = Interview(terminal, _machine(before, terminal.folder), before)
        interview.check(given, broker_check, camera_check)
        answers = given if yes else interview.complete(given)
    planned = plan(before, answers)
    if planned.is_empty:
        say(f"{target}: nothing to change")
    else:
        _print_difference(planned)
    if dry_run:
        return
    if not planned.is_empty:
        if not yes and not terminal.confirm(f"Write {target}?", default=True):
            say("nothing was written")
            raise typer.Exit(1)
        write(planned)
        say(f"{target}: written")
        steps.tell_page(target)
    found = steps.examine(target) if doctor else 0
    if commission or (commission is None and not yes and steps.wants_commission(terminal)):
        steps.commission(target)
    if service or (service is None and not yes and steps.wants_service(target, places, terminal)):
        steps.serve(places)
    raise typer.Exit(found)


def _machine(before: Before, pictures: Path) -> Machine:
    from functools import partial

    from waste_edge.device.setup.answers import try_broker
    from waste_edge.device.setup.pictures import find_cameras, look_through
    from waste_edge.device.setup.questions import Machine
    from waste_edge.files.resources import AUTO_BUNDLE, DEFAULT_BUNDLE, is_shipped_bundle

    given = str(before.values.get("bundle", AUTO_BUNDLE))
    if given == AUTO_BUNDLE:
        given = DEFAULT_BUNDLE  # every shipped bundle has the same labels
    elif not is_shipped_bundle(given):
        given = str(before.path.parent / given)
    with opened_bundle(given) as bundle:
        manifest = bundle.manifest
    return Machine(
        cameras=find_cameras,
        look=partial(look_through, folder=pictures),
        try_broker=partial(try_broker, folder=before.path.parent),
        pins=any(Path("/dev").glob("gpiochip*")),
        labels=manifest.labels,
        tree=manifest.tree,
    )


def _print_difference(planned: Plan) -> None:
    screen = console()
    for line in planned.difference():
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        screen.print(line, style=colour or None, markup=False, soft_wrap=True)
    for path in planned.secrets:
        say(f"{path}: a secret, for you and the service alone")
