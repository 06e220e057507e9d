"""Build a station's parts from a plan and run the loop over them: source, engine, policy, outbox, sinks, view."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from waste_edge.bundle.bundle import Bundle
    from waste_edge.bundle.manifest import Manifest
    from waste_edge.device.answers.review import ReviewQueue
    from waste_edge.device.cameras import Source
    from waste_edge.device.clock import Clock
    from waste_edge.device.config import StationConfig
    from waste_edge.device.decision.item_tracker import ItemTracker, Mark
    from waste_edge.device.decision.policy import DecisionPolicy
    from waste_edge.device.loop import Listener
    from waste_edge.device.models.in_use import ModelInUse, ModelWish
    from waste_edge.device.models.keeper import ModelKeeper
    from waste_edge.device.outbox.outbox import Outbox
    from waste_edge.device.page.config import PageConfig
    from waste_edge.device.page.listener import PageListener
    from waste_edge.device.service.notify import Notifier
    from waste_edge.device.signals import Stop
    from waste_edge.device.sinks.sink import SinkConfig, StationFacts
    from waste_edge.device.statistics import Summary
    from waste_edge.device.system.health import Health
    from waste_edge.device.views.display import About, RunView
    from waste_edge.engines.classifier import Classifier
    from waste_edge.site import Site

DEMO_SITE = "six_materials"


@dataclass(frozen=True)
class RunPlan:
    """The settings of one run.

    Attributes:
        config: the station's configuration.
        demo: play the bundled clip and keep nothing.
        as_json: print JSON lines instead of text.
        no_wait: end with an error where there is no camera, instead of waiting for one.
        frames, duration_s: end at the latest after so many frames, or seconds.
        listeners: told of what happens after the station's own listeners.
        silent: print nothing.
        config_path: where the configuration was read from, which the capture process must not see.
        bundle_named: the command line names the bundle, which is then used whatever is installed.
    """

    config: StationConfig
    demo: bool
    as_json: bool
    no_wait: bool
    frames: int | None
    duration_s: float | None
    listeners: tuple[Listener, ...] = ()
    silent: bool = False
    config_path: Path | None = None
    bundle_named: bool = False


@dataclass(frozen=True)
class Eye:
    """Policy, network, number of looks and choice of questions, with which an item is decided."""

    policy: DecisionPolicy
    classifier: Classifier
    looks: int
    mark: Mark


@dataclass
class ReloadAttempt:
    """One attempt to run a plan, the first or one that was read again.

    Attributes:
        plan: what is to be run.
        failure: why the plan before it was left again, in words; empty if none was.
        looking: all that it names was there, and the loop has begun.
        anew: it ended for a model that needs all parts put together anew.
    """

    plan: RunPlan
    failure: str = ""
    looking: bool = False
    anew: bool = False


def run_station(plan: RunPlan, plan_anew: Callable[[], RunPlan], stop: Stop) -> Summary:
    """Run as planned; after a SIGHUP with a configuration that can be used, as planned anew, until the end.

    What a new plan fails at before its first frame is said, and the plan from before goes on.
    """
    from waste_edge.device.clock import SystemClock
    from waste_edge.device.system.health import Health
    from waste_edge.errors import EngineError

    clock, health = SystemClock(), Health()
    current, before, failure = plan, None, ""
    better: list[RunPlan] = []

    def reload() -> str:
        notifier = _notifier()
        notifier.reloading(clock.now_ns())
        checked = _checked(plan_anew, current, health, clock)
        if checked is None:
            notifier.ready()
            return ""
        better.append(checked)
        return "the configuration was read again"

    try:
        while True:
            attempt = ReloadAttempt(current, failure)
            try:
                summary = _watch_once(attempt, clock, health, stop, reload)
            except Exception as error:
                if attempt.looking and isinstance(error, EngineError) and _taken_back(current, error):
                    continue
                if attempt.looking or before is None:
                    raise
                failure = f"{_in_one_line(error)}; the configuration from before goes on"
                current, before = before, None
                continue
            if better:
                current, before, failure = better.pop(), current, ""
            elif not attempt.anew:
                return summary
    finally:
        _notifier().stopping()


def _taken_back(plan: RunPlan, error: Exception) -> bool:
    """Return whether a model on probation was taken back, whose network failed, so that the station can go on."""
    from waste_edge.device.models.probation import take_back_failed

    return take_back_failed(model_wish(plan), error)


def _notifier() -> Notifier:
    from waste_edge.device.service.notify import Notifier

    return Notifier.of_environment()


def _checked(plan_anew: Callable[[], RunPlan], old: RunPlan, health: Health, clock: Clock) -> RunPlan | None:
    """A new plan, if all that it names can be used; else the old one stays, and health says why."""
    from waste_edge.device.answers.build import review_queue
    from waste_edge.device.gpio.build import check_gpio
    from waste_edge.device.models.in_use import load_model
    from waste_edge.device.station import build_sinks, check_state
    from waste_edge.device.system.condition import Condition, Level

    try:
        plan = plan_anew()
        config = plan.config
        _source(plan, clock)
        model = load_model(model_wish(plan))
        with model.bundle:
            choices = model.policy.choices()
        state = _state(plan)
        review_queue(config.answers, state is not None, choices, clock)
        check_gpio(config.gpio, choices, config.answers is not None)
        build_sinks(config, state)
        if config.page is not None:
            from waste_edge.device.page.opening import check_page

            check_page(config.page)
        if state is not None and state != _state(old):
            check_state(state)
        return plan
    except Exception as error:  # noqa: BLE001 - whatever a file holds, the station that runs goes on
        text = f"{_in_one_line(error)}; the configuration from before stays"
        health.announce(Condition("config", Level.WARN, text))
        return None


def _in_one_line(error: Exception) -> str:
    """An error of ours as it is; any other as what it is."""
    from waste_edge.errors import WasteEdgeError

    text = str(error) if isinstance(error, WasteEdgeError) else f"cannot be used: {type(error).__name__}: {error}"
    return " ".join(text.split())[:500]


def _watch_once(attempt: ReloadAttempt, clock: Clock, health: Health, stop: Stop, reload: Callable[[], str]) -> Summary:
    from waste_edge.device.capture import CAMERA_RETRY, start_capture

    plan, config = attempt.plan, attempt.plan.config
    looked_at = _source(plan, clock)
    health.forget()
    with contextlib.ExitStack() as stack:
        start = partial(start_capture, looked_at, clock, None if plan.no_wait else CAMERA_RETRY)
        # A camera's process starts up while numpy, OpenCV and the engine are imported here. A film does not wait for
        # us: it begins when we are ready, or its first frames would be lost, and with them the empty scene.
        early = start() if looked_at.live else None
        if early is not None:
            stack.callback(early.close)
        from waste_edge.device.answers.build import question_mark, review_queue
        from waste_edge.device.camera_condition import CameraCondition
        from waste_edge.device.capture.convert import turned
        from waste_edge.device.collect.build import crops_collected
        from waste_edge.device.gpio.build import pins_in_use
        from waste_edge.device.latest_figures import LatestFigures
        from waste_edge.device.loop import Limits, Loop, LoopControl, LoopServices
        from waste_edge.device.models.in_use import load_model
        from waste_edge.device.outbox.event_store import EventRecorder
        from waste_edge.device.service.notify import Watchdog, watchdog_ns
        from waste_edge.device.station import station_services
        from waste_edge.device.system.condition import Condition, Level
        from waste_edge.device.views.display import About

        state = _state(plan)
        model = load_model(model_wish(plan), starting=True)
        opened, site, classifier, looks = model.bundle, model.site, model.classifier, model.looks
        stack.callback(opened.close)
        view = _view(plan, looked_at.still_images, clock)
        source = "the demo clip (rendered)" if plan.demo else looked_at.title
        warning = _warning(plan, looked_at.still_images, opened.manifest, site)
        about = About.of(source, classifier, site, model.reason, looks)
        view.started(replace(about, warning=warning))
        if attempt.failure:
            health.announce(Condition("config", Level.WARN, attempt.failure))
        else:
            health.set(Condition("config", Level.OK, "in use as it was last read"))
        health.set(model.condition(looked_at.still_images))
        choices = model.policy.choices()
        reviews = review_queue(config.answers, state is not None, choices, clock)
        if reviews is not None:
            reviews.listen(view)
        facts = _facts(opened.manifest, site, config.page)
        outbox = stack.enter_context(station_services(config, state, health, clock, reviews, facts))
        watchdog = Watchdog(_notifier(), clock, watchdog_ns())
        eye = Eye(model.policy, classifier, looks, question_mark(config.answers))
        items = _items(eye, looked_at, outbox)
        _know_lights(items, looked_at, state, site, health)
        pins = stack.enter_context(pins_in_use(config.gpio, choices, reviews, health, clock))
        place, services = (state, config.disk), (health, clock)
        crops = stack.enter_context(crops_collected(config.collect, place, opened.manifest, reviews, services))
        messages = early or start()
        stack.callback(messages.close)
        camera = CameraCondition(health, lambda: messages.abandoned)
        page = _page(plan, Running(about, opened, classifier, site, outbox, reviews), health, clock)
        pages = [] if page is None else [stack.enter_context(page)]
        latest = LatestFigures(health.latest, clock)
        shown = Shown(items, model, about, looked_at.still_images, pages)
        keepers = stack.enter_context(_keeper(plan, shown, reviews, services))
        listeners = [camera, watchdog, latest, view, *pins, *crops, *pages, *keepers, *plan.listeners]
        attempt.looking = True
        gc.freeze()  # all that the start made stays: no later collection need look through it
        summary = Loop(
            turned(messages, site.rotate),
            items,
            [*_about_the_camera(items, looked_at, health, state, site.rotate), *listeners],
            clock,
            LoopControl(Limits(plan.frames, plan.duration_s), stop, reload),
            LoopServices(
                None if outbox is None else EventRecorder(outbox, items, clock, reviews),
                health,
                keepers[0] if keepers else None,
            ),
        ).run()
        attempt.anew = any(keeper.anew for keeper in keepers)
        return summary


@dataclass(frozen=True)
class Shown:
    """Parts of a station that change when another model takes over.

    Attributes:
        items: decides with the model.
        model: that of the start.
        about: describes the run.
        still_images: the source is a folder of pictures.
        pages: the page's listener, if there is one.
    """

    items: ItemTracker
    model: ModelInUse
    about: About
    still_images: bool
    pages: Sequence[PageListener]


@contextlib.contextmanager
def _keeper(
    plan: RunPlan, shown: Shown, reviews: ReviewQueue | None, services: tuple[Health, Clock]
) -> Iterator[list[ModelKeeper]]:
    """The keeper of the station's models, for as long as the block lasts; none where nothing can be installed."""
    state, config = _state(plan), plan.config
    if state is None or plan.bundle_named:
        yield []
        return
    from waste_edge.device.models.install import Installer
    from waste_edge.device.models.keeper import KeeperParts, ModelKeeper
    from waste_edge.device.views.display import About

    def exchanged(model: ModelInUse) -> None:
        about = About.of(shown.about.source, model.classifier, model.site, model.reason, model.looks)
        health.latest.model = about.bundle
        for page in shown.pages:
            page.renew(about, model.bundle, model.classifier)

    health, clock = services
    installer = Installer(model_wish(plan), state, config.models, reviews is not None, config.allow_older)
    parts = KeeperParts(installer, shown.items, health, exchanged, shown.still_images)
    keeper = ModelKeeper(parts, shown.model, clock)
    if reviews is not None:
        reviews.listen(keeper)
    keeper.start()
    try:
        yield [keeper]
    finally:
        keeper.stop()


