"""Installing a model: found, checked, copied into the store, and then proposed as a candidate or put in charge.

Where nobody watches, as when a stick was plugged in, a refusal is kept beside the store for the running station, whose
health warns of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from waste_edge.bundle.bundle import Bundle, find_bundle, open_bundle
from waste_edge.bundle.opening import open_required, required_key_path, sort_key
from waste_edge.device.models.checks import Demands, Finding, check_model
from waste_edge.device.models.config import ModelsConfig
from waste_edge.device.models.in_use import ModelWish
from waste_edge.device.models.roles import Entry
from waste_edge.device.models.store import ModelStore
from waste_edge.errors import BundleError, ConfigError, UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.limits import MAX_MODEL_ROLES_BYTES
from waste_edge.files.resources import AUTO_BUNDLE, BUNDLES
from waste_edge.files.strict import Strict, read_json, to_json
from waste_edge.files.text import first_line

REFUSED_NAME = "refused.json"
_MOST_LETTERS = 500  # of a reason that is kept
Outcome = Literal["candidate", "activated", "unchanged"]


class Installed(Strict, frozen=True):
    """Result of an installation.

    Attributes:
        outcome: `candidate`: is shown the same items beside the model in charge; `activated`: is in charge;
            `unchanged`: had that role already.
        entry: the model.
        text: the same in one line for people.
        findings: the checks that it passed; empty if it was there.
    """

    outcome: Outcome
    entry: Entry
    text: str
    findings: list[Finding] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class Installer:
    """Installs models at one station.

    Attributes:
        wish: which model the station wants: engine, site, key.
        state: its folder.
        config: its table `[models]`.
        has_answers: people answer there, by which a candidate can be judged.
        allow_older: take an older version than one that was in charge.
        tell: is given each check that was passed.
        unattended: nobody asked for this very model, so one that was taken back here is refused.
    """

    wish: ModelWish
    state: Path
    config: ModelsConfig = field(default_factory=ModelsConfig)
    has_answers: bool = False
    allow_older: bool = False
    tell: Callable[[Finding], None] = lambda found: None
    unattended: bool = False

    @property
    def store(self) -> ModelStore:
        """The station's store."""
        return ModelStore(self.state)

    def install(self, given: str, now: bool = False) -> Installed:
        """Install a model.

        Args:
            given: see `found_bundle`.
            now: put it in charge at once, without the comparison.

        Raises:
            BundleError: it is no bundle, or failed a check.
            UserError: it cannot be fetched or kept; or it would have to be compared where nobody answers.
            ConfigError, MissingPackageError: the key cannot be read; the file of roles is damaged.
        """
        from waste_edge.device.models.fetch import found_bundle  # not by every station that starts

        compares = self.config.shadow and not now
        if compares and not self.has_answers:
            raise UserError(
                "this station asks nobody (station.toml has no table [answers]), so a candidate would never be judged; "
                "--now, or shadow = false in [models], puts it in charge at once and on probation"
            )
        key = required_key_path(self.wish.require_key)
        with (
            found_bundle(given, self.store, self.config.max_mb, key is not None) as path,
            open_required(str(path.absolute()), key, self.allow_older) as bundle,
        ):
            known = self._known(bundle, compares)
            if known is not None:
                forget_refusal(self.store)
                return known
            self._check_taken_back(bundle)
            self._check_configured(bundle)
            demands = Demands(
                store=self.store,
                engine=self.wish.engine,
                site_of=self.wish.site_of,
                max_mb=self.config.max_mb,
                allow_older=self.allow_older,
                signed_by="" if key is None else str(key),
            )
            checked = check_model(bundle, demands, self.tell)
            entry = self.store.add(bundle)
        installed = self._put(entry, compares, given, checked.findings)
        forget_refusal(self.store)
        return installed

    def _known(self, bundle: Bundle, compares: bool) -> Installed | None:
        roles = self.store.roles()
        if roles.current is not None and roles.current.digest == bundle.digest:
            text = f"{roles.current.title} is in charge already"
            return Installed(outcome="unchanged", entry=roles.current, text=text)
        if compares and roles.candidate is not None and roles.candidate.digest == bundle.digest:
            text = f"{roles.candidate.title} is the candidate already"
            return Installed(outcome="unchanged", entry=roles.candidate, text=text)
        return None

    def _check_taken_back(self, bundle: Bundle) -> None:
        """Refuse one that was rolled back or refused at this station before, unless a person asks for it."""
        if self.unattended and bundle.digest in self.store.roles().taken_back:
            name, version = bundle.manifest.name, bundle.manifest.version
            raise BundleError(
                f"{bundle.source}: {name} {version} was taken back at this station before, and is not taken again by "
                "itself; waste-edge model install takes it"
            )

    def _check_configured(self, bundle: Bundle) -> None:
        """Refuse one that is older than the configured bundle of its name, while that one is in charge."""
        if self.allow_older or self.store.current() is not None:
            return
        given = self.wish.bundle
        for path in BUNDLES.iterdir() if given == AUTO_BUNDLE else [find_bundle(given)]:
            with contextlib.suppress(BundleError), open_bundle(path) as configured:
                ours, theirs = configured.manifest, bundle.manifest
                if ours.name == theirs.name and sort_key(theirs.version) < sort_key(ours.version):
                    break
        else:
            return
        raise BundleError(
            f"{bundle.source}: is version {theirs.version} of {theirs.name}, and {ours.version} is in charge here; an "
            "older one is taken with --allow-older"
        )

    def _put(self, entry: Entry, compares: bool, given: str, findings: list[Finding]) -> Installed:
        if compares:
            self.store.propose(entry, f"installed from {given}")
            text = (
                f"{entry.title} is the candidate: it is shown the same items as the model in charge, and takes over "
                "once people's answers show that it is better (waste-edge model status)"
            )
            return Installed(outcome="candidate", entry=entry, text=text, findings=findings)
        watched = self.config.probation_items
        self.store.activate(entry, f"installed from {given}, without a comparison", on_probation=watched > 0)
        then = f"and on probation for {watched} items" if watched else "and not on probation"
        text = f"{entry.title} is in charge, without a comparison with the model before it, {then}"
        return Installed(outcome="activated", entry=entry, text=text, findings=findings)


