"""Changes in a TOML text that leave all else as it stands: comments, order, blank lines.

The shipped `station.toml` explains each key in a comment, with the key commented out. A key that is set takes the place
of that line, so the file stays the one that the documentation speaks of.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from waste_edge.errors import ConfigError

Value = str | int | float | bool | list[str]
_HEADER = re.compile(r"[ \t]*(?P<off>#[ \t]?)?(?P<open>\[{1,2})[ \t]*(?P<name>[\w.-]+)[ \t]*\]{1,2}[ \t]*(?:#.*)?")
_KEY = re.compile(r"[ \t]*(?P<name>[\w-]+)[ \t]*=")
_KEY_OFF = re.compile(r"[ \t]*#[ \t]?(?P<name>[\w-]+)[ \t]*=[ \t]*[\"'\[{\w+-]")
_MOST_LINES = 500  # of one value


@dataclass(frozen=True)
class _Table:
    """Part of the text from a header to the next one, commented out or not.

    Attributes:
        name: empty for the top level.
        active: not commented out.
        is_array: its header is `[[name]]`.
        start: index of the header's line; -1 for the top level.
        end: index behind its last line.
    """

    name: str
    active: bool
    is_array: bool
    start: int
    end: int


class TomlText:
    """A TOML document as lines that can be changed.

    Args:
        text: a document that tomllib reads.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.rstrip("\n").split("\n") if text.strip() else []

    @property
    def text(self) -> str:
        """The whole document, with one newline at its end."""
        return "\n".join(self._lines) + "\n"

    def set(self, table: str, key: str, value: Value) -> None:
        """Give a key its value: in its line, in the line that has it commented out, or in a new one."""
        line = f"{key} = {literal(value)}"
        found = self._find(table, key)
        if found is not None:
            first, last = found
            comment = _comment_of(self._lines[first]) if first == last else ""
            self._lines[first : last + 1] = [_with_comment(line, comment)]
            return
        place = self._table(table) or self._begun(table)
        for index in range(place.start + 1, place.end):
            match = _KEY_OFF.match(self._lines[index])
            if match and match["name"] == key:
                self._lines[index] = _with_comment(line, _comment_of(self._lines[index].lstrip(" \t#")))
                return
        self._lines.insert(self._last_key(place) + 1, line)

    def unset(self, table: str, key: str) -> None:
        """Comment a key out, if it is there."""
        found = self._find(table, key)
        if found is not None:
            for index in range(found[0], found[1] + 1):
                self._lines[index] = f"# {self._lines[index]}"

    def switch_off(self, table: str) -> None:
        """Comment out a table and those below it, header and keys."""
        parts = [one for one in self._tables() if _belongs(self._owner(one), table)]
        off = [one.start for one in parts if one.active]
        off += [index for one in parts for _, first, last in self._keys(one) for index in range(first, last + 1)]
        for index in off:
            self._lines[index] = f"# {self._lines[index]}"

    def replace(self, table: str, block: Sequence[str]) -> None:
        """Put new lines, headers and all, in the place of a table and those below it; at the end if there is none."""
        parts = [one for one in self._tables() if one.active and _belongs(one.name, table)]
        if parts:
            at = parts[0].start
            for part in reversed(parts):
                del self._lines[part.start : self._last_key(part) + 1]
        else:
            off = [one for one in self._tables() if not one.active and _belongs(one.name, table)]
            at = off[-1].start + 1 if off else len(self._lines)
            while at < len(self._lines) and self._lines[at].lstrip().startswith("#"):
                at += 1
            block = [*([""] if at and self._lines[at - 1].strip() else []), *block]
        self._lines[at:at] = block

    def _begun(self, table: str) -> _Table:
        """A table that was not there: its commented header comes to life, or a new one stands at the end."""
        # What stands behind a commented-out header and is not, belongs to the table before it, and must stay there.
        off = next(
            (
                one
                for one in self._tables()
                if not (one.active or one.is_array) and one.name == table and not any(self._keys(one))
            ),
            None,
        )
        if off is not None:
            self._lines[off.start] = re.sub(r"^([ \t]*)#[ \t]?", r"\1", self._lines[off.start])
        else:
            self._lines += [*([""] if self._lines else []), f"[{table}]"]
        found = self._table(table)
        if found is None:
            raise ConfigError(f"[{table}]: cannot be added to this file; write it there by hand")
        return found

    def _table(self, name: str) -> _Table | None:
        return next((one for one in self._tables() if one.active and one.name == name), None)

    def _tables(self) -> list[_Table]:
        """All tables, commented-out ones too, in order; the top level is the first."""
        heads: list[tuple[str, bool, bool, int]] = [("", True, False, -1)]
        index = 0
        while index < len(self._lines):
            match = _HEADER.fullmatch(self._lines[index])
            if match:
                heads.append((match["name"], match["off"] is None, match["open"] == "[[", index))
            elif _KEY.match(self._lines[index]):
                index = self._end_of_value(index)
            index += 1
        ends = [head[-1] for head in heads[1:]] + [len(self._lines)]
        return [_Table(*head, end) for head, end in zip(heads, ends, strict=True)]

    def _keys(self, table: _Table) -> Iterator[tuple[str, int, int]]:
        """Keys of a table: name, index of the first and of the last line."""
        index = table.start + 1
        while index < table.end:
            if match := _KEY.match(self._lines[index]):
                last = self._end_of_value(index)
                yield match["name"], index, last
                index = last
            index += 1

    def _find(self, table: str, key: str) -> tuple[int, int] | None:
        for place in self._tables():
            # What follows a commented-out header still belongs to the table before it, if it is active.
            for name, first, last in self._keys(place):
                if name == key and self._owner(place) == table:
                    return first, last
        return None

    def _owner(self, place: _Table) -> str:
        """The table that an active key in this part belongs to."""
        active = [one for one in self._tables() if one.active and one.start <= place.start]
        return active[-1].name

    def _last_key(self, place: _Table) -> int:
        """Index of a table's last key, commented out or not; of its header if it has none."""
        last = place.start
        for index in range(place.start + 1, place.end):
            if _KEY_OFF.match(self._lines[index]):
                last = index
        for _, _, end in self._keys(place):
            last = max(last, end)
        return last

    def _end_of_value(self, first: int) -> int:
        """Index of the line that a value ends on: the first on which the lines so far are TOML."""
        for last in range(first, min(len(self._lines), first + _MOST_LINES)):
            try:
                tomllib.loads("\n".join(self._lines[first : last + 1]))
            except tomllib.TOMLDecodeError:
                continue
            return last
        return first


def literal(value: Value) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else f"{value}"


def parsed(text: str) -> dict[str, Any]:
    """The document's values; raises ValueError."""
    from waste_edge.files.strict import parse_toml

    return parse_toml(text)


def _belongs(name: str, table: str) -> bool:
    return name == table or name.startswith(f"{table}.")


def _comment_of(line: str) -> str:
    """The comment at a line's end, as far as it is one: a `#` may stand in a text, too."""
    for match in re.finditer("#", line):
        before = line[: match.start()]
        try:
            tomllib.loads(before)
        except tomllib.TOMLDecodeError:
            continue
        return line[len(before.rstrip()) :] if before.strip() else ""
    return ""


def _with_comment(line: str, comment: str) -> str:
    return f"{line}{comment}" if not comment or comment[0] in " \t" else f"{line}  {comment}"
