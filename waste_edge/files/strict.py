"""Strict reading of JSON and TOML into typed, frozen values.

An unknown key, a wrong type or a missing key is an error that names the file and the key.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from waste_edge.errors import ConfigError

if TYPE_CHECKING:
    from msgspec.inspect import Field, Type


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every value that is read from a file: frozen, and no key goes unnoticed."""


T = TypeVar("T")


def read_text(path: Path) -> str:
    """The file's text.

    Raises:
        ConfigError: it is missing, unreadable, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"{path}: cannot be read as text ({why})") from error


def read_json(path: Path, kind: type[T]) -> T:
    """Decode a JSON file into `kind`; raises ConfigError naming the file and the key."""
    text = read_text(path)
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path}: {readable(error, kind)}") from error


def read_toml(path: Path, kind: type[T]) -> T:
    """Decode a TOML file into `kind`; raises ConfigError naming the file and the key."""
    text = read_text(path)
    try:
        return msgspec.toml.decode(text, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path}: {readable(error, kind)}") from error


def to_json(value: object) -> str:
    """Readable JSON, keys in their declared order, one newline at the end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def readable(error: Exception, kind: type) -> str:
    """msgspec writes paths as `$.input.width` and speaks of JSON's types; people look for `input.width` and tables.

    Args:
        error: of decoding.
        kind: what was decoded; for a key that it lacks the nearest one is named.
    """
    hint = _nearest_key(str(error), kind)
    message = str(error).replace("`$.", "`").replace("- at `$`", "at the top level")
    message = message.replace("Object contains unknown field", "unknown key").replace(
        "Object missing required field", "missing key"
    )
    message = message.replace(" | null`", "`").replace("`object`", "a table")
    return message.replace(" - at ", ", in ").replace("\n", " ") + hint


def _nearest_key(message: str, kind: type) -> str:
    """`; did you mean KEY?` for a message about an unknown key, if one is near."""
    found = re.search(r"unknown field `([^`]+)`(?: - at `\$\.?([^`]*)`)?", message)
    if not found:
        return ""
    import difflib  # here: a station that starts well needs none of it

    from msgspec.inspect import type_info

    where = type_info(kind)
    for name in filter(None, (found[2] or "").split(".")):
        where = next((field.type for field in _fields(where) if field.encode_name == name), where)
    near = difflib.get_close_matches(found[1], [field.encode_name for field in _fields(where)], 1)
    return f"; did you mean {near[0]}?" if near else ""


def _fields(kind: Type) -> tuple[Field, ...]:
    """The keys of a table, or of the table that may be left out."""
    from msgspec.inspect import StructType, UnionType

    if isinstance(kind, UnionType):
        return next((_fields(one) for one in kind.types if _fields(one)), ())
    return kind.fields if isinstance(kind, StructType) else ()
