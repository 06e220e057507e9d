"""The parts of one commissioning, put together from a station's configuration: bundle, site, eye, records."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.opening import open_required
from waste_edge.device.bundle_choice import EngineWish, choose_bundle
from waste_edge.device.cameras import Source, camera_source, media_source
from waste_edge.device.capture import Messages, start_capture
from waste_edge.device.clock import SystemClock
from waste_edge.device.commission.records import Records, opened_records
from waste_edge.device.commission.shooting import Shutter
from waste_edge.device.commission.view import View
from waste_edge.device.config import StationConfig, state_folder
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.errors import ConfigError
from waste_edge.files.strict import read_toml
from waste_edge.site import Site, find_site, site_of_labels


@dataclass(frozen=True, eq=False)
class Session:
    """Open parts of a commissioning.

    Attributes:
        config: of the station.
        state: its folder.
        bundle: that the head is fitted beside: the configured one.
        classifier: its network, loaded.
        site: the station's, which has a stream for every label.
        records: of what was shown.
        view: how the picture is turned, which part of it is watched.
    """

    config: StationConfig
    state: Path
    bundle: Bundle
    classifier: Classifier
    site: Site
    records: Records
    view: View

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
def opened_session(config: StationConfig, own: Mapping[str, str], restart: bool = False) -> Iterator[Session]:
    """Open what a commissioning needs, in the station's state folder.

    Args:
        config: of the station.
        own: labels of its own, each with the label of the model that it goes with.
        restart: forget what was shown before.

    Raises:
        ConfigError: no state folder, a site that does not fit, a bundle that was commissioned itself, other records.
        BundleError, MissingPackageError, EngineError: the bundle cannot be used.
        UserError: the folder cannot be written, or is in use.
    """
    state = state_folder(config)
    if state is None:
        raise ConfigError(
            "no state folder: a commissioning is kept there; give --state DIR, or `state` in station.toml"
        )
    key = None if config.require_key is None else Path(config.require_key)
    opened = partial(open_required, require_key=key, allow_older=config.allow_older)
    wish = EngineWish(config.engine, config.precision, config.threads)
    choice = choose_bundle(config.bundle, opened, wish, state, remember=True)
    with contextlib.ExitStack() as stack:
        bundle = stack.enter_context(opened(choice.bundle))
        if bundle.manifest.head:
            raise ConfigError(
                f"{bundle.source}: was commissioned itself, from {bundle.manifest.head.parent}; configure that one: "
                "what this station was shown goes on from there"
            )
        records = stack.enter_context(opened_records(state, bundle, dict(own), restart))
        site = _site(config, bundle, records)
        classifier = load_classifier(bundle, config.engine, config.precision, config.threads)
        view = View(records.folder, site)
        yield Session(config, state, bundle, classifier, site, records, view)


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
