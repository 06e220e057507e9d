"""Strict reading of JSON and TOML into typed, frozen values.

An unknown key, a wrong type or a missing key is an error that names the file and the key.

TOML is parsed in bounded time, and without the values that no file of ours can mean.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from waste_edge.errors import ConfigError
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_DOTTED_KEY, MAX_JSON_BYTES, MAX_NESTING, MAX_NUMBER, MAX_TOML_BYTES
from waste_edge.files.text import as_utf8, visible

if TYPE_CHECKING:
    from msgspec.inspect import Field, Type

# tomllib keeps every prefix of a dotted key: 50,000 parts take gigabytes. Found before it sees them; each try begins
# at a word's start, so the search takes one pass.
_PART = r"""(?:(?<![\w-])[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"{_PART}(?:[ \t]*+\.[ \t]*+(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')){{{MAX_DOTTED_KEY}}}")


def parse_toml(text: str) -> dict[str, Any]:
    """The document as plain values.

    Raises:
        ValueError: it is no TOML, its keys or tables are too deep, or a value is infinite, not a number, beyond 1e15
            or text with a NUL in it; the message names the line or the key.
    """
    if found := _LONG_KEY.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"line {line}: a key of more than {MAX_DOTTED_KEY} parts; no file of ours has such")
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"tables and lists lie too deep in one another; at most {MAX_NESTING}") from None
    check_values(document)
    return document


def check_values(document: dict[str, Any]) -> None:
    """Raise ValueError naming the key whose value no file of ours can mean; see `parse_toml`."""
    _check(document, "", 0)


