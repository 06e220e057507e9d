"""The store of a station's installed models, in its state folder: `models/`.

A model is copied beside the others first, checked and flushed; then one small file (`roles.py`) is replaced that says
which one is in charge. A power cut at any moment leaves the model from before or the new one, whole. The store keeps
the model in charge, the one before it, and a candidate; and of those with a station's head the bundle that it was
learnt beside, if that was installed: the next head starts from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import Bundle, digest_of, find_bundle, open_bundle
from waste_edge.bundle.opening import sort_key
from waste_edge.device.models.roles import (
    Action,
    Change,
    Entry,
    Roles,
    changed,
    flush_folder,
    read_history,
    read_roles,
    write_history,
    write_roles,
)
from waste_edge.errors import BundleError, ConfigError, UserError
from waste_edge.files.atomic import telling_a_full_disk

STORE_NAME = "models"
_LOCK_NAME = ".lock"
_COPYING = ".copying-"
_PATIENCE_S = 5.0  # for another process that is changing the roles, which takes milliseconds
_DIGEST_LETTERS = 12  # at the end of a folder's name
_MOST_NAMES = 100
_MOST_TAKEN_BACK = 100


class ModelStore:
    """The installed models of one station.

    Args:
        state: the station's state folder.
        patience_s: how long to wait for another process that changes the roles; a station's loop waits not at all.

    Raises of every method that changes something:
        UserError: the disk cannot be written, or another process is changing the roles; nothing was changed.
        ConfigError: the file of roles is damaged.
    """

    def __init__(self, state: Path, patience_s: float = _PATIENCE_S) -> None:
        self.folder = state / STORE_NAME
        self._state = state
        self._patience_s = patience_s

    def roles(self) -> Roles:
        """Read which model has which role.

        Raises:
            ConfigError: the file is damaged.
        """
        return read_roles(self.folder)

    def current(self) -> Entry | None:
        """The model in charge; None: the configured bundle."""
        return self.roles().current

    def installed(self) -> list[Entry]:
        """The models that have a role, and are there: the one in charge first."""
        return [one for one in self.roles().entries() if self.path(one).is_dir()]

    def history(self) -> list[Change]:
        """The changes of the roles, oldest first."""
        return read_history(self.folder, self.roles())

    def path(self, entry: Entry) -> Path:
        """The folder of an installed model."""
        return self.folder / entry.folder

    def of_digest(self, digest: str) -> Path | None:
        """The folder of the bundle with that digest, with a role or without; None if it is not there."""
        folders = self.folder.glob(f"*-{digest[:_DIGEST_LETTERS]}")
        return next((folder for folder in folders if digest_of(folder) == digest), None)

    def open(self, entry: Entry) -> Bundle:
        """Open an installed model, after every file's SHA-256 was checked.

        Raises:
            BundleError: it is missing, damaged, or not the one that was installed.
        """
        bundle = open_bundle(self.path(entry))
        try:
            if bundle.digest != entry.digest:
                raise BundleError(f"{bundle.source}: is not the {entry.title} that was installed; install it again")
            bundle.verify_checksums()
        except BaseException:
            bundle.close()
            raise
        return bundle

    def add(self, source: Bundle | Path) -> Entry:
        """Copy a bundle into the store. It has no role yet: `activate` or `propose` it next, or it is removed later.

        Args:
            source: an opened bundle, whose signature was checked if one is required; or a folder or `.zip`.

        Raises:
            BundleError: damaged, or not a bundle.
        """
        if not isinstance(source, Bundle):
            with open_bundle(find_bundle(str(source))) as opened:
                return self.add(opened)
        entry = _entry_of(source)
        try:
            self.open(entry).close()
        except BundleError:
            self._copy(source, entry)
        return entry

    def propose(self, entry: Entry, reason: str) -> None:
        """Make an added model the candidate, in the place of any other."""
        roles = self.roles()
        number = 1 if roles.last is None else roles.last.number + 1
        again = _without(roles.taken_back, entry)
        self._change("proposed", entry, reason, candidate=self._present(entry), proposal=number, taken_back=again)

    def withdraw(self, reason: str) -> None:
        """Take the candidate out again, if there is one."""
        roles = self.roles()
        if roles.candidate is not None:
            taken = _with(roles.taken_back, roles.candidate)
            self._change("withdrawn", roles.candidate, reason, candidate=None, taken_back=taken)

    def activate(self, entry: Entry, reason: str, on_probation: bool = False) -> None:
        """Put an added model in charge; the one before it can be had back by `rollback`.

        Args:
            entry: as `add` returned it.
            reason: for the history.
            on_probation: it is watched from now on, and taken back if it does badly.
        """
        roles = self.roles()
        self._present(entry)
        if roles.current == entry:
            self._change("activated", entry, reason, on_probation=on_probation)
            return
        candidate = None if roles.candidate == entry else roles.candidate
        newest = [(name, version) for name, version in roles.newest.items() if name != entry.name]
        version = max(roles.newest.get(entry.name, entry.version), entry.version, key=sort_key)
        self._change(
            "activated",
            entry,
            reason,
            current=entry,
            previous=roles.current,
            candidate=candidate,
            on_probation=on_probation,
            newest=dict([*newest, (entry.name, version)][-_MOST_NAMES:]),
            taken_back=_without(roles.taken_back, entry),
        )

    def confirm(self, reason: str) -> None:
        """End the probation of the model in charge well."""
        roles = self.roles()
        if roles.on_probation:
            self._change("confirmed", roles.current, reason, on_probation=False)

    def rollback(self, reason: str) -> Entry | None:
        """Put the model from before in charge again; from that one, a second time, the configured bundle.

        Returns:
            The model that is in charge now; None: the configured bundle.

        Raises:
            UserError: the configured bundle is in charge, so there is nothing to go back from.
        """
        roles = self.roles()
        if roles.current is None:
            raise UserError(f"{self.folder}: no installed model is in charge, so there is none to take back")
        back = roles.previous if self._is_whole(roles.previous) else None
        taken = _with(roles.taken_back, roles.current)
        self._change("rolled_back", back, reason, current=back, previous=None, on_probation=False, taken_back=taken)
        return back

    def check_version(self, bundle: Bundle) -> None:
        """Refuse a bundle that is older than one of its name that was in charge here.

        Raises:
            BundleError: it is older.
        """
        name, version = bundle.manifest.name, bundle.manifest.version
        newest = self.roles().newest.get(name)
        if newest is not None and sort_key(version) < sort_key(newest):
            raise BundleError(
                f"{bundle.source}: is version {version} of {name}, and {newest} was in charge here; an older one is "
                "taken with --allow-older"
            )

    def _is_whole(self, entry: Entry | None) -> bool:
        try:
            if entry is not None:
                self.open(entry).close()
        except BundleError:
            return False
        return True

    def _present(self, entry: Entry) -> Entry:
        self.open(entry).close()
        return entry

    def _change(self, action: Action, entry: Entry | None, reason: str, **values: object) -> None:
        with self._locked():
            roles = self.roles()
            history, change = read_history(self.folder, roles), changed(roles, action, entry, reason)
            roles = msgspec.structs.replace(roles, last=change, **values)
            write_roles(self.folder, roles)
            write_history(self.folder, [*history, change])
            self._remove_all_but(roles.entries())
            self.give_to_owner()

    def _copy(self, source: Bundle, entry: Entry) -> None:
        """Copy into a folder of another name, then rename it: what has the entry's name is whole."""
        with telling_a_full_disk("free some space"), self.scratch() as temporary:
            source.copy_to(temporary)
            os.chmod(temporary, 0o755)
            flush_folder(temporary)
            with self._locked():
                self._remove_all_but([*self.roles().entries(), entry])
                shutil.rmtree(self.path(entry), ignore_errors=True)  # damaged, or it would not have come here
                os.replace(temporary, self.path(entry))
                flush_folder(self.folder)
                self.give_to_owner()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder to copy into, locked as long as its process lives; what is left of it is removed."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=_COPYING))
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be written ({error.strerror}); who owns the folder?") from error
        handle = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            os.close(handle)

    def _remove_all_but(self, entries: list[Entry]) -> None:
        kept = {entry.folder for entry in entries}
        kept |= {found.name for entry in entries if (found := self._parent_of(entry)) is not None}
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in kept and not _is_in_use(path):
                shutil.rmtree(path, ignore_errors=True)

    def _parent_of(self, entry: Entry) -> Path | None:
        """The folder of the bundle that an installed head was learnt beside, if it is here."""
        try:
            with open_bundle(self.path(entry)) as bundle:
                return self.of_digest(bundle.manifest.head.parent_digest) if bundle.manifest.head else None
        except (BundleError, OSError):
            return None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process changes the roles at a time; the kernel takes the lock from one that dies."""
        until = time.monotonic() + self._patience_s
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be written ({error.strerror}); who owns the folder?") from error
        try:
            while not _lock(handle):
                if time.monotonic() >= until:
                    raise UserError(f"{self.folder}: another process is changing it; try again")
                time.sleep(0.05)
            yield
        finally:
            os.close(handle)

    def give_to_owner(self) -> None:
        """Give files that root installs to the station's user, who has to change them later."""
        if os.geteuid() != 0:
            return
        owner = self._state.stat()
        for path in (self.folder, *self.folder.rglob("*")):
            with contextlib.suppress(OSError):
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _with(digests: list[str], entry: Entry) -> list[str]:
    return [*_without(digests, entry), entry.digest][-_MOST_TAKEN_BACK:]