def _facts(manifest: Manifest, site: Site, page: PageConfig | None) -> StationFacts:
    """Tell what the station decides with, and between, and where its page is."""
    from waste_edge.device.sinks.sink import StationFacts
    from waste_edge.site import ASK

    streams = (*site.places(), *([] if site.ask is None else [ASK]))
    return StationFacts(streams, f"{manifest.name} {manifest.version}", page.address_for_others if page else "")


@dataclass(frozen=True)
class Running:
    """Parts of a station that runs, as far as the page shows or needs them."""

    about: About
    bundle: Bundle
    classifier: Classifier
    site: Site
    outbox: Outbox | None
    reviews: ReviewQueue | None


def _page(plan: RunPlan, running: Running, health: Health, clock: Clock) -> AbstractContextManager[PageListener] | None:
    """Prepare the station's page, to be entered; None without `[page]`, and then nothing of it is imported."""
    config = plan.config
    if config.page is None:
        return None
    from waste_edge.device.page.opening import PageParts, model_of, opened_page
    from waste_edge.device.page.snapshot import Station
    from waste_edge.device.station import OUTBOX_NAME

    state, outbox = _state(plan), running.outbox
    answered = config.answers is not None and "page" in config.answers.sources
    station = Station(
        name=config.name,
        about=running.about,
        places=tuple(running.site.places()),
        state=state,
        outbox=None if state is None else state / OUTBOX_NAME,
        waiting=dict if outbox is None else outbox.waiting,
        takes_answers=answered and running.reviews is not None,
    )
    withheld, hidden = _secrets(plan)
    model = model_of(running.bundle, running.classifier, config.engine, running.site)
    parts = PageParts(station, model, hidden, withheld, running.reviews)
    return opened_page(config.page, parts, health, clock)


