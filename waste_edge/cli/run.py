"""`waste-edge run`: look, decide, tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waste_edge.cli.common import (
    DEFAULT_BUNDLE,
    BundleOption,
    EngineOption,
    JsonOption,
    PrecisionOption,
    RequireKeyOption,
    ThreadsOption,
    opened_bundle,
)

if TYPE_CHECKING:
    from waste_edge.device.cameras import Source
    from waste_edge.device.clock import Clock
    from waste_edge.device.config import StationConfig
    from waste_edge.device.display import About, View
    from waste_edge.device.health import Health
    from waste_edge.device.items import Items
    from waste_edge.device.judge import Judge
    from waste_edge.device.notify import Notifier
    from waste_edge.device.outbox import Outbox
    from waste_edge.device.signals import Stop
    from waste_edge.device.statistics import Summary
    from waste_edge.engines.classifier import Classifier
    from waste_edge.manifest import Manifest
    from waste_edge.site import Site

DEMO_SITE = "six_materials"


CameraOption = Annotated[
    str | None,
    typer.Option(
        "--camera",
        metavar="[ID]",
        help="A camera: picamera:0, an index, /dev/videoN, or synthetic[:FPS], which draws items. Alone: the Pi "
        "camera if there is one, else the first USB camera that gives a frame.",
    ),
]
SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source", metavar="PATH|URL", help="A video file, a folder of pictures, a picture, or an rtsp/http stream."
    ),
]
DemoOption = Annotated[bool, typer.Option("--demo", help="The bundled, rendered clip: ten items, then it ends.")]
FramesOption = Annotated[int | None, typer.Option("--frames", min=1, metavar="N", help="End after N frames.")]
DurationOption = Annotated[
    float | None, typer.Option("--duration", metavar="S", help="End after S seconds, waiting included.")
]
SiteOption = Annotated[
    str | None,
    typer.Option(
        "--site", help="Which label goes to which stream: a site.toml, or the name of a shipped one (four_bins)."
    ),
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
        help="A station.toml, which has these options' names as keys and more; an option given here goes before it. "
        "SIGHUP reads it again.",
    ),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="Keep events and the learnt scene in this folder: across restarts, and until everybody was told. "
        "Under systemd: the service's own.",
    ),
]
CameraPythonOption = Annotated[
    Path | None,
    typer.Option(
        "--camera-python",
        metavar="PYTHON",
        help="The interpreter that has picamera2; else this one if it has it, else /usr/bin/python3.",
    ),
]


@dataclass(frozen=True)
class _Plan:
    """What one run is to be."""

    config: StationConfig
    demo: bool
    as_json: bool
    no_wait: bool
    frames: int | None
    duration_s: float | None


def command(
    context: typer.Context,
    camera: CameraOption = None,
    source: SourceOption = None,
    demo: DemoOption = False,
    config: ConfigOption = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "int8",
    threads: ThreadsOption = 1,
    require_key: RequireKeyOption = None,
    site: SiteOption = None,
    state: StateOption = None,
    camera_python: CameraPythonOption = None,
    frames: FramesOption = None,
    duration: DurationOption = None,
    as_json: JsonOption = False,
    no_wait: NoWaitOption = False,
) -> None:
    """Watch a bin: see what is put in, decide where it belongs, say why.

    Each item gets one decision, from all frames in which it lies still.
    Start with nothing in view. Ctrl-C ends it with a summary.

    \b
    Examples:
      waste-edge run --demo                            no camera needed
      waste-edge run --camera                          any camera; waits for one
      waste-edge run --camera /dev/video2 --site four_bins --state station/
      waste-edge run --config station.toml             a station: events, sinks
      waste-edge run --source photos/ --json           one JSON object a line
      waste-edge run --source rtsp://user:password@cam/stream --duration 60

    Exit code 0: ended well, by Ctrl-C too. 2: no such source, or a picture that
    cannot be read. 1: our fault.
    """
    from waste_edge.device.one_thread import ONE_THREAD
    from waste_edge.device.signals import stopped_by_signals

    os.environ.update(ONE_THREAD | os.environ)  # before numpy and OpenCV are imported; what a user sets stands
    if duration is not None and not duration > 0:  # written so that nan is caught, too
        raise typer.BadParameter(f"--duration {duration:g}: expected seconds above 0")
    with stopped_by_signals(reloads=config is not None) as stop:
        plan: Callable[[], _Plan] = partial(_plan, context, config)
        summary = _watch(plan(), plan, stop)
    if summary.bad_pictures:
        raise typer.Exit(2)


def _plan(context: typer.Context, path: Path | None) -> _Plan:
    """The configuration, read now, with the options of the command line in the place of its keys."""
    import msgspec

    from waste_edge.device.config import StationConfig, read_config

    options: dict[str, Any] = context.params
    # By name: this is Click's own, or the copy that Typer brings.
    given = {name: value for name, value in options.items() if _was_given(context, name)}
    config = StationConfig() if path is None else read_config(path)
    if {"camera", "source", "demo"} & set(given):
        config = msgspec.structs.replace(config, camera=None, source=None)
    changes = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in given.items()
        if name in StationConfig.__struct_fields__
    }
    config = msgspec.structs.replace(config, **changes)
    if (config.camera is not None) + (config.source is not None) + options["demo"] != 1:
        raise typer.BadParameter(
            "give exactly one of --camera [ID], --source PATH|URL and --demo, or a --config with `camera` or `source`"
        )
    return _Plan(
        config, options["demo"], options["as_json"], options["no_wait"], options["frames"], options["duration"]
    )


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def _watch(plan: _Plan, plan_anew: Callable[[], _Plan], stop: Stop) -> Summary:
    """Run as planned; after a SIGHUP with a configuration that can be used, as planned anew, until the end."""
    from waste_edge.device.clock import SystemClock
    from waste_edge.device.health import Health

    clock, health = SystemClock(), Health()
    plans = [plan]

    def reload() -> str:
        notifier = _notifier()
        notifier.reloading(clock.now_ns())
        better = _checked(plan_anew, health)
        if better is None:
            notifier.ready()
            return ""
        plans.append(better)
        return "the configuration was read again"

    try:
        while plans:
            summary = _watch_once(plans.pop(), clock, health, stop, reload)
        return summary
    finally:
        _notifier().stopping()


def _notifier() -> Notifier:
    from waste_edge.device.notify import Notifier

    return Notifier.of_environment()


def _checked(plan_anew: Callable[[], _Plan], health: Health) -> _Plan | None:
    """A new plan, if its bundle, site and source can be used; else the old one stays, and health says why."""
    from waste_edge.device.condition import Condition, Level
    from waste_edge.errors import UserError

    try:
        plan = plan_anew()
        with opened_bundle(plan.config.bundle, _key(plan.config)) as opened:
            _site(plan, opened.manifest)
        return plan
    except (UserError, typer.BadParameter) as error:
        health.set(Condition("config", Level.WARN, f"{error}; the configuration from before stays"))
        return None


def _watch_once(plan: _Plan, clock: Clock, health: Health, stop: Stop, reload: Callable[[], str]) -> Summary:
    import contextlib
    import gc

    from waste_edge.device.capture import Patience, start_capture

    config = plan.config
    looked_at = _source(plan, clock)
    with contextlib.ExitStack() as stack:
        messages = start_capture(looked_at, clock, None if plan.no_wait else Patience())
        stack.callback(messages.close)
        # Only now: the capture process starts up while numpy, OpenCV and the engine are imported here.
        from waste_edge.device.camera_condition import CameraCondition
        from waste_edge.device.condition import Condition, Level
        from waste_edge.device.config import state_folder
        from waste_edge.device.judge import Judge
        from waste_edge.device.keeper import SceneKeeper
        from waste_edge.device.loop import Limits, Loop
        from waste_edge.device.notify import Watchdog, watchdog_ns
        from waste_edge.device.station import beside_the_loop
        from waste_edge.engines.classifier import load_classifier

        state = None if plan.demo else state_folder(config)  # a demo tells nobody
        opened = stack.enter_context(opened_bundle(config.bundle, _key(config)))
        site = _site(plan, opened.manifest)
        classifier = load_classifier(opened, config.engine, config.precision, config.threads)
        view = _view(plan.as_json, looked_at.stills, clock)
        view.started(_about("the demo clip (rendered)" if plan.demo else looked_at.title, classifier, site))
        health.set(Condition("config", Level.OK, "as read at the start"))
        outbox = stack.enter_context(beside_the_loop(config, state, health, clock))
        watchdog = Watchdog(_notifier(), clock, watchdog_ns())
        items = _items(Judge(opened.manifest, site), looked_at, outbox)
        gc.freeze()  # all that the start made stays: no later collection need look through it
        return Loop(
            messages,
            partial(classifier.classify, region=site.region),
            items,
            [CameraCondition(health), watchdog, view],
            clock,
            Limits(plan.frames, plan.duration_s),
            stop,
            keeper=None if outbox is None else SceneKeeper(outbox, items, clock),
            health=health,
            reload=reload,
        ).run()


def _demo_clip() -> str:
    from waste_edge.resources import DEMO_CLIP

    return str(DEMO_CLIP)


def _source(plan: _Plan, clock: Clock) -> Source:
    from waste_edge.device.cameras import camera_source, media_source

    config = plan.config
    if config.camera is not None:
        return camera_source(config.camera, clock, config.camera_python)
    return media_source(_demo_clip() if config.source is None else config.source, clock)


def _key(config: StationConfig) -> Path | None:
    return None if config.require_key is None else Path(config.require_key)


def _items(judge: Judge, looked_at: Source, outbox: Outbox | None) -> Items:
    """What finds the items: with the scene as it was kept, before a camera that was there when we ended."""
    from waste_edge.device.camera_health import CameraHealth, Patience
    from waste_edge.device.items import PassingItems, SingleItems

    if looked_at.stills:
        return SingleItems(judge)
    # A film may rightly repeat a picture; a camera never does.
    items = PassingItems(judge, health=CameraHealth(Patience(watch_frozen=looked_at.live)))
    scene = outbox.scene() if outbox is not None and looked_at.live else None
    if scene:
        items.presence.recall(scene)
    return items


def _site(plan: _Plan, manifest: Manifest) -> Site:
    """The site a user meant, checked against the model's labels; without one, a stream for each label."""
    from waste_edge.site import read_site, site_of_labels

    given = DEMO_SITE if plan.demo and plan.config.site is None else plan.config.site
    return site_of_labels(manifest.labels) if given is None else read_site(given, manifest.labels, manifest.tree)


def _about(source: str, classifier: Classifier, site: Site) -> About:
    from waste_edge.device.display import About

    manifest = classifier.manifest
    return About(
        source=source,
        bundle=f"{manifest.name} {manifest.version}",
        artifact=classifier.artifact,
        engine=classifier.engine.name,
        labels=classifier.labels,
        site=site.name,
        streams=site.streams,
        residual=site.residual,
    )


def _view(as_json: bool, stills: bool, clock: Clock) -> View:
    """JSON if asked for; a live panel where a person watches moving pictures; else lines."""
    import sys

    from waste_edge.device.display import JsonView, LineView

    if as_json:
        return JsonView(sys.stdout)
    from waste_edge.cli.common import console

    terminal = console()
    if stills or not terminal.is_terminal or terminal.is_dumb_terminal:
        return LineView(sys.stdout, clock)
    from waste_edge.device.panel import PanelView

    return PanelView(terminal, clock)
