"""Events as lines of JSON in a file that is rotated by size; what lies there is there once.

Every line ends with a newline and tells the sequence it was written after, so that the last line alone says where to
go on after a crash. Lines are appended and flushed to the disk, batch by batch; a torn one is cut off at the start.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from waste_edge.device.outbox.record import Record, to_json_line
from waste_edge.device.sinks.sink import SinkError, worst
from waste_edge.device.system.condition import Condition
from waste_edge.device.wall_clock import SystemWall, Wall
from waste_edge.files.strict import Strict

_TAIL_BYTES = 64 << 10  # far more than one line
_BEGINNING = b'{"kind":'


class JsonLinesConfig(Strict, frozen=True):
    """The table `[json_lines]` of a station's configuration.

    Attributes:
        path: the file; older ones lie beside it as `path.1` (newest) to `path.N`.
        max_mb: beyond this size a new file is begun.
        keep: how many older files are kept.
    """

    path: str = "events.jsonl"
    max_mb: float = 10.0
    keep: int = 5

    def __post_init__(self) -> None:
        if not self.path or not self.max_mb > 0 or self.keep < 0:
            raise ValueError(f"expected a path, max_mb above 0 and keep from 0; got {self.max_mb:g} and {self.keep}")


class _Place(msgspec.Struct, frozen=True):
    """Where a line stands: what is read of the last one."""

    outbox_id: str
    sequence: int


class JsonLines:
    """A `Sink` that appends to a file."""

    name = "json-lines"

    def __init__(self, config: JsonLinesConfig, wall: Wall | None = None) -> None:
        self._path = Path(config.path)
        self._max_bytes = round(config.max_mb * 1e6)
        self._keep = config.keep
        self._wall = wall or SystemWall()
        self._place: _Place | None = None  # None until the file was looked at, and after a failure

    def deliver(self, records: Sequence[Record]) -> None:
        """See `Sink.deliver`."""
        place = self._known_place()
        fresh = [record for record in records if not _has(place, record)]
        if fresh:
            last = _Place(fresh[-1].outbox_id, fresh[-1].sequence)
            self._append("".join(to_json_line(record) + "\n" for record in fresh), last)

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        """See `Sink.tell_health`."""
        place = self._known_place()
        health = {
            "kind": "health",
            "outbox_id": place.outbox_id,
            "sequence": place.sequence,
            "time_utc": self._wall.now_utc().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "level": worst(conditions),
            "conditions": conditions,
        }
        self._append(msgspec.json.encode(health).decode() + "\n", place)

    def close(self) -> None:
        """See `Sink.close`. The file is open only while something is written."""

    def probe(self) -> str:
        """See `Sink.probe`."""
        folder = self._path.parent
        if not os.access(self._path if self._path.exists() else folder, os.W_OK):
            raise SinkError(f"{self._path}: may not be written by this user; check who owns {folder}")
        return str(self._path)

    def _known_place(self) -> _Place:
        """What the newest line says, after whatever a power cut left behind it was cut off."""
        if self._place is None:
            with _in_words(self._path):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                place = _mended(self._path)
                if place is None:  # cut off between rotation and the first line
                    place = _mended(self._older(1))
                self._place = place or _Place("", 0)
        return self._place

    def _append(self, lines: str, place: _Place) -> None:
        # Not through files.py: a log is appended to, and what a cut leaves of a line is mended at the next start.
        self._place = None
        with _in_words(self._path):
            if self._path.exists() and self._path.stat().st_size + len(lines) > self._max_bytes:
                self._rotate()
            is_new = not self._path.exists()
            with self._path.open("ab") as stream:
                stream.write(lines.encode())
                stream.flush()
                os.fsync(stream.fileno())
            if is_new:
                _sync_folder(self._path.parent)
        self._place = place

    def _rotate(self) -> None:
        if self._path.stat().st_size == 0:
            return
        for number in range(self._keep, 0, -1):
            younger = self._older(number - 1)
            if younger.exists():
                os.replace(younger, self._older(number))
        self._path.unlink(missing_ok=True)  # it is still there if none is to be kept
        _sync_folder(self._path.parent)

    def _older(self, number: int) -> Path:
        return Path(f"{self._path}.{number}") if number else self._path


def build(config: JsonLinesConfig) -> JsonLines:
    """The sink of a `[json_lines]` table."""
    return JsonLines(config)


def _has(place: _Place, record: Record) -> bool:
    return place.outbox_id == record.outbox_id and record.sequence <= place.sequence


def _mended(path: Path) -> _Place | None:
    """Cut off what is no whole line at the file's end; what the last whole one says, None if there is none."""
    if not path.exists():
        return None
    with path.open("r+b") as stream:
        if not _is_ours(stream.read(_TAIL_BYTES)):
            raise SinkError(f"{path}: holds something else than events; choose another path")
        end = whole = stream.seek(0, os.SEEK_END)
        place = None
        while whole and place is None:
            start = max(0, whole - _TAIL_BYTES)
            stream.seek(start)
            tail = stream.read(whole - start)
            line_start = tail.rstrip(b"\n").rfind(b"\n") + 1
            place = _place_of(tail[line_start:])
            whole = whole if place else start + line_start
        if whole != end:
            stream.truncate(whole)
            stream.flush()
            os.fsync(stream.fileno())
    return place


def _is_ours(head: bytes) -> bool:
    """Whether a file may be mended: it begins as ours do, or with what a power cut left of such a beginning."""
    first, newline, _ = head.partition(b"\n")
    if newline:
        return _place_of(first + newline) is not None or not first.strip(b"\0")
    return head.startswith(_BEGINNING) or _BEGINNING.startswith(head) or not head.strip(b"\0")


def _place_of(line: bytes) -> _Place | None:
    if not line.endswith(b"\n"):
        return None
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(line, type=_Place)
    return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except SinkError:
        raise
    except OSError as error:
        raise SinkError(
            f"{path}: cannot be written ({error.strerror}); free its disk or choose another path"
        ) from error
