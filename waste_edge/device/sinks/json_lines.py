"""Events as lines of JSON in a file that is rotated by size; what lies there is there once.

Every line ends with a newline and tells the sequence it was written after. Events are told apart by their ids, answers
by their number too: after a crash those in the newest files are read back. Lines are appended and flushed to the disk,
batch by batch; what a power cut leaves behind the last whole one is cut off at the start.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from waste_edge.device.clock import SystemWallClock, WallClock
from waste_edge.device.config_paths import as_path
from waste_edge.device.outbox.record import Record, to_json_line
from waste_edge.device.sinks.sink import SinkConfig, SinkContext, SinkError, worst
from waste_edge.device.system.condition import Condition
from waste_edge.errors import ConfigError
from waste_edge.files.limits import MAX_JSON_LINES_FILES, MAX_JSON_LINES_MB, MAX_READ_BACK_BYTES, MAX_READ_BACK_IDS
from waste_edge.files.strict import encode_json

_TAIL_BYTES = 64 << 10  # read at once; a line may be longer
_HEAD_BYTES = 16 << 20  # a first line longer than this is none of ours
_BEGINNING = b'{"kind":'
_KEY = re.compile(rb'\{"kind":"(?:event|answer)","id":"([^"\\]{1,200})"(?:,"answer":([0-9]{1,9}))?')
_NOT_OURS = ("outbox.sqlite", "outbox.corrupt-", "outbox.replaced-", "outbox.restored")


class JsonLinesConfig(SinkConfig, frozen=True):
    """The table `[json_lines]` of a station's configuration.

    Attributes:
        path: the file; older ones lie beside it as `path.1` (newest) to `path.N`.
        max_mb: beyond this size a new file is begun.
        keep: how many older files are kept, up to 10,000.
    """

    path: str = "events.jsonl"
    max_mb: float = 10.0
    keep: int = 5

    def __post_init__(self) -> None:
        if not self.path or not self.max_mb > 0 or self.keep < 0:
            raise ValueError(f"expected a path, max_mb above 0 and keep from 0; got {self.max_mb:g} and {self.keep}")
        if self.max_mb > MAX_JSON_LINES_MB or self.keep > MAX_JSON_LINES_FILES:
            most = f"max_mb up to {MAX_JSON_LINES_MB} and keep up to {MAX_JSON_LINES_FILES}"
            raise ValueError(f"expected {most}; got {self.max_mb:g} and {self.keep}")

    def build(self, context: SinkContext) -> JsonLines:
        """See `SinkConfig.build`; a relative path is below the station's folder."""
        return build(msgspec.structs.replace(self, path=str(context.state / self.path)))

    def with_paths(self, table: str, folder: Path | None) -> Self:
        """See `SinkConfig.with_paths`."""
        return msgspec.structs.replace(self, path=as_path(f"{table}.path", self.path))


class _Place(msgspec.Struct, frozen=True):
    """Position of a line in the file, and the fields read of the last one."""

    outbox_id: str
    sequence: int


