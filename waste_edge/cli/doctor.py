"""`waste-edge doctor`: is this board fit to be a station?"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import (
    AUTO_BUNDLE,
    AllowOlderOption,
    JsonOption,
    RequireKeyOption,
    StationBundleOption,
    console,
    say,
    say_json,
)

if TYPE_CHECKING:
    from waste_edge.device.bundle_choice import BundleChoice
    from waste_edge.device.config import StationConfig
    from waste_edge.device.doctor import Check, Examination, Setting
    from waste_edge.device.models.in_use import ModelWish

_COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}
_VERDICTS = {
    "ok": "This board is fit to be a station.",
    "warn": "This board can be a station; look at the warnings.",
    "bad": "This board is not fit to be a station yet; mend what is bad.",
}


def command(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="TOML",
            help="The station.toml to examine for: its camera, bundle, folder, limits and sinks; "
            "else the service's, /etc/waste-edge/station.toml, where there is one that you may read. "
            "/etc/waste-edge/left/station.toml is that of the instance left.",
        ),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option("--camera", metavar="ID", help="The camera that must be there, as in run; else any is tried."),
    ] = None,
    bundle: StationBundleOption = AUTO_BUNDLE,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="The station's folder; else the service's, /var/lib/waste-edge."),
    ] = None,
    require_key: RequireKeyOption = None,
    allow_older: AllowOlderOption = False,
    json: JsonOption = False,
) -> None:
    """Check whether this board can run a station; name the remedy for each fault.

    Prints one line each for camera and picamera2, permissions, Python and its
    libraries, 64 bits, INT8 instructions, power, temperature, memory, disk,
    clock, service, each sink, the pins, the page, the bundle, and each engine,
    in a process of its own: its version, its speed on the bundle and whether its
    answers are right. A line is

    \b
      ok    well, or the machine does not tell
      warn  works, but look at it: the line says what to do
      bad   the station cannot work, or will not keep what it sees

    Nothing is changed and nothing is written; a webhook and the phones of \\[push]
    are sent one test message. It takes a few seconds; a camera that hangs costs
    eight.

    \b
    Examples:
      waste-edge doctor
      waste-edge doctor --camera picamera:0       bad if this one gives no frame
      waste-edge doctor --json | jq .level

    Exit code 0: nothing is bad, warnings or not. 2: something is.
    """
    from waste_edge.device.clock import SystemClock
    from waste_edge.device.doctor import all_checks, examine
    from waste_edge.device.service.instances import instance_of_config
    from waste_edge.files.strict import to_json

    screen = console(stderr=True)
    asked = _Asked(_station(config), bundle, require_key, allow_older)
    owner = None if config is None else instance_of_config(config)
    setting, extra = _setting(asked, camera, state or (owner.state() if owner and owner.name else None))
    setting = setting if owner is None else replace(setting, unit=owner.unit)
    with screen.status("examining …"):
        examination = examine(all_checks(setting, extra), SystemClock())
    if json:
        say_json(to_json(examination))
    else:
        _print(examination)
    raise typer.Exit(2 if examination.level == "bad" else 0)


@dataclass(frozen=True)
class _Asked:
    """The bundle options of the command line, with the station's configuration behind them."""

    station: StationConfig | None
    bundle: str
    require_key: Path | None
    allow_older: bool

    def wish(self, state: Path | None) -> ModelWish:
        """Tell which model the station would run, with the options of the command line in the place of its keys."""
        import msgspec

        from waste_edge.device.config import StationConfig
        from waste_edge.device.run import RunPlan, model_wish
        from waste_edge.device.service.find_state import SERVICE_STATE

        if state is None and self.station is not None and SERVICE_STATE.is_dir():
            state = SERVICE_STATE  # systemd names this folder to the service, and to nobody else
        station, named = self.station or StationConfig(), self.bundle != AUTO_BUNDLE
        config = msgspec.structs.replace(
            station,
            bundle=self.bundle if named else station.bundle,
            require_key=str(self.require_key) if self.require_key else station.require_key,
            allow_older=self.allow_older or station.allow_older,
            state=None if state is None else str(state),
        )
        return model_wish(RunPlan(config, False, False, True, None, None, bundle_named=named), remember=False)


def _setting(asked: _Asked, camera: str | None, state: Path | None) -> tuple[Setting, list[Check]]:
    """Gather the doctor's setting and the checks of a configured station; options win over its configuration."""
    from waste_edge.device.doctor import Setting
    from waste_edge.device.doctor.setting import STATE

    station = asked.station
    folder = state or (Path(station.state) if station is not None and station.state else None)
    wish = cache(partial(asked.wish, folder))
    choose = cache(lambda: _chosen(wish()))
    setting = Setting(lambda: wish().opened(choose().bundle), camera, folder, choice=lambda: choose().reason)
    if station is None:
        return setting, []
    from waste_edge.device.doctor.sinks import check_sinks

    setting = replace(
        setting,
        camera=camera or station.camera or _address(station),
        thresholds=station.load,
        disk=station.disk,
        engine=station.engine,
    )
    checks: list[Check] = [partial(check_sinks, station, setting.state or setting.root / STATE)]
    if station.gpio is not None:
        from waste_edge.device.doctor.pins import check_pins

        checks.append(partial(check_pins, station.gpio))
    if station.page is not None:
        from waste_edge.device.doctor.page import check_page

        checks.append(partial(check_page, station.page))
    return setting, checks


def _chosen(wish: ModelWish) -> BundleChoice:
    """The bundle that the station would run; nothing is written."""
    from waste_edge.device.models.in_use import chosen_bundle

    return chosen_bundle(wish)


def _address(station: StationConfig) -> str | None:
    """The network camera of a configuration; a film or a picture as its source is none."""
    from waste_edge.device.cameras.address import is_address

    return station.source if station.source is not None and is_address(station.source) else None


def _station(given: Path | None) -> StationConfig | None:
    """The configuration to examine for; the installed one if none is given and this user may read it."""
    from waste_edge.device.service.unit import Places

    installed = Places().config
    if given is None and not os.access(installed, os.R_OK):
        return None
    try:
        from waste_edge.device.config import read_config
    except ImportError:  # a broken library, which the line `python` will name
        return None
    return read_config(given or installed)


def _print(examination: Examination) -> None:
    from rich.table import Table
    from rich.text import Text

    from waste_edge.device.system.condition import Level

    screen = console()
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for condition in examination.conditions:
        level = Text(condition.level, style=_COLOURS[condition.level])
        table.add_row(level, condition.part, Text(condition.text))
        if not screen.is_terminal:  # a line each, for grep
            say(f"{condition.level:4}  {condition.part:16}  {condition.text}")
    if screen.is_terminal:
        screen.print(table)
    counts = ", ".join(f"{examination.count(level)} {level}" for level in Level)
    screen.print(
        f"[{_COLOURS[examination.level]}]{_VERDICTS[examination.level]}[/] ({counts}; {examination.seconds:.1f} s)",
        soft_wrap=True,
    )
