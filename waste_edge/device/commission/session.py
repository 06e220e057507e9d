"""The parts of one commissioning, put together from a station's configuration: bundle, site, eye, records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import Bundle, digest_of
from waste_edge.bundle.opening import open_required
from waste_edge.device.bundle_choice import EngineWish, choose_bundle
from waste_edge.device.cameras import Source, camera_source, media_source
from waste_edge.device.capture import Messages, start_capture
from waste_edge.device.clock import SystemClock
from waste_edge.device.commission.records import Records, opened_records
from waste_edge.device.commission.shooting import Shutter
from waste_edge.device.commission.view import View
from waste_edge.device.config import StationConfig, state_folder
from waste_edge.device.models.roles import has_roles
from waste_edge.device.models.store import STORE_NAME, ModelStore, in_charge
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.errors import ConfigError
from waste_edge.files.resources import BUNDLES
from waste_edge.files.strict import read_toml
from waste_edge.heads import Incumbent
from waste_edge.site import Site, find_site, site_of_labels


@dataclass(frozen=True, eq=False)
class Session:
    """Open parts of a commissioning.

    Attributes:
        config: of the station.
        state: its folder.
        bundle: that the head is fitted beside: the one in charge, or the one that the head in charge was learnt beside.
        classifier: its network, loaded.
        site: the station's, which has a stream for every label.
        records: of what was shown.
        view: how the picture is turned, which part of it is watched.
        start: which bundle it starts from and why, in one line; empty if it is the configured one.
        incumbent: the head of the same networks that is in charge; None where there is none.
    """

    config: StationConfig
    state: Path
    bundle: Bundle
    classifier: Classifier
    site: Site
    records: Records
    view: View
    start: str = ""
    incumbent: Incumbent | None = None

    def shutter(self, live: bool) -> Shutter:
        """The station's eye."""
        return Shutter(self.classifier, self._neutral(), live)

    def source(self) -> Source:
        """The camera or film of the configuration.

        Raises:
            ConfigError: it has none.
        """
        clock = SystemClock()
        if self.config.camera is not None:
            return camera_source(self.config.camera, clock, self.config.camera_python)
        if self.config.source is None:
            raise ConfigError("no camera: give --camera [ID], --source PATH|URL, or --shots FOLDER")
        return media_source(self.config.source, clock)

    @contextlib.contextmanager
    def messages(self, source: Source) -> Iterator[Messages]:
        """Frames of a source as the camera gives them, for as long as the block lasts."""
        messages = start_capture(source, SystemClock(), None)
        try:
            yield messages
        finally:
            messages.close()

    def _neutral(self) -> Site:
        """The view with a stream a label: where an item goes does not matter while it is shown."""
        site, watched = site_of_labels(self.bundle.manifest.labels), self.view.watched
        return msgspec.structs.replace(site, region=watched.region, rotate=watched.rotate)


@contextlib.contextmanager
def opened_session(
    config: StationConfig, own: Mapping[str, str], restart: bool = False, bundle_named: bool = False
) -> Iterator[Session]:
    """Open what a commissioning needs, in the station's state folder.

    Args:
        config: of the station.
        own: labels of its own, each with the label of the model that it goes with.
        restart: forget what was shown before.
        bundle_named: the command line names the bundle, which is then started from whatever is installed.

    Raises:
        ConfigError: no state folder, a site that does not fit, a bundle that was commissioned itself, other records; or
            a head is in charge whose networks are found nowhere.
        BundleError, MissingPackageError, EngineError: the bundle cannot be used.
        UserError: the folder cannot be written, or is in use.
    """
    state = state_folder(config)
    if state is None:
        raise ConfigError(
            "no state folder: a commissioning is kept there; give --state DIR, or `state` in station.toml"
        )
    with contextlib.ExitStack() as stack:
        start = _start(config, state, bundle_named)
        bundle = stack.enter_context(start.bundle)
        records = stack.enter_context(opened_records(state, bundle, dict(own), restart))
        site = _site(config, bundle, records)
        classifier = load_classifier(bundle, config.engine, config.precision, config.threads)
        view = View(records.folder, site)
        yield Session(config, state, bundle, classifier, site, records, view, start.text, start.incumbent)


@dataclass(frozen=True, eq=False)
class _Start:
    """The bundle that a commissioning starts from, opened; why, in words; and the head of its networks in charge."""

    bundle: Bundle
    text: str = ""
    incumbent: Incumbent | None = None


def _start(config: StationConfig, state: Path, bundle_named: bool) -> _Start:
    """Open the bundle to start from: the one in charge, or the one that the head in charge was learnt beside.

    What is installed at the end takes the place of what is in charge, so that is what it has to be compared with.
    """
    store = ModelStore(state) if has_roles(state / STORE_NAME) else None
    entry = None if store is None else in_charge(store)[0]
    key = None if config.require_key is None else Path(config.require_key)
    # As a station opens them: where models are installed, versions are compared when one is.
    opened = partial(open_required, require_key=key, allow_older=config.allow_older or store is not None)
    if store is None or entry is None:
        return _Start(_configured(config, state, opened))
    with contextlib.ExitStack() as stack:
        current = opened(str(store.path(entry)))
        if not (head := current.manifest.head) and not bundle_named:
            return _Start(current, f"starts from {entry.title}, which is installed and in charge")
        stack.enter_context(current)
        bundle = _configured(config, state, opened)
        if head and bundle.digest == head.parent_digest:
            return _Start(bundle, "", _incumbent(current))
        if bundle_named:
            text = f"{entry.title} is in charge, and is not compared: --bundle was given"
            return _Start(bundle, "" if bundle.digest == current.digest else text)
        bundle.close()
        assert head
        if (path := _parent(store, head.parent_digest)) is None:
            raise ConfigError(
                f"{entry.title} is in charge, and {head.parent}, which it was commissioned from, is neither configured "
                "nor installed; name the bundle to start from: --bundle"
            )
        text = f"starts from {head.parent}, which {entry.title}, in charge, was commissioned from"
        return _Start(opened(str(path)), text, _incumbent(current))


def _configured(config: StationConfig, state: Path, opened: Callable[[str], Bundle]) -> Bundle:
    wish = EngineWish(config.engine, config.precision, config.threads)
    bundle = opened(choose_bundle(config.bundle, opened, wish, state, remember=True).bundle)
    if bundle.manifest.head:
        parent = bundle.manifest.head.parent
        bundle.close()
        raise ConfigError(
            f"{bundle.source}: was commissioned itself, from {parent}; configure that one: "
            "what this station was shown goes on from there"
        )
    return bundle


def _parent(store: ModelStore, digest: str) -> Path | None:
    """The bundle of that digest: an installed one, or one that came with the program; None if there is none."""
    shipped = (folder for folder in BUNDLES.iterdir() if digest_of(folder) == digest)
    return store.of_digest(digest) or next(shipped, None)


def _incumbent(bundle: Bundle) -> Incumbent | None:
    """The head of a bundle, and what it was fitted to."""
    manifest, head, items = bundle.manifest, bundle.head(), bundle.head_items()
    if head is None:
        return None
    fitted = None if items is None else items.fitted
    return Incumbent(f"{manifest.name} {manifest.version}", head, manifest.labels, fitted)


def _site(config: StationConfig, bundle: Bundle, records: Records) -> Site:
    """The station's site, checked against all labels, its own among them."""
    labels, tree = records.setup.all_labels, bundle.manifest.tree | records.setup.own
    if config.site is None:
        return site_of_labels(labels)
    path = find_site(config.site)
    site = read_toml(path, Site)
    try:
        site.check_covers(labels, tree)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return site
