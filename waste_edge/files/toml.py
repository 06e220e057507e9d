"""TOML from outside: parsed in bounded time, and without the values that no file of ours can mean."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from waste_edge.files.limits import MAX_DOTTED_KEY, MAX_NESTING, MAX_NUMBER
from waste_edge.files.text import visible

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
