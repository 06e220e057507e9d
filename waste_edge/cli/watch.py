"""A run carried out as planned: what is looked at, what looks, and who is told."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.cli.common import opened_bundle

if TYPE_CHECKING:
    from waste_edge.bundle.manifest import Manifest
    from waste_edge.device.cameras import Source
    from waste_edge.device.clock import Clock
    from waste_edge.device.config import StationConfig
    from waste_edge.device.decision.item_tracker import Items
    from waste_edge.device.decision.policy import Judge
    from waste_edge.device.loop import Listener
    from waste_edge.device.outbox.outbox import Outbox
    from waste_edge.device.service.notify import Notifier
    from waste_edge.device.signals import Stop
    from waste_edge.device.statistics import Summary
    from waste_edge.device.system.health import Health
    from waste_edge.device.views.display import View
    from waste_edge.site import Site

DEMO_SITE = "six_materials"


@dataclass(frozen=True)
class Plan:
    """The settings of one run.

    Attributes:
        config: the station's configuration.
        demo: play the bundled clip and keep nothing.
        as_json: print JSON lines instead of text.
        no_wait: end with an error where there is no camera, instead of waiting for one.
        frames, duration_s: end at the latest after so many frames, or seconds.
        listeners: told of what happens after the station's own listeners.
        silent: print nothing.
    """

    config: StationConfig
    demo: bool
    as_json: bool
    no_wait: bool
    frames: int | None
    duration_s: float | None
    listeners: tuple[Listener, ...] = ()
    silent: bool = False


def watch(plan: Plan, plan_anew: Callable[[], Plan], stop: Stop) -> Summary:
    """Run as planned; after a SIGHUP with a configuration that can be used, as planned anew, until the end."""
    from waste_edge.device.clock import SystemClock
    from waste_edge.device.system.health import Health

    clock, health = SystemClock(), Health()
    plans = [plan]

    def reload() -> str:
        notifier = _notifier()
        notifier.reloading(clock.now_ns())
        better = _checked(plan_anew, health, clock)
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
    from waste_edge.device.service.notify import Notifier

    return Notifier.of_environment()


def _checked(plan_anew: Callable[[], Plan], health: Health, clock: Clock) -> Plan | None:
    """A new plan, if all that it names can be used; else the old one stays, and health says why."""
    from waste_edge.device.decision.policy import Judge
    from waste_edge.device.station import build_sinks
    from waste_edge.device.system.condition import Condition, Level
    from waste_edge.engines.classifier import load_classifier
    from waste_edge.errors import WasteEdgeError

    try:
        plan = plan_anew()
        config = plan.config
        _source(plan, clock)
        with opened_bundle(config.bundle, _key(config)) as opened:
            Judge(opened.manifest, _site(plan, opened.manifest))
            load_classifier(opened, config.engine, config.precision, config.threads)
        build_sinks(config, _state(plan))
        return plan
    except WasteEdgeError as error:
        health.announce(Condition("config", Level.WARN, f"{error}; the configuration from before stays"))
        return None


def _watch_once(plan: Plan, clock: Clock, health: Health, stop: Stop, reload: Callable[[], str]) -> Summary:
    from waste_edge.device.capture import Patience, start_capture

    config = plan.config
    looked_at = _source(plan, clock)
    health.forget()
    with contextlib.ExitStack() as stack:
        messages = start_capture(looked_at, clock, None if plan.no_wait else Patience())
        stack.callback(messages.close)
        # Only now: the capture process starts up while numpy, OpenCV and the engine are imported here.
        from waste_edge.device.decision.policy import Judge
        from waste_edge.device.loop import Limits, Loop
        from waste_edge.device.outbox.event_store import SceneKeeper
        from waste_edge.device.service.notify import Watchdog, watchdog_ns
        from waste_edge.device.station import beside_the_loop
        from waste_edge.device.system.condition import Condition, Level
        from waste_edge.device.views.display import About
        from waste_edge.device.vision.camera_condition import CameraCondition
        from waste_edge.engines.classifier import load_classifier

        state = _state(plan)
        opened = stack.enter_context(opened_bundle(config.bundle, _key(config)))
        site = _site(plan, opened.manifest)
        classifier = load_classifier(opened, config.engine, config.precision, config.threads)
        view = _view(plan, looked_at.stills, clock)
        view.started(About.of("the demo clip (rendered)" if plan.demo else looked_at.title, classifier, site))
        health.set(Condition("config", Level.OK, "in use as it was last read"))
        outbox = stack.enter_context(beside_the_loop(config, state, health, clock))
        watchdog = Watchdog(_notifier(), clock, watchdog_ns())
        items = _items(Judge(opened.manifest, site), looked_at, outbox)
        gc.freeze()  # all that the start made stays: no later collection need look through it
        return Loop(
            messages,
            partial(classifier.classify, region=site.region),
            items,
            [CameraCondition(health, lambda: messages.abandoned), watchdog, view, *plan.listeners],
            clock,
            Limits(plan.frames, plan.duration_s),
            stop,
            keeper=None if outbox is None else SceneKeeper(outbox, items, clock),
            health=health,
            reload=reload,
        ).run()


def _state(plan: Plan) -> Path | None:
    """Where events are kept; a demo keeps nothing."""
    from waste_edge.device.config import state_folder

    return None if plan.demo else state_folder(plan.config)


def _demo_clip() -> str:
    from waste_edge.files.resources import DEMO_CLIP

    return str(DEMO_CLIP)


def _source(plan: Plan, clock: Clock) -> Source:
    from waste_edge.device.cameras import camera_source, media_source

    config = plan.config
    if config.camera is not None:
        return camera_source(config.camera, clock, config.camera_python)
    return media_source(_demo_clip() if config.source is None else config.source, clock)


def _key(config: StationConfig) -> Path | None:
    return None if config.require_key is None else Path(config.require_key)


def _items(judge: Judge, looked_at: Source, outbox: Outbox | None) -> Items:
    """What finds the items: with the scene as it was kept, before a camera that was there when we ended."""
    from waste_edge.device.decision.item_tracker import PassingItems, SingleItems
    from waste_edge.device.vision.camera_health import CameraHealth, Patience

    if looked_at.stills:
        return SingleItems(judge)
    # A film may rightly repeat a picture; a camera never does.
    items = PassingItems(judge, health=CameraHealth(Patience(watch_frozen=looked_at.live)))
    scene = outbox.scene() if outbox is not None and looked_at.live else None
    if scene:
        items.presence.recall(scene)
    return items


def _site(plan: Plan, manifest: Manifest) -> Site:
    """The site a user meant, checked against the model's labels; without one, a stream for each label."""
    from waste_edge.site import read_site, site_of_labels

    given = DEMO_SITE if plan.demo and plan.config.site is None else plan.config.site
    return site_of_labels(manifest.labels) if given is None else read_site(given, manifest.labels, manifest.tree)


def _view(plan: Plan, stills: bool, clock: Clock) -> View:
    """Choose the output: JSON if asked for; a live panel where a person watches moving pictures; else lines."""
    from waste_edge.device.views.display import JsonView, LineView, View

    if plan.silent:
        return View()
    if plan.as_json:
        return JsonView(sys.stdout)
    from waste_edge.cli.common import console

    terminal = console()
    if stills or not terminal.is_terminal or terminal.is_dumb_terminal:
        return LineView(sys.stdout, clock)
    from waste_edge.device.views.panel import PanelView

    return PanelView(terminal, clock)
