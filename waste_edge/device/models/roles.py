"""Roles of the installed models: one file, replaced as a whole, and the history of its changes beside it.

The file is the truth. The history is written after it, so a power cut in between leaves it one line behind; the file
keeps its newest change, and the next one to read the history writes the line that is missing.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from waste_edge.errors import ConfigError, UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.bounded import open_file
from waste_edge.files.limits import MAX_MODEL_HISTORY_BYTES, MAX_MODEL_ROLES_BYTES
from waste_edge.files.strict import Strict, encode_json, read_json, to_json

ROLES_NAME = "roles.json"
HISTORY_NAME = "history.jsonl"
Action = Literal["added", "proposed", "withdrawn", "activated", "rolled_back", "confirmed"]


class Entry(Strict, frozen=True):
    """One installed model.

    Attributes:
        folder: its name in the store.
        name, version: of its manifest.
        digest: SHA-256 of its manifest, which vouches for every other file.
    """

    folder: str
    name: str
    version: str
    digest: str

    def __post_init__(self) -> None:
        if not self.folder or "/" in self.folder or "\0" in self.folder or self.folder.startswith("."):
            raise ValueError(f"folder must be a plain name in the store, got {self.folder!r}")

    @property
    def title(self) -> str:
        """Its name and version, for people."""
        return f"{self.name} {self.version}"


class Change(Strict, frozen=True):
    """One change of the roles, as a line of the history.

    Attributes:
        number: 1, 2, 3, …; orders the changes, whatever the wall clock did.
        time_utc: of the wall clock, for people.
        action: `added` to the store, `proposed` as a candidate or `withdrawn`, `activated`: put in charge,
            `rolled_back`: the one before is in charge again, `confirmed`: its probation ended well.
        entry: the model that it is about; None: the configured bundle.
        before: the model that was in charge; None: the configured bundle.
        reason: one sentence for people.
    """

    number: int
    time_utc: str
    action: Action
    entry: Entry | None
    before: Entry | None
    reason: str


class Roles(Strict, frozen=True):
    """The file.

    Attributes:
        schema: 1.
        current: the model in charge; None: the bundle that the configuration names.
        previous: what `rollback` puts in charge; None: the configured bundle.
        candidate: is shown the same items beside it; None if nothing is.
        on_probation: the current one was put in charge a short while ago, and is watched.
        newest: the newest version that was in charge here, by name.
        proposal: number of the change that made the candidate one; its comparison begins with it.
        taken_back: digests of models that were rolled back or refused here, the newest last: nothing that works by
            itself installs them again.
        last: the newest change; None before the first.
    """

    schema: Literal[1] = 1
    current: Entry | None = None
    previous: Entry | None = None
    candidate: Entry | None = None
    on_probation: bool = False
    newest: dict[str, str] = msgspec.field(default_factory=dict)
    proposal: int = 0
    taken_back: list[str] = msgspec.field(default_factory=list)
    last: Change | None = None

    def entries(self) -> list[Entry]:
        """The models that have a role."""
        return [one for one in (self.current, self.previous, self.candidate) if one is not None]


def has_roles(folder: Path) -> bool:
    """Return whether anything was ever installed there, as far as this user may see."""
    try:
        return (folder / ROLES_NAME).exists()
    except OSError:
        return False


def read_roles(folder: Path) -> Roles:
    """Read the roles; none if there is no such file.

    Raises:
        ConfigError: it is damaged; the message says how to go on.
    """
    path = folder / ROLES_NAME
    if not has_roles(folder):
        return Roles()
    try:
        return read_json(path, Roles, MAX_MODEL_ROLES_BYTES)
    except ConfigError as error:
        raise ConfigError(f"{error}; remove the file and install a model again") from error


def write_roles(folder: Path, roles: Roles) -> None:
    """Replace the roles, in one step that a power cut does not divide.

    Raises:
        UserError: the folder cannot be written; the roles are what they were.
    """
    write_atomically(folder / ROLES_NAME, to_json(roles))
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Have the names of a folder's files on the disk; a file system that cannot is passed over."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)


def changed(roles: Roles, action: Action, entry: Entry | None, reason: str) -> Change:
    """The change that comes next, at this moment of the wall clock."""
    number = 1 if roles.last is None else roles.last.number + 1
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Change(number=number, time_utc=now, action=action, entry=entry, before=roles.current, reason=reason)


def read_history(folder: Path, roles: Roles) -> list[Change]:
    """The changes, oldest first; lines that a power cut left half written are passed over."""
    try:
        with open_file(folder / HISTORY_NAME, 2 * MAX_MODEL_HISTORY_BYTES) as stream:
            content = stream.read()
    except OSError:
        content = b""
    changes = []
    for line in content.splitlines():
        try:
            changes.append(msgspec.json.decode(line, type=Change))
        except (msgspec.DecodeError, ValueError):
            continue
    if roles.last is not None and (not changes or changes[-1].number < roles.last.number):
        changes.append(roles.last)
    return changes


def write_history(folder: Path, changes: list[Change]) -> None:
    """Replace the history; of one that has grown beyond its bound the older half goes.

    A full disk leaves the history behind, and only that.
    """
    lines = [encode_json(change) + b"\n" for change in changes]
    while sum(map(len, lines)) > MAX_MODEL_HISTORY_BYTES:
        lines = lines[len(lines) // 2 :]
    try:
        write_atomically(folder / HISTORY_NAME, b"".join(lines))
    except UserError:
        return
