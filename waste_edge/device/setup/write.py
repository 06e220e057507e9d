"""From the configuration before to the one after: read, changed, compared, and written whole or not at all."""

from __future__ import annotations

import contextlib
import copy
import difflib
import os
import secrets
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from waste_edge.device.config import StationConfig
from waste_edge.device.service.instances import ONLY, begun_config, instance_of_config
from waste_edge.device.service.unit import CONFIG_MODE, Places, config_template
from waste_edge.device.setup.answers import BROKER_PASSWORD, PAGE_TOKEN, Answers, apply, needs_token, page_config
from waste_edge.device.setup.document import TomlText, parsed
from waste_edge.device.support.redact import Redactor
from waste_edge.errors import ConfigError, UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.limits import MAX_TOML_BYTES
from waste_edge.files.strict import as_kind, read_text, readable

_STATE_MODE = 0o750  # as systemd makes it
_SECRET_MODE = 0o640  # as the configuration: for root and the service's group


@dataclass(frozen=True)
class Before:
    """Configuration that setup starts from.

    Attributes:
        path: where it is, or will be.
        text: of the file; empty if there is none yet.
        start: the text to change: the file's, or that of the shipped template.
        values: of `start`.
    """

    path: Path
    text: str
    start: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Files to write.

    Attributes:
        path: the configuration.
        text: all of it.
        before: what stands there now; empty for nothing.
        start: the text that was changed; without a file, that of the shipped template.
        secrets: files beside it, with their content.
        state: folder for events that is to be made; None: it is there, or systemd makes it.
    """

    path: Path
    text: str
    before: str
    start: str
    secrets: dict[Path, str] = field(default_factory=dict, repr=False)
    state: Path | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is to be written."""
        return self.text == self.before and not self.secrets

    def difference(self) -> list[str]:
        """Lines of the unified difference, from the shipped template if there is no file; no passwords in addresses."""
        old, new = self.start.splitlines(), self.text.splitlines()
        name = str(self.path) if self.before else "the shipped station.toml"
        lines = list(difflib.unified_diff(old, new, name, str(self.path), n=1, lineterm=""))
        return Redactor().addresses("\n".join(lines)).split("\n") if lines else []


def default_place(places: Places) -> Path:
    """The service's configuration for root, and for who may write it; else `station.toml` in this folder."""
    installed = places.config
    return installed if os.geteuid() == 0 or os.access(installed, os.W_OK) else Path("station.toml")


def read_before(path: Path) -> Before:
    """Read the configuration that is there, or the shipped template.

    Raises:
        ConfigError: it cannot be read, or is wrong already; mending it by hand comes first.
    """
    if not path.exists():
        owner = instance_of_config(path) or ONLY
        template = begun_config(config_template().read_text(encoding="utf-8"), owner, None)
        return Before(path, "", template, parsed(template))
    text = read_text(path, MAX_TOML_BYTES)
    try:
        values = parsed(text)
        as_kind(values, StationConfig)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(
            f"{path}: {readable(error, StationConfig)}; mend it, or move it away to begin anew"
        ) from error
    return Before(path, text, text, values)


def plan(before: Before, answers: Answers) -> Plan:
    """Work out what is to be written.

    Raises:
        ConfigError: an answer that cannot be used, or a file that cannot be changed line by line.
    """
    if answers.state is None and "state" not in before.values and instance_of_config(before.path) is None:
        answers = replace(answers, state="state")  # beside the file, where systemd gives none: events must be kept
    document = TomlText(before.start)
    apply(answers, document, before.values)
    try:
        values = parsed(document.text)
        as_kind(copy.deepcopy(values), StationConfig)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(
            f"{before.path}: {readable(error, StationConfig)}; setup changes tables that begin with their [name]: "
            "change this one by hand"
        ) from error
    folder = before.path.parent
    state = Path(values["state"]) if values.get("state") and answers.state else None
    return Plan(
        before.path,
        document.text,
        before.text,
        before.start,
        _secrets(answers, before.values, folder),
        None if state is None or (folder / state).exists() else folder / state,
    )


def _secrets(answers: Answers, values: dict[str, Any], folder: Path) -> dict[Path, str]:
    """Files that the answers call for: a page's new token, a password that was typed."""
    found: dict[Path, str] = {}
    if answers.broker is not None and answers.broker.password:
        found[folder / BROKER_PASSWORD] = f"{answers.broker.password}\n"
    page = values.get("page", {})
    config = None if answers.page is None else page_config(answers.page, page)
    if config is not None and not answers.page_token_file and needs_token(config, page):
        token = folder / PAGE_TOKEN
        if not token.exists():
            found[token] = f"{secrets.token_hex(16)}\n"
    return found


def write(planned: Plan, group: str = Places().group) -> None:
    """Write all files, or none.

    Args:
        planned: what to write.
        group: who may read them besides root, where root writes and there is such a group.

    Raises:
        UserError: one cannot be written; what was written before it is taken back.
    """
    there = {path: path.read_bytes() if path.exists() else None for path in planned.secrets}
    mode = planned.path.stat().st_mode & 0o777 if planned.path.exists() else None
    try:
        if planned.state is not None:
            planned.state.mkdir(mode=_STATE_MODE, parents=True, exist_ok=True)
        for path, content in planned.secrets.items():
            _write_private(path, content, group, _SECRET_MODE)
        _write_private(planned.path, planned.text, group, mode or CONFIG_MODE)
    except (OSError, UserError) as error:
        _take_back(there)
        if isinstance(error, UserError):
            raise
        raise UserError(f"{planned.path}: cannot be written ({error.strerror}); nothing is changed") from error


def give_to_service(config: Path, group: str) -> None:
    """Let the service's group read the configuration and the secrets beside it; nobody else.

    Raises:
        UserError: there is no such group, or the files belong to somebody else.
    """
    for path in (config, *(config.parent / name for name in (PAGE_TOKEN, BROKER_PASSWORD))):
        if not path.exists():
            continue
        try:
            shutil.chown(path, group=group)
            path.chmod(CONFIG_MODE)
        except (LookupError, OSError) as error:
            raise UserError(f"{path}: cannot be given to the group {group} ({error})") from error


def _write_private(path: Path, content: str, group: str, mode: int) -> None:
    """Write for the present user alone first; then for the group, where there is one."""
    owner = path.stat() if path.exists() else None
    write_atomically(path, content, mode=0o600)
    if os.geteuid() == 0:
        with contextlib.suppress(LookupError):  # no service here yet: root's alone
            if owner is not None:
                os.chown(path, owner.st_uid, owner.st_gid)
            else:
                shutil.chown(path, group=group)
            path.chmod(mode)
    elif owner is not None:
        path.chmod(mode)


def _take_back(files: dict[Path, bytes | None]) -> None:
    for path, content in files.items():
        with contextlib.suppress(OSError, UserError):
            if content is None:
                path.unlink(missing_ok=True)
            else:
                write_atomically(path, content, mode=_SECRET_MODE)
