"""Paths as people write them into a `station.toml` or behind an option: `~` and `$HOME` as in a shell."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from waste_edge.errors import ConfigError

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
