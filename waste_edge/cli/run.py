"""`waste-edge run`: look, decide, tell."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

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
    from waste_edge.device.clock import Clock
    from waste_edge.device.display import About, View
    from waste_edge.engines.classifier import Classifier
    from waste_edge.manifest import Manifest
    from waste_edge.site import Site

DEMO_SITE = "six_materials"


CameraOption = Annotated[
    str | None,
    typer.Option(
        "--camera",
        metavar="[ID]",
        help="A camera: picamera:0, an index or /dev/videoN. Alone: the Pi camera if there is one, "
        "else the first USB camera that gives a frame.",
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


def command(
    camera: CameraOption = None,
    source: SourceOption = None,
    demo: DemoOption = False,
    bundle: BundleOption = DEFAULT_BUNDLE,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "int8",
    threads: ThreadsOption = 1,
    require_key: RequireKeyOption = None,
    frames: FramesOption = None,
    duration: DurationOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
    no_wait: NoWaitOption = False,
) -> None:
    """Watch a bin: see what is put in, decide where it belongs, say why.

    Each item gets one decision, the mean of several frames in which it lies
    still. Start with nothing in view. Ctrl-C ends it with a summary.

    \b
    Examples:
      waste-edge run --demo                            no camera needed
      waste-edge run --camera                          any camera; waits for one
      waste-edge run --camera /dev/video2 --site four_bins
      waste-edge run --source photos/ --json           one JSON object a line
      waste-edge run --source rtsp://user:password@cam/stream --duration 60

    Exit code 0: ended well, by Ctrl-C too. 2: no such source, or a picture that
    cannot be read. 1: our fault.
    """
    from waste_edge.device.cameras import camera_source, media_source
    from waste_edge.device.capture import Capture, Patience
    from waste_edge.device.clock import SystemClock
    from waste_edge.device.items import PassingItems, SingleItems
    from waste_edge.device.judge import Judge
    from waste_edge.device.loop import Limits, Loop, stopped_by_signals
    from waste_edge.engines.classifier import load_classifier

    _check_options(camera, source, demo, duration)
    clock = SystemClock()
    media = _demo_clip() if source is None else source
    looked_at = media_source(media, clock) if camera is None else camera_source(camera, clock)
    with opened_bundle(bundle, require_key) as opened, stopped_by_signals() as stop:
        station = _site(DEMO_SITE if demo and site is None else site, opened.manifest)
        judge = Judge(opened.manifest, station)
        classifier = load_classifier(opened, engine, precision, threads)
        view = _view(as_json, looked_at.stills, clock)
        view.started(_about("the demo clip (rendered)" if demo else looked_at.title, classifier, station))
        classify = partial(classifier.classify, region=station.region)
        items = SingleItems(judge) if looked_at.stills else PassingItems(judge)
        messages = Capture(looked_at, clock, None if no_wait else Patience())
        # The view is the only listener: a demo, above all, tells nobody else.
        summary = Loop(messages, classify, items, [view], clock, Limits(frames, duration), stop).run()
    if summary.bad_pictures:
        raise typer.Exit(2)


def _check_options(camera: str | None, source: str | None, demo: bool, duration: float | None) -> None:
    if (camera is not None) + (source is not None) + demo != 1:
        raise typer.BadParameter("give exactly one of --camera [ID], --source PATH|URL and --demo")
    if duration is not None and not duration > 0:  # written so that nan is caught, too
        raise typer.BadParameter(f"--duration {duration:g}: expected seconds above 0")


def _demo_clip() -> str:
    from waste_edge.resources import DEMO_CLIP

    return str(DEMO_CLIP)


def _site(given: str | None, manifest: Manifest) -> Site:
    """The site a user meant, checked against the model's labels; without one, a stream for each label."""
    from waste_edge.site import read_site, site_of_labels

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
