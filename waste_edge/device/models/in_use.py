"""The model that a station uses: the installed one that is in charge, else the bundle that its configuration names.

An installed model that cannot be loaded does not keep the station from starting: the one before it is used, and health
says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import Manifest
from waste_edge.bundle.opening import open_required
from waste_edge.device.bundle_choice import BundleChoice, EngineWish, choose_bundle
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.models.figures import count_start
from waste_edge.device.models.roles import Entry, has_roles
from waste_edge.device.models.store import STORE_NAME, ModelStore, in_charge
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.vision.inspection import look_ms_of, looks_that_fit, warning_of
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.errors import BundleError, EngineError, UserError
from waste_edge.item import count_looks
from waste_edge.site import Site

MOST_STARTS = 3  # of the station with a model on probation, without coming through
TAKEN_BACK = "taken back by the station"  # so begins the reason of what no person did


@dataclass(frozen=True)
class ModelWish:
    """The model that a station wants.

    Attributes:
        bundle: as its configuration names it.
        engine: what to run it with.
        site_of: its site, checked against a bundle's labels; raises ConfigError.
        state: its folder; None: nothing is installed.
        looks: how often an item is shown to it.
        require_key: the public key that it must be signed by; None: that of the environment, if any.
        allow_older: take an older version of the bundle than this device has used.
        bundle_named: the command line names the bundle, which is then used whatever is installed.
        remember: keep in the folder what was measured.
    """

    bundle: str
    engine: EngineWish
    site_of: Callable[[Manifest], Site]
    state: Path | None = None
    looks: int | Literal["auto"] = "auto"
    require_key: Path | None = None
    allow_older: bool = False
    bundle_named: bool = False
    remember: bool = True

    @property
    def store(self) -> ModelStore | None:
        """The store, if anything was ever installed there."""
        if self.state is None or not has_roles(self.state / STORE_NAME):
            return None
        return ModelStore(self.state)

    def opened(self, given: str) -> Bundle:
        """Open a bundle, by the key that the station requires; raises as `open_required` does.

        Where models are installed, versions are compared when one is: a rollback goes back to an older one, if need be
        to the configured bundle.
        """
        return open_required(given, self.require_key, self.allow_older or self.store is not None)

    def choice(self) -> BundleChoice:
        """Choose the bundle that the configuration names, or the best that this board can run; raises as that does."""
        return choose_bundle(self.bundle, self.opened, self.engine, self.state, self.remember)


@dataclass(frozen=True, eq=False)
class ModelInUse:
    """A loaded model, with all that depends on it.

    Attributes:
        bundle: opened; whoever loaded it closes it.
        classifier: its network.
        site: the station's, checked against its labels.
        policy: decides with both.
        looks: how often an item is shown to it.
        look_ms: what a look takes here.
        reason: why this one, in one line; empty for a bundle that was named.
        entry: the installed model that it is; None: the configured bundle.
        fault: why an installed model that should be in charge is not, in words; empty if it is.
    """

    bundle: Bundle
    classifier: Classifier
    site: Site
    policy: DecisionPolicy
    looks: int
    look_ms: float
    reason: str = ""
    entry: Entry | None = None
    fault: str = ""

    @property
    def title(self) -> str:
        """Its name and version."""
        return f"{self.bundle.manifest.name} {self.bundle.manifest.version}"

    def condition(self, still_images: bool = False) -> Condition:
        """Tell, as health has it, whether it is the one that should run, and was made for what a camera shows."""
        warning = "" if still_images else warning_of(self.bundle.manifest)
        if self.fault:
            return Condition("bundle", Level.WARN, f"{self.title} is used, since {self.fault}")
        return Condition("bundle", Level.WARN if warning else Level.OK, warning or self.title)


def load_model(wish: ModelWish, starting: bool = False) -> ModelInUse:
    """Load the model that a station is to use.

    Args:
        wish: of the station.
        starting: the station starts with it: starts of a model on probation are counted, and one with which the
            station ended MOST_STARTS times is taken back.

    Raises:
        WasteEdgeError: the bundle that the configuration names cannot be used.
        ConfigError: the site does not fit the labels, also of an installed model: its file has to be mended.
    """
    store, passed_over, faults = wish.store, list[Entry](), list[str]()
    while store is not None and not wish.bundle_named:
        entry, fault = in_charge(store, passed_over)
        faults += [fault] if fault and fault not in faults else []
        if entry is None:
            break
        if starting and _ends_too_often(store, entry):
            continue
        try:
            return load_installed(wish, store, entry, "; ".join(faults))
        except (BundleError, EngineError) as error:
            faults.append(str(error))
            passed_over.append(entry)
            _take_back(store, entry, error)
    choice = wish.choice()
    fault = "; ".join(faults)
    return _loaded(wish, partial(wish.opened, choice.bundle), choice, None, fault)


def load_installed(wish: ModelWish, store: ModelStore, entry: Entry, fault: str = "") -> ModelInUse:
    """Load an installed model.

    Raises:
        BundleError: it is damaged, or not signed by the key that the station requires.
        EngineError, ConfigError, MissingPackageError: it cannot be run here, or the site does not fit its labels.
    """
    choice = BundleChoice(str(store.path(entry)), f"{entry.title} is installed (waste-edge model status)")
    return _loaded(wish, partial(wish.opened, choice.bundle), choice, entry, fault)


def chosen_bundle(wish: ModelWish) -> BundleChoice:
    """Choose the bundle as `load_model` does, without loading anything; raises as `choose_bundle` does."""
    store = wish.store
    if store is not None and not wish.bundle_named:
        entry, fault = in_charge(store)
        if entry is not None:
            return BundleChoice(str(store.path(entry)), f"{entry.title} is installed (waste-edge model status)")
        if fault:
            choice = wish.choice()
            return BundleChoice(choice.bundle, f"{choice.bundle}, since {fault}", choice.look_ms)
    return wish.choice()


def _loaded(
    wish: ModelWish, opens: Callable[[], Bundle], choice: BundleChoice, entry: Entry | None, fault: str
) -> ModelInUse:
    bundle, engine = opens(), wish.engine
    try:
        site = wish.site_of(bundle.manifest)
        classifier = load_classifier(bundle, engine.engine, engine.precision, engine.threads)
        look_ms = choice.look_ms or look_ms_of(classifier)
    except BaseException:
        bundle.close()
        raise
    policy, most = DecisionPolicy(bundle.manifest, site), count_looks(bundle.manifest.input.view)
    looks = looks_that_fit(look_ms, wish.looks, most)
    return ModelInUse(bundle, classifier, site, policy, looks, look_ms, choice.reason, entry, fault)


def _ends_too_often(store: ModelStore, entry: Entry) -> bool:
    """Count a start on probation; take a model back with which the station ended again and again."""
    roles = store.roles()
    if not roles.on_probation or roles.current != entry or count_start(store.folder, entry) <= MOST_STARTS:
        return False
    try:
        store.rollback(f"{TAKEN_BACK}: the station ended {MOST_STARTS} times while it was on probation")
    except UserError:  # the disk cannot be written, and so nothing was counted either
        return False
    return True


def _take_back(store: ModelStore, entry: Entry, error: Exception) -> None:
    """End the probation of a model that cannot even be loaded; another one stays installed, for people to see to."""
    roles = store.roles()
    if roles.on_probation and roles.current == entry:
        try:
            store.rollback(f"{TAKEN_BACK}: it cannot be loaded: {error}")
        except UserError:  # the disk cannot be written: it is passed over at each start
            return
