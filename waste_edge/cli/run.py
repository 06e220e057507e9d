"""`waste-edge run`: look, decide, tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waste_edge.cli.common import (
    AUTO_BUNDLE,
    AllowOlderOption,
    EngineOption,
    JsonOption,
    PrecisionOption,
    RequireKeyOption,
    StationBundleOption,
    ThreadsOption,
    was_given,
)

if TYPE_CHECKING:
    from waste_edge.device.run import RunPlan

CameraOption = Annotated[
    str | None,
    typer.Option(
        "--camera",
        metavar="[ID]",
        help="A camera: picamera:0, an index, /dev/videoN, /dev/v4l/by-id/NAME, synthetic[:FPS[:SEED]], which draws "
        "items, or a plug-in's name. Alone: the Pi camera if there is one, else the first USB camera that gives a "
        "frame.",
    ),
]
SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source", metavar="PATH|URL", help="A video file, a folder of pictures, a picture, or an rtsp/http stream."
    ),
]
DemoOption = Annotated[
    bool,
    typer.Option(
        "--demo",
        help="Play the bundled, rendered clip: ten items, then end. Its items are drawn, as some that the networks "
        "were trained on are: it shows that a station works, not how well it sorts. No sink is told.",
    ),
]
FramesOption = Annotated[int | None, typer.Option("--frames", min=1, metavar="N", help="End after N frames.")]
DurationOption = Annotated[
    float | None, typer.Option("--duration", metavar="S", help="End after S seconds, waiting included.")
]
SiteOption = Annotated[
    str | None,
    typer.Option("--site", help="Streams and costs: a site.toml, or the name of a shipped one (four_bins)."),
]
NoWaitOption = Annotated[
    bool,
    typer.Option(
        "--no-wait", help="Exit with code 2 if there is no camera, instead of waiting for one. Files never wait."
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="TOML",
        help="Configuration, a station.toml; options given here override it. SIGHUP reloads it.",
    ),
]
StateOption = Annotated[
    str | None,  # not a Path: that of an empty word is the current folder
    typer.Option(
        "--state",
        metavar="DIR",
        help="Folder for events and the learned scene, kept across restarts and until every sink has had them. "
        "Under systemd: the service's own.",
    ),
]
PageOption = Annotated[
    str | None,
    typer.Option(
        "--page",
        metavar="[ADDRESS]",
        help="Serve the station's page, its metrics and its health to browsers and programs: alone at "
        "http://127.0.0.1:8470, or at a HOST, a PORT or HOST:PORT. Other machines need a token: docs/page.md.",
    ),
]
CameraPythonOption = Annotated[
    Path | None,
    typer.Option(
        "--camera-python",
        metavar="PYTHON",
        help="Python interpreter with picamera2; default: this one if it has it, else /usr/bin/python3.",
    ),
]


def command(
    context: typer.Context,
    camera: CameraOption = None,
    source: SourceOption = None,
    demo: DemoOption = False,
    config: ConfigOption = None,
    bundle: StationBundleOption = AUTO_BUNDLE,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "int8",
    threads: ThreadsOption = 1,
    require_key: RequireKeyOption = None,
    allow_older: AllowOlderOption = False,
    site: SiteOption = None,
    state: StateOption = None,
    camera_python: CameraPythonOption = None,
    page: PageOption = None,
    frames: FramesOption = None,
    duration: DurationOption = None,
    as_json: JsonOption = False,
    no_wait: NoWaitOption = False,
) -> None:
    """Run the station: classify each item before the camera and report its stream.

    Each item gets one decision, made once it lies still. Start with nothing in
    view. Ctrl-C ends it with a summary.

    \b
    Examples:
      waste-edge run --demo                            no camera needed
      waste-edge run --camera                          any camera; waits for one
      waste-edge run --camera /dev/video2 --site four_bins --state station/
      waste-edge run --config station.toml             a station: events, sinks
      waste-edge run --camera --page                   and a page in the browser
      waste-edge run --source photos/ --json           one JSON object a line
      waste-edge run --source rtsp://user:password@cam/stream --duration 60

    Exit code 0: ended normally, also by Ctrl-C. 2: no such source, or an
    unreadable picture. 1: internal error.
    """
    import atexit
    import gc

    from waste_edge.device.run import run_station
    from waste_edge.device.signals import stopped_by_signals
    from waste_edge.libraries import ONE_THREAD

    os.environ.update(ONE_THREAD | os.environ)  # before numpy and OpenCV are imported; what a user sets stands
    # Python's last search for garbage takes half a second on a busy board, for memory that is given back anyway.
    atexit.register(gc.freeze)
    if duration is not None and not duration > 0:  # written so that nan is caught, too
        raise typer.BadParameter(f"--duration {duration:g}: expected seconds above 0")
    with stopped_by_signals(reloads=config is not None) as stop:
        plan: Callable[[], RunPlan] = partial(_plan, context, config)
        summary = run_station(plan(), plan, stop)
    if summary.bad_pictures:
        raise typer.Exit(2)


def _plan(context: typer.Context, path: Path | None) -> RunPlan:
    """The configuration, read now, with the options of the command line in the place of its keys."""
    import msgspec

    from waste_edge.device.config import StationConfig, read_config, with_paths, without_sinks
    from waste_edge.device.page.config import PageConfig, with_address
    from waste_edge.device.run import RunPlan
    from waste_edge.errors import UserError

    options: dict[str, Any] = context.params
    given = {name: value for name, value in options.items() if was_given(context, name)}
    config = StationConfig() if path is None else read_config(path)
    chosen = {"camera", "source", "demo"} & set(given)
    if len(chosen) > 1 or (not chosen and config.camera is None and config.source is None):
        raise UserError(
            "give exactly one of --camera [ID], --source PATH|URL and --demo, or a --config with `camera` or `source`"
        )
    if chosen:
        config = msgspec.structs.replace(config, camera=None, source=None)
    if options["demo"]:  # which tells nobody
        config = without_sinks(config)
    changes: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in given.items()
        if name in StationConfig.__struct_fields__ and name != "page"
    }
    if options["page"] is not None:
        changes["page"] = with_address(config.page or PageConfig(), options["page"])
    if changes.get("state") == "":
        raise UserError("--state is empty; expected a folder (is a variable of your script unset?)")
    config = with_paths(msgspec.structs.replace(config, **changes))
    limits = (options["frames"], options["duration"])
    switches = (options["demo"], options["as_json"], options["no_wait"])
    return RunPlan(config, *switches, *limits, config_path=path, bundle_named="bundle" in given)