def model_wish(plan: RunPlan, remember: bool = True) -> ModelWish:
    """Tell which model the station wants: the installed one, the named one, or the best that this board can run.

    Args:
        plan: of the station.
        remember: keep in its folder what was measured.
    """
    from waste_edge.device.bundle_choice import EngineWish
    from waste_edge.device.models.in_use import ModelWish

    config = plan.config
    return ModelWish(
        bundle=config.bundle,
        engine=EngineWish(config.engine, config.precision, config.threads),
        site_of=partial(_site, plan),
        state=_state(plan),
        looks=config.looks,
        require_key=None if config.require_key is None else Path(config.require_key),
        allow_older=config.allow_older,
        bundle_named=plan.bundle_named,
        remember=remember and not plan.demo,
    )


def _state(plan: RunPlan) -> Path | None:
    """Find the folder for events; None for a demo."""
    from waste_edge.device.config import state_folder

    return None if plan.demo else state_folder(plan.config)


def _demo_clip() -> str:
    from waste_edge.files.resources import DEMO_CLIP

    return str(DEMO_CLIP)


def _source(plan: RunPlan, clock: Clock) -> Source:
    from waste_edge.device.cameras import camera_source, media_source

    config = plan.config
    if config.camera is not None:
        source = camera_source(config.camera, clock, config.camera_python)
    else:
        source = media_source(_demo_clip() if config.source is None else config.source, clock)
    return source.keeping_secret(*_secrets(plan))


