"""Reads FlatBuffers tables of a file that may be hostile: every offset is checked, and the work is bounded.

The generated readers of ai-edge-litert trust their file, and tables of a damaged one may share so many parts that
walking them never ends. Layout: https://flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

_WORK_PER_BYTE = 4  # a file of ours is walked with less than one step a byte


class FlatBuffer:
    """One file. All methods raise ValueError or struct.error where it is not whole."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._left = _WORK_PER_BYTE * len(content) + 1000

    def root(self) -> Table:
        """The table that the file begins with."""
        return Table(self, self.number("<I", 0))

    def number(self, form: str, position: int) -> int:
        """One whole number, of a `struct` format, at a position."""
        if position < 0:
            raise ValueError(f"an offset of {position}")
        self._spend(1)
        return int(struct.unpack_from(form, self.content, position)[0])

    def vector(self, position: int, item_bytes: int) -> tuple[int, int]:
        """Read a vector's header: (position of its items, their number); `position` holds the offset to it."""
        start = position + self.number("<I", position)
        count = self.number("<I", start)
        if start + 4 + count * item_bytes > len(self.content):
            raise ValueError(f"{count} items at byte {start} go beyond the end")
        return start + 4, count

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise ValueError("its tables refer to each other without end")

    def numbers(self, start: int, count: int, form: str) -> tuple[int, ...]:
        """Read an array of numbers; `form` is one letter of `struct`."""
        self._spend(count)
        return struct.unpack_from(f"<{count}{form}", self.content, start)


class Table:
    """One table; fields by their number in the schema."""

    def __init__(self, buffer: FlatBuffer, position: int) -> None:
        self._buffer = buffer
        self._position = position
        self._vtable = position - buffer.number("<i", position)
        self._vtable_bytes = buffer.number("<H", self._vtable)

    def _field(self, index: int) -> int:
        """Find a field's position; 0 if it was left out."""
        slot = 4 + 2 * index
        if slot + 2 > self._vtable_bytes:
            return 0
        offset = self._buffer.number("<H", self._vtable + slot)
        return self._position + offset if offset else 0

    def number(self, index: int, form: str, default: int = 0) -> int:
        """A whole number; `form` is one letter of `struct`."""
        place = self._field(index)
        return self._buffer.number(f"<{form}", place) if place else default

    def table(self, index: int) -> Table | None:
        """Read a table; None if it is absent."""
        place = self._field(index)
        return Table(self._buffer, place + self._buffer.number("<I", place)) if place else None

    def tables(self, index: int) -> Iterator[Table]:
        """Each of a vector of tables."""
        place = self._field(index)
        if not place:
            return
        start, count = self._buffer.vector(place, 4)
        for slot in range(start, start + 4 * count, 4):
            yield Table(self._buffer, slot + self._buffer.number("<I", slot))

    def numbers(self, index: int, form: str) -> tuple[Any, ...]:
        """A vector of numbers; `form` is one letter of `struct`."""
        place = self._field(index)
        if not place:
            return ()
        start, count = self._buffer.vector(place, struct.calcsize(f"<{form}"))
        return self._buffer.numbers(start, count, form)

    def length(self, index: int) -> int:
        """Get the length of a vector of bytes or a text, in bytes."""
        place = self._field(index)
        return self._buffer.vector(place, 1)[1] if place else 0