class JsonLines:
    """A `Sink` that appends to a file."""

    name = "json-lines"

    def __init__(self, config: JsonLinesConfig, wall_clock: WallClock | None = None) -> None:
        self._path = Path(config.path)
        self._max_bytes = round(config.max_mb * 1e6)
        self._keep = config.keep
        self._wall_clock = wall_clock or SystemWallClock()
        self._place: _Place | None = None  # None until the file was looked at, and after a failure
        self._keys: dict[bytes, None] = {}  # of the newest events and answers in the files, in their order

    def deliver(self, records: Sequence[Record]) -> None:
        """See `Sink.deliver`."""
        self._known_place()
        fresh = [record for record in records if record.key.encode() not in self._keys]
        if fresh:
            last = _Place(fresh[-1].outbox_id, fresh[-1].sequence)
            self._append("".join(to_json_line(record) + "\n" for record in fresh), last)
            self._keys.update(dict.fromkeys(record.key.encode() for record in fresh))
            for old in list(self._keys)[: max(0, len(self._keys) - MAX_READ_BACK_IDS)]:
                del self._keys[old]

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        """See `Sink.tell_health`."""
        place = self._known_place()
        health = {
            "kind": "health",
            "outbox_id": place.outbox_id,
            "sequence": place.sequence,
            "time_utc": self._wall_clock.now_utc().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "level": worst(conditions),
            "conditions": conditions,
        }
        self._append(encode_json(health).decode() + "\n", place)

    def close(self) -> None:
        """See `Sink.close`. The file is open only while something is written."""

    def probe(self) -> str:
        """See `Sink.probe`."""
        folder = self._path.parent
        if not os.access(self._path if self._path.exists() else folder, os.W_OK):
            raise SinkError(f"{self._path}: may not be written by this user; check who owns {folder}")
        return str(self._path)

    def newest(self) -> tuple[str, int] | None:
        """The outbox id and sequence of what was written last; None if nothing was, or the file cannot be read."""
        try:
            place = self._known_place()
        except SinkError:
            return None
        return (place.outbox_id, place.sequence) if place.outbox_id else None

    def _known_place(self) -> _Place:
        """Read the newest line, after cutting off what a power cut left behind it."""
        if self._place is None:
            with _in_words(self._path):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                place = _mended(self._path)
                if place is None:  # cut off between rotation and the first line
                    place = _mended(self._older(1))
                self._keys = _newest_keys([self._path, *self._all_older()])
                self._place = place or _Place("", 0)
        return self._place

    def _append(self, lines: str, place: _Place) -> None:
        # Not through files.py: a log is appended to, and what a cut leaves of a line is mended at the next start.
        self._place = None
        with _in_words(self._path):
            data = lines.encode()
            if self._path.exists() and self._path.stat().st_size + len(data) > self._max_bytes:
                self._rotate()
            is_new = not self._path.exists()
            with _opened(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as stream:
                _write_whole_lines(stream, data)
                os.fsync(stream.fileno())
            if is_new:
                _sync_folder(self._path.parent)
        self._place = place

    def _rotate(self) -> None:
        if self._path.stat().st_size == 0:
            return
        older = len(list(self._all_older()))  # `keep` may be far beyond it
        for number in range(min(older + 1, self._keep), 0, -1):
            os.replace(self._older(number - 1), self._older(number))
        self._path.unlink(missing_ok=True)  # it is still there if none is to be kept
        _sync_folder(self._path.parent)

    def _all_older(self) -> Iterator[Path]:
        """List the older files, newest first."""
        for number in range(1, self._keep + 1):
            if not self._older(number).exists():
                return
            yield self._older(number)

    def _older(self, number: int) -> Path:
        return Path(f"{self._path}.{number}") if number else self._path


def build(config: JsonLinesConfig) -> JsonLines:
    """The sink of a `[json_lines]` table.

    Raises:
        ConfigError: no file can ever be at its path.
    """
    path = Path(config.path)
    if path.name.startswith(_NOT_OURS):
        raise ConfigError(f"json_lines.path {path.name}: the outbox's own name; choose another")
    try:
        if path.is_dir():
            raise ConfigError(f"json_lines.path {path}: is a folder; expected a file's path, e.g. {path}/events.jsonl")
        if path.exists() and not path.is_file():
            raise ConfigError(f"json_lines.path {path}: is no plain file, but a pipe or a device; choose another path")
        path.with_name(f"{path.name}.{config.keep}").lstat()  # the longest name it will have
    except ConfigError:
        raise
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # what may change; the sink says it
    except (OSError, ValueError) as error:  # too long, or with a NUL in it
        raise ConfigError(f"json_lines.path {path!s:.100}: no file can be there ({error})") from error
    return JsonLines(config)


def _opened(path: Path, flags: int) -> io.FileIO:
    """Open a plain file without waiting: a pipe would be waited for, and a device never ends or keeps nothing."""
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise SinkError(f"{path}: is no plain file; remove it, or choose another path")
    return io.FileIO(handle, {os.O_RDONLY: "rb", os.O_RDWR: "r+b"}.get(flags, "ab"))


def _write_whole_lines(stream: io.FileIO, data: bytes) -> None:
    """Write all; if the disk takes a part only, whoever reads along finds no half line."""
    start, written = stream.seek(0, os.SEEK_END), 0
    try:
        while written < len(data):
            written += stream.write(data[written:])
    except OSError:
        with contextlib.suppress(OSError):
            stream.truncate(start + data.rfind(b"\n", 0, written) + 1)
        raise


def _mended(path: Path) -> _Place | None:
    """Cut off what is no whole line at the file's end; what the last whole one says, None if there is none."""
    if not path.exists():
        return None
    with io.BufferedRandom(_opened(path, os.O_RDWR)) as stream:
        if not _is_ours(stream.readline(_HEAD_BYTES)):
            raise SinkError(f"{path}: holds something else than events; choose another path")
        end = whole = stream.seek(0, os.SEEK_END)
        place = None
        while whole and place is None:
            start = _line_start(stream, whole)
            stream.seek(start)
            place = _place_of(stream.read(whole - start)) if whole - start <= _HEAD_BYTES else None
            whole = whole if place else start
        if whole != end:
            stream.truncate(whole)
            stream.flush()
            os.fsync(stream.fileno())
    return place


def _line_start(stream: BinaryIO, end: int) -> int:
    """Find the beginning of the line that ends at `end`, with its newline or without."""
    searched = end - 1
    while searched > 0:
        start = max(0, searched - _TAIL_BYTES)
        stream.seek(start)
        found = stream.read(searched - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        searched = start
    return 0


def _newest_keys(paths: Iterable[Path]) -> dict[bytes, None]:
    """The `Record.key`s of the newest events and answers in these files, given newest first."""
    keys: list[bytes] = []
    left = MAX_READ_BACK_BYTES
    for path in paths:
        if left <= 0:
            break
        if not path.exists():
            continue
        with io.BufferedReader(_opened(path, os.O_RDONLY)) as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - left))
            found = [_key_of(match) for line in stream if (match := _KEY.match(line))]
        keys[:0] = found
        left -= size
    return dict.fromkeys(keys[-MAX_READ_BACK_IDS:])


def _key_of(match: re.Match[bytes]) -> bytes:
    return match[1] if match[2] is None else match[1] + b"#" + match[2]


def _is_ours(head: bytes) -> bool:
    """Return whether a file may be mended: it begins as ours do, or with what a power cut left of such a beginning."""
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