def _check(value: object, key: str, depth: int) -> None:
    if depth > MAX_NESTING:
        raise ValueError(f"{key[:40]}…: tables and lists lie too deep in one another; at most {MAX_NESTING}")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name, key)
            _check(inner, f"{key}.{name}" if key else name, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check(inner, f"{key}[{index}]", depth + 1)
    elif isinstance(value, str):
        _check_text(value, key)
    elif isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:  # written so that nan is caught, too
        raise ValueError(f"{key}: {_number(value)} cannot be meant; expected a number of at most {MAX_NUMBER:g}")


def _check_text(text: str, key: str) -> None:
    if "\0" in text:
        raise ValueError(f"{key or visible(text)[:40]}: holds a NUL character, which no name or text has; remove it")


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else f"a number of {value.bit_length()} bits"


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every value that is read from a file: frozen, and no key goes unnoticed."""


T = TypeVar("T")
_TIMES = (datetime.datetime, datetime.date, datetime.time)
_LONGEST = 600  # letters of one message


def read_text(path: Path, limit_bytes: int = MAX_JSON_BYTES) -> str:
    """The file's text; a byte-order mark, as Windows editors write it, is left out.

    Raises:
        ConfigError: it is missing, unreadable, no file, too large, or not UTF-8.
    """
    try:
        return read_bounded(path, limit_bytes).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; check the path") from error
    except UnicodeDecodeError as error:
        remedy = "; save it as UTF-8" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise ConfigError(f"{path}: cannot be read as text (not UTF-8){remedy}") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot be read as text ({why})") from error


def read_json(path: Path, kind: type[T], limit_bytes: int = MAX_JSON_BYTES) -> T:
    """Decode a JSON file into `kind`; raises ConfigError naming the file and the key."""
    text = read_text(path, limit_bytes)
    try:
        return msgspec.json.decode(text, type=kind)
    except RecursionError as error:
        raise ConfigError(f"{path}: tables and lists lie too deep in one another; make it flatter") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path}: {readable(error, kind)}") from error


def read_toml(path: Path, kind: type[T]) -> T:
    """Decode a TOML file into `kind`; raises ConfigError naming the file and the key."""
    text = read_text(path, MAX_TOML_BYTES)
    try:
        return as_kind(parse_toml(text), kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path}: {readable(error, kind)}") from error


def as_kind(document: dict[str, Any], kind: type[T]) -> T:
    """A parsed TOML document as `kind`; raises msgspec.ValidationError or ValueError."""
    return msgspec.convert(document, kind, builtin_types=_TIMES, str_keys=True)


def to_json(value: object) -> str:
    """Readable JSON, keys in their declared order, one newline at the end."""
    return msgspec.json.format(encode_json(value), indent=2).decode() + "\n"


def encode_json(value: object) -> bytes:
    """JSON on one line; the bytes of a name that is not UTF-8 become `\\udc..`, as `as_utf8` writes them."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_in_utf8(msgspec.to_builtins(value)))


def _in_utf8(value: object) -> object:
    if isinstance(value, str):
        return as_utf8(value)
    if isinstance(value, dict):
        return {_in_utf8(key): _in_utf8(inner) for key, inner in value.items()}
    return [_in_utf8(inner) for inner in value] if isinstance(value, list | tuple) else value


def readable(error: Exception, kind: type) -> str:
    """msgspec writes paths as `$.input.width` and speaks of JSON's types; people look for `input.width` and tables.

    Args:
        error: of decoding.
        kind: what was decoded; for a key that it lacks the nearest one is named, for a word the words that it takes.
    """
    hint = _nearest_key(str(error), kind) or _words_taken(str(error), kind)
    message = str(error).replace("`$.", "`").replace("- at `$`", "at the top level")
    message = message.replace("Object contains unknown field", "unknown key").replace(
        "Object missing required field", "missing key"
    )
    message = message.replace(" | null`", "`").replace("`object`", "a table")
    message = message.replace(" - at ", ", in ").replace("\n", " ")
    return (message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…") + hint


def _nearest_key(message: str, kind: type) -> str:
    """`; did you mean KEY?` for a message about an unknown key, if one is near."""
    found = re.search(r"unknown field `([^`]+)`(?: - at `\$\.?([^`]*)`)?", message)
    if not found or len(found[1]) > _LONGEST:
        return ""
    import difflib  # here: a station that starts well needs none of it

    near = difflib.get_close_matches(found[1], [field.encode_name for field in _fields(_type_at(kind, found[2]))], 1)
    return f"; did you mean {near[0]}?" if near else ""


def _words_taken(message: str, kind: type) -> str:
    """`; expected one of A, B` for a message about a word that is none of those a key takes."""
    found = re.search(r"Invalid enum value .* - at (`key` in )?`\$\.?([^`]*)`$", message)
    if not found:
        return ""
    from msgspec.inspect import DictType

    where = _type_at(kind, found[2])
    if found[1] and isinstance(where, DictType):
        where = where.key_type
    words = _words(where)
    return f"; expected one of {', '.join(words)}" if words else ""


def _words(where: Type) -> list[str]:
    from msgspec.inspect import EnumType, LiteralType, UnionType

    if isinstance(where, UnionType):
        return [word for one in where.types for word in _words(one)]
    if isinstance(where, LiteralType):
        return [str(value) for value in where.values]
    return [str(member.value) for member in where.cls] if isinstance(where, EnumType) else []


def _type_at(kind: type, path: str | None) -> Type:
    """The type at a path as msgspec writes it: `input.width`, `artifacts[...].file`, `labels[3]`."""
    from msgspec.inspect import CollectionType, DictType, UnionType, type_info

    where = type_info(kind)
    for name in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path or ""):
        if isinstance(where, UnionType):
            where = next((one for one in where.types if isinstance(one, DictType | CollectionType)), where)
        if name.startswith("[") and isinstance(where, DictType):
            where = where.value_type
        elif name.startswith("[") and isinstance(where, CollectionType):
            where = where.item_type
        else:
            where = next((field.type for field in _fields(where) if field.encode_name == name), where)
    return where


def _fields(kind: Type) -> tuple[Field, ...]:
    """The keys of a table, or of the table that may be left out."""
    from msgspec.inspect import StructType, UnionType

    if isinstance(kind, UnionType):
        return next((_fields(one) for one in kind.types if _fields(one)), ())
    return kind.fields if isinstance(kind, StructType) else ()