def _without(digests: list[str], entry: Entry) -> list[str]:
    return [one for one in digests if one != entry.digest]


def in_charge(store: ModelStore, passed_over: Collection[Entry] = ()) -> tuple[Entry | None, str]:
    """Find the installed model that a station is to use.

    Args:
        store: of the station.
        passed_over: models that were tried already and cannot be used.

    Returns:
        The one in charge, or the one before it where that one is damaged; None: the configured bundle. And what is
        wrong with the store, in words; empty if nothing is.
    """
    try:
        roles = store.roles()
    except ConfigError as error:
        return None, str(error)
    faults = []
    for entry in (roles.current, roles.previous):
        if entry is None:
            break
        if entry in passed_over:
            continue
        try:
            store.open(entry).close()
        except BundleError as error:
            faults.append(str(error))
            continue
        return entry, "; ".join(faults)
    return None, "; ".join(faults)


def _entry_of(bundle: Bundle) -> Entry:
    name, version = bundle.manifest.name, bundle.manifest.version
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{name}-{version}").strip(".")[:60]
    folder = f"{plain or 'model'}-{bundle.digest[:_DIGEST_LETTERS]}"
    return Entry(folder=folder, name=name, version=version, digest=bundle.digest)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_in_use(path: Path) -> bool:
    """Return whether a process copies into that folder at this moment."""
    if not path.name.startswith(_COPYING):
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return True
    try:
        return not _lock(handle)
    finally:
        os.close(handle)
