"""Paths as people write them into a `station.toml` or behind an option, and secrets that they lead to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from waste_edge.errors import ConfigError
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_PASSWORD_BYTES

_Table = TypeVar("_Table", bound=msgspec.Struct)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)


def as_path(key: str, given: str, environment: Mapping[str, str] = os.environ) -> str:
    """A path with its `~` and variables filled in; an address with `://` stays as it is.

    Args:
        key: who asks, for the message.
        given: as it was written.
        environment: where variables are looked up.

    Raises:
        ConfigError: it is empty, holds a NUL, or names a home or a variable that there is none of.
    """
    if not given:
        raise ConfigError(f"{key} is empty; expected a path, or leave it out")
    if "\0" in given:
        raise ConfigError(f"{key}: holds a NUL character, which no path has")
    if "://" in given or (os.path.lexists(given) and not given.startswith("~")):
        return given

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in environment:
            raise ConfigError(f"{key} {given}: there is no variable {name}; write the path out")
        return environment[name]

    filled = _VARIABLE.sub(value, given)
    if not filled.startswith("~"):
        return filled
    try:
        return str(Path(filled).expanduser())
    except RuntimeError as error:
        raise ConfigError(f"{key} {given}: no such user's home; write the path out") from error


def with_files(table: _Table, name: str, keys: Sequence[str], folder: Path | None) -> _Table:
    """A table whose files are named from a configuration's folder, with `~` and variables filled in.

    Args:
        table: as it was read.
        name: what it is called, for messages.
        keys: its fields that are paths; empty ones stay empty.
        folder: of the configuration; None: the table was not read from a file, and stays as it is.

    Raises:
        ConfigError: see `as_path`.
    """
    if folder is None:
        return table
    given = {key: getattr(table, key) for key in keys if getattr(table, key)}
    paths = {key: str(folder / as_path(f"{name}.{key}", path)) for key, path in given.items()}
    return msgspec.structs.replace(table, **paths)


def read_secret(key: str, path: str, remedy: str = "") -> str:
    """Text of a small file that holds a secret, as it stands there, newline and all.

    Raises:
        ConfigError: it cannot be read, is too large or is not UTF-8; the message names key and file.
    """
    try:
        return read_bounded(Path(path), MAX_PASSWORD_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"{key} {path}: cannot be read ({why})" + (f"; {remedy}" if remedy else "")) from error
