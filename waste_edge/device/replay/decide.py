"""An item decided again, from what the outbox kept of it: by another site, bundle, or the same ones.

The numbers go through the very functions of the station, `Predictor.predict_kept` and `DecisionPolicy.decide_seen`, so
that the same bundle and site decide the same, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from waste_edge.bundle.bundle import Bundle, find_bundle, open_bundle
from waste_edge.bundle.signing import RequiredKey
from waste_edge.device.decision.policy import Decision, DecisionPolicy
from waste_edge.device.outbox.looks import KeptLooks
from waste_edge.device.outbox.read_only import KeptItem
from waste_edge.device.vision.inspection import Visibility
from waste_edge.engines.classifier import ModelId, Prediction, predictor_of
from waste_edge.errors import BundleError, ConfigError, DataError
from waste_edge.files.resources import AUTO_BUNDLE, BUNDLES
from waste_edge.site import Site

if TYPE_CHECKING:
    from waste_edge.device.config import StationConfig

NOT_KEPT = "nothing was kept of what they were decided from"
OTHER_NETWORK = "another network file answered"
OTHER_VIEW = "they were seen with another region or rotate"
APART = "things lay apart, and the network was not asked"
DAMAGED = "their events or features are damaged"


class NotReplayedError(Exception):
    """An item that cannot be decided again; the message is one of the reasons above."""


@dataclass(frozen=True, eq=False)
class Redone:
    """An item decided again.

    Attributes:
        before: the decision as it was told.
        after: by the replayed site and bundle.
        predictions: that `after` was made from; none where it needs none.
    """

    before: Decision
    after: Decision
    predictions: tuple[Prediction, ...]


class Replay:
    """A bundle and a site that decide kept items.

    Args:
        bundle: opened; none of its networks is loaded.
        site: covers its labels.

    Attributes:
        policy: of both.

    Raises:
        BundleError: what the bundle learnt is damaged.
        ConfigError: the site does not fit the labels.
    """

    def __init__(self, bundle: Bundle, site: Site) -> None:
        self.bundle = bundle
        self.policy = DecisionPolicy(bundle.manifest, site)
        artifacts = bundle.manifest.artifacts
        self._predictor = predictor_of(bundle, next(iter(artifacts)))  # all of its networks are judged alike
        self._networks = {entry.sha256 for entry in artifacts.values()}

    def takes(self, model: ModelId) -> bool:
        """Return whether answers of this network are what the bundle's own would be."""
        return model.network in self._networks and model.input == self.bundle.manifest.input

    def redo(self, item: KeptItem) -> Redone:
        """Decide an item again.

        Raises:
            NotReplayedError: it cannot be; see the reasons of this module.
        """
        looks = item.looks
        if looks is None:
            raise NotReplayedError(NOT_KEPT)
        try:
            before = msgspec.convert(item.record.event["decision"], Decision)
            visibility = Visibility(item.record.event.get("visibility", Visibility.WELL))
        except (msgspec.ValidationError, ValueError, TypeError, KeyError) as error:
            raise NotReplayedError(DAMAGED) from error
        predictions = self._predictions(looks, visibility)
        return Redone(before, self.policy.decide_seen(predictions, visibility, looks.parts), predictions)

    def _predictions(self, looks: KeptLooks, visibility: Visibility) -> tuple[Prediction, ...]:
        """Judge what the network said by this bundle; none for an item that is decided without."""
        if not looks.setting.sees_as(self.policy.site):
            raise NotReplayedError(OTHER_VIEW)
        if not self.policy.needs_answers(visibility):
            return ()
        if visibility is Visibility.SEVERAL and looks.setting.several != "largest":
            raise NotReplayedError(APART)
        model = looks.setting.model
        if model is None or not looks.outputs:
            raise NotReplayedError(DAMAGED)
        if not self.takes(model):
            raise NotReplayedError(OTHER_NETWORK)
        try:
            return tuple(self._predictor.predict_kept(output) for output in looks.outputs)
        except ValueError as error:
            raise NotReplayedError(DAMAGED) from error


def require_same_network(replay: Replay, models: Sequence[ModelId]) -> None:
    """Refuse a bundle that has none of the networks that answered.

    Raises:
        DataError: it has not; the message says what answered, and the remedy.
    """
    if not models or any(replay.takes(model) for model in models):
        return
    newest = models[-1]
    raise DataError(
        f"{replay.bundle.source}: has other network files than the one that answered here ({newest.title}, "
        f"{newest.artifact}), so its features cannot be told from those that were kept; let it run in shadow: "
        "waste-edge model install"
    )


def bundle_that_answered(
    model: ModelId | None, state: Path, station: StationConfig | None, key: RequiredKey | None
) -> Bundle:
    """Find the bundle by which a station decides: an installed one, the configured one, or a shipped one.

    Args:
        model: what answered last; None: nothing is known of it.
        state: the station's folder.
        station: its configuration, if there is one.
        key: what bundles must be signed by.

    Raises:
        DataError: it is not on this machine.
    """
    if model is None:
        raise DataError(f"{state}: no item's features are kept there, so nothing can be replayed")
    for path in _places(state, station):
        try:
            bundle = open_bundle(path, key)
        except (BundleError, ConfigError):  # what cannot be opened did not answer
            continue
        if bundle.digest == model.bundle:
            return bundle
        bundle.close()
    raise DataError(
        f"{model.title}, which decided last at this station, is not on this machine (SHA-256 of its manifest "
        f"{model.bundle[:12]}…); give it with --bundle"
    )


def _places(state: Path, station: StationConfig | None) -> Iterator[Path]:
    from waste_edge.device.models.roles import has_roles
    from waste_edge.device.models.store import STORE_NAME, ModelStore

    if has_roles(state / STORE_NAME):
        store = ModelStore(state)
        yield from (store.path(entry) for entry in store.installed())
    if station is not None and station.bundle != AUTO_BUNDLE:
        yield find_bundle(station.bundle)
    yield from sorted(path for path in BUNDLES.iterdir() if path.is_dir())
