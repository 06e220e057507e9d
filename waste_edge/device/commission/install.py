"""Installing what a station learnt: a new bundle, proved on this machine, into its model store; and back."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.bundle.manifest import Manifest
from waste_edge.bundle.opening import required_key, sort_key
from waste_edge.bundle.signing import Signer
from waste_edge.device.commission.new_bundle import NOT_BETTER, Origin, write_bundle
from waste_edge.device.commission.outcome import Outcome
from waste_edge.device.commission.records import BUILDING, Records
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.models.roles import Entry
from waste_edge.device.models.store import ModelStore
from waste_edge.engines.trial.trial import verify
from waste_edge.errors import BundleError, ConfigError, UserError
from waste_edge.files.atomic import folder_in_one_piece
from waste_edge.site import Site

_MOST_NAME = 60


@dataclass(frozen=True)
class Installation:
    """Place and conditions of a new bundle's installation.

    Attributes:
        state: the station's folder.
        station: its name.
        site: its streams, which must have one for each label.
        signer: the private key to sign with; None: not signed.
        despite: install a head that is not shown to be better than the shipped one.
        on_probation: a running station watches it from then on, and takes it back if it does badly.
    """

    state: Path
    station: str
    site: Site
    signer: Signer | None = None
    despite: bool = False
    on_probation: bool = False

    def install(self, parent: Bundle, records: Records, outcome: Outcome) -> Entry:
        """Write the new bundle, replay its golden outputs on this machine, and put it in charge.

        Raises:
            UserError: it is no better than the shipped one; the disk is full; or the store is being changed. What was
                in charge still is.
            BundleError: it does not replay here.
            ConfigError: the site has no stream for one of its labels.
        """
        self._refuse_no_better(outcome)
        store = ModelStore(self.state)
        origin = self.origin(parent, store.roles().newest.get(name_of(parent.manifest, self.station), ""))
        with (
            tempfile.TemporaryDirectory(dir=records.folder, prefix=BUILDING) as temporary,
            write_bundle(parent, records, outcome, origin, Path(temporary)) as bundle,
        ):
            self._prove(bundle)
            entry = store.add(bundle)
        gain = outcome.assessment.gain.value * 100
        reason = f"commissioned at {self.station}: {gain:+.0f} points on items left out"
        reason += "" if outcome.better else f", {NOT_BETTER}"
        store.activate(entry, reason, on_probation=self.on_probation)
        return entry

    def write(self, parent: Bundle, records: Records, outcome: Outcome, folder: Path) -> None:
        """Write the new bundle into a folder that there is not yet, for another station or for keeping.

        Raises:
            UserError: the folder exists, or cannot be written.
            BundleError, ConfigError: see `install`.
        """
        self._refuse_no_better(outcome)
        with (
            folder_in_one_piece(folder) as temporary,
            write_bundle(parent, records, outcome, self.origin(parent), temporary) as bundle,
        ):
            self._prove(bundle)

    def origin(self, parent: Bundle, newest: str = "") -> Origin:
        """Name and version of the new bundle; `newest` is the newest version of that name that was in charge."""
        manifest = parent.manifest
        version = version_after(manifest.version, newest)
        return Origin(name_of(manifest, self.station), version, self.station, signer=self.signer)

    def _refuse_no_better(self, outcome: Outcome) -> None:
        if not outcome.better and not self.despite:
            raise UserError(f"not installed: the new head is {outcome.verdict}; or install it all the same: --despite")

    def _prove(self, bundle: Bundle) -> None:
        DecisionPolicy(bundle.manifest, self.site)
        verification = verify(bundle)
        if not verification.ok:
            reasons = "; ".join(replay.reason for replay in verification.artifacts if replay.reason)
            raise BundleError(
                f"{bundle.manifest.name}: the new bundle does not do well here ({reasons}); not installed"
            )


def undo(state: Path) -> Entry | None:
    """Put back what was in charge before; returns it, None for the configured bundle.

    Raises:
        UserError: no installed model is in charge, or one that was not commissioned; nothing was changed.
        BundleError: the one in charge is damaged.
    """
    store = ModelStore(state)
    current = store.current()
    if current is not None:
        with open_bundle(store.path(current)) as bundle:
            if not bundle.manifest.head:
                raise UserError(
                    f"{current.title} is in charge, and was not commissioned, so there is no commissioning to undo; "
                    "waste-edge model rollback takes back any model"
                )
    return store.rollback("commissioning undone")


def check_signer(signer: Signer | None, require_key: Path | None) -> None:
    """Check, before anybody shows anything, that the new bundle can be signed as this device requires.

    Raises:
        ConfigError: a key is required, and there is no private key, or one that does not belong to it.
    """
    required = required_key(require_key)
    if required is None:
        return
    if signer is None:
        raise ConfigError(
            f"this station takes bundles signed by {required.path} alone; give its private key: --sign KEY"
        )
    try:
        required.check(b"waste-edge", signer.sign(b"waste-edge"), Path("--sign"))
    except BundleError as error:
        raise ConfigError(f"--sign: is not the private key of {required.path}, which this station requires") from error


def name_of(manifest: Manifest, station: str) -> str:
    """The new bundle's name: the parent's and the station's, so that a parent is never taken for an older one of it."""
    plain = re.sub(r"[^\w.-]+", "-", station).strip("-.")[:_MOST_NAME] or "station"
    return f"{manifest.name}-{plain}"


def version_after(parent: str, newest: str) -> str:
    """The parent's version with a number behind it that is above what was in charge, whatever the clock says."""
    match = re.fullmatch(re.escape(parent) + r"\.(\d{1,9})", newest)
    if match:
        return f"{parent}.{int(match[1]) + 1}"
    version = f"{parent}.1"
    return version if not newest or sort_key(version) > sort_key(newest) else f"{newest}.1"