class Refusal(Strict, frozen=True):
    """A model that was refused while nobody watched.

    Attributes:
        time_utc: of the wall clock, for people.
        reason: the line that the refusal said.
    """

    time_utc: str
    reason: str


def keep_refusal(store: ModelStore, error: Exception) -> None:
    """Keep why a model was refused, for the running station to tell; the newest one only.

    Raises:
        UserError: the store cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    refusal = Refusal(time_utc=now, reason=first_line(error)[:_MOST_LETTERS])
    write_atomically(store.folder / REFUSED_NAME, to_json(refusal))
    store.give_to_owner()


def read_refusal(store: ModelStore) -> Refusal | None:
    """Read the refusal that no installation has followed; None if there is none, or it cannot be read."""
    try:
        return read_json(store.folder / REFUSED_NAME, Refusal, MAX_MODEL_ROLES_BYTES)
    except ConfigError:
        return None


def forget_refusal(store: ModelStore) -> None:
    """Drop it, since a model was taken after it."""
    with contextlib.suppress(OSError):
        (store.folder / REFUSED_NAME).unlink()


class FolderWatch:
    """Looks into a folder for a bundle that was not seen before, such as on a stick that was plugged in.

    Args:
        folder: looked into, if it is there.

    Attributes:
        trouble: why the newest bundle in it was not installed; empty if it was.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: frozenset[tuple[str, int, int]] = frozenset()
        self.trouble = ""

    def look(self, installer: Installer) -> Installed | None:
        """Install the newest bundle in the folder, if it changed since the last look; None if there is nothing new."""
        seen = self._listing()
        if seen == self._seen:
            return None
        from waste_edge.device.models.fetch import bundles_in, newest_in

        self._seen, self.trouble = seen, ""
        try:
            if not seen or not any(bundles_in(self._folder)):
                return None
            unattended = replace(installer, unattended=True)
            installed = unattended.install(str(newest_in(self._folder)), now=not installer.config.shadow)
        except (UserError, BundleError) as error:
            self.trouble = str(error)
            return None
        return None if installed.outcome == "unchanged" else installed

    def _listing(self) -> frozenset[tuple[str, int, int]]:
        """Names, sizes and times of what lies there: a file that is still being copied is looked at again later."""
        try:
            states = [(path.name, path.stat()) for path in self._folder.iterdir()]
        except OSError:
            return frozenset()
        return frozenset((name, state.st_size, state.st_mtime_ns) for name, state in states)