def _secrets(plan: RunPlan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List what to hide from the capture process: (environment variables, files and folders)."""
    from waste_edge.device.config import sink_tables

    page = plan.config.page
    tables: list[SinkConfig | PageConfig] = [*sink_tables(plan.config).values(), *([] if page is None else [page])]
    variables = [name for table in tables for name in table.secret_variables()]
    paths = [plan.config_path, _state(plan), *(path for table in tables for path in table.secret_files())]
    return tuple(variables), tuple(str(Path(path).absolute()) for path in paths if path)


def _items(eye: Eye, looked_at: Source, outbox: Outbox | None) -> ItemTracker:
    """Build the item tracker; it gets the stored scene if the camera is the one of the last run."""
    from waste_edge.device.decision.item_tracker import CameraItemTracker, PictureItemTracker
    from waste_edge.device.vision.camera_health import CameraHealth, CameraHealthConfig
    from waste_edge.device.vision.inspection import inspector_of

    if looked_at.still_images:
        return PictureItemTracker(eye.policy, eye.classifier.classify, mark=eye.mark)
    # A film may rightly repeat a picture; a camera never does.
    health = CameraHealth(CameraHealthConfig(watch_frozen=looked_at.live))
    items = CameraItemTracker(eye.policy, inspector_of(eye.classifier, eye.looks), health=health, mark=eye.mark)
    scene = outbox.scene() if outbox is not None and looked_at.live else None
    if outbox is not None and scene and not items.presence.recall(scene):
        outbox.say_scene_is_unreadable()
    return items


def _know_lights(items: ItemTracker, looked_at: Source, state: Path | None, site: Site, health: Health) -> None:
    """Hand the lights on that a commissioning saw the empty scene in, if there was one with this view."""
    from waste_edge.device.commission import FOLDER, VIEW_NAME
    from waste_edge.device.decision.item_tracker import CameraItemTracker

    if state is None or not looked_at.live or not isinstance(items, CameraItemTracker):
        return
    if not (state / FOLDER / VIEW_NAME).exists():
        return
    from waste_edge.device.commission.view import lights_for
    from waste_edge.device.system.condition import Condition, Level
    from waste_edge.errors import ConfigError

    try:
        items.presence.know_lights(lights_for(state, site))
    except ConfigError as error:
        text = f"{error}; a light that is switched may be taken for an item once: waste-edge commission --restart"
        health.announce(Condition("scene", Level.WARN, text))


def _about_the_camera(
    items: ItemTracker, looked_at: Source, health: Health, state: Path | None, rotate: int
) -> list[Listener]:
    """Build the listeners that compare the camera with the last run's; none for a video, which has no lasting scene."""
    from waste_edge.device.camera_condition import NAME, SameCamera
    from waste_edge.device.decision.item_tracker import CameraItemTracker

    if not isinstance(items, CameraItemTracker) or not looked_at.live:
        return []
    return [SameCamera(items.learn_anew, health, None if state is None else state / NAME, rotate)]


def _site(plan: RunPlan, manifest: Manifest) -> Site:
    """The site a user meant, checked against the model's labels; without one, a stream for each label."""
    from waste_edge.files.strict import read_toml
    from waste_edge.site import Site, find_site, read_site, site_of_labels

    if plan.config.site is not None:
        return read_site(plan.config.site, manifest.labels, manifest.tree)
    if plan.demo:
        own = read_toml(find_site(DEMO_SITE), Site)
        if not own.misfits(manifest.labels, manifest.tree):
            return own
    return site_of_labels(manifest.labels)


def _warning(plan: RunPlan, still_images: bool, manifest: Manifest, site: Site) -> str:
    """Give the one-line warning about this bundle at this source; empty if there is none."""
    from waste_edge.device.vision.inspection import warning_of

    said = [] if still_images else [warning_of(manifest)]
    if plan.demo and plan.config.site is None and site.name != DEMO_SITE.replace("_", " "):
        said.append(f"the demo's site does not fit the labels of {manifest.name}: each label is a stream of its own")
    return "; ".join(filter(None, said))


def _view(plan: RunPlan, still_images: bool, clock: Clock) -> RunView:
    """Choose the output: JSON if asked for; a live panel where a person watches moving pictures; else lines."""
    from waste_edge.device.views.display import JsonView, LineView, RunView

    if plan.silent:
        return RunView()
    if plan.as_json:
        return JsonView(sys.stdout)
    from rich.console import Console

    terminal = Console(highlight=False)
    if still_images or not terminal.is_terminal or terminal.is_dumb_terminal:
        return LineView(sys.stdout, clock)
    from waste_edge.device.views.panel import PanelView

    return PanelView(terminal, clock)
