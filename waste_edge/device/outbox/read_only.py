"""Reading of an outbox and of its features beside a station that may be running: nothing is written or locked.

`stored_records` gives the records as they are stored, `kept_items` each item with its answer and what it was decided
from.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import msgspec

from waste_edge.device.outbox.database import SCHEMA
from waste_edge.device.outbox.features import FEATURES_NAME, FEATURES_SCHEMA
from waste_edge.device.outbox.looks import DamagedLooksError, KeptLooks, PackedLooks, setting_of, unpack
from waste_edge.device.outbox.record import Record, decode_record
from waste_edge.engines.classifier import ModelId
from waste_edge.errors import ConfigError, DataError
from waste_edge.files.limits import MAX_LOOKS_BYTES, MAX_REPORT_RECORDS, MAX_SETTING_BYTES

REMEDY = "give the station's --state DIR"
_MOST_SETTINGS = 10_000  # bundles, networks and regions that items were seen with

_LOOKS = (
    "SELECT settings.setting, looks, labels, features, parts, numbers FROM items "
    "JOIN settings ON settings.number = items.setting WHERE id = ? "
    f"AND length(settings.setting) <= {MAX_SETTING_BYTES} AND length(numbers) <= {MAX_LOOKS_BYTES}"
)
_SETTINGS = (
    "SELECT settings.setting FROM settings JOIN items ON settings.number = items.setting "
    f"WHERE length(settings.setting) <= {MAX_SETTING_BYTES} "
    f"GROUP BY settings.number ORDER BY max(items.number) DESC LIMIT {_MOST_SETTINGS}"
)


@dataclass(frozen=True, eq=False)
class KeptItem:
    """A decided item as the outbox has it.

    Attributes:
        record: its event.
        answers: records of answers to it, in their order.
        looks: what it was decided from; None if that is not kept.
    """

    record: Record
    answers: tuple[Record, ...] = ()
    looks: KeptLooks | None = None

    @property
    def id(self) -> str:
        """The item's, as in its event."""
        return self.record.id

    @property
    def label(self) -> str:
        """The label that was decided; `unknown` if none was."""
        return str(self.record.event["decision"]["label"])

    @property
    def answer(self) -> Record | None:
        """The last answer that a person gave; None if nobody did. Its label may be None: only a stream was told."""
        given = (one for one in reversed(self.answers) if one.event.get("source") != "timeout")
        return next(given, None)


@dataclass(frozen=True)
class Damage:
    """Counts of what could not be read.

    Attributes:
        records: of the outbox.
        looks: of the file of features.
    """

    records: int = 0
    looks: int = 0


class KeptItems:
    """The items of a station's outbox, in order, each with its answers and what it was decided from.

    Args:
        state: the station's folder, or a copy of it.
        outbox_name: of the outbox in it.

    Attributes:
        has_features: whether there is a file of features at all.
        damage: counts so far.

    Raises:
        ConfigError: another version of the program made one of the files.
        DataError: there is no outbox, it is damaged, or it may not be read.
    """

    def __init__(self, state: Path, outbox_name: str = "outbox.sqlite") -> None:
        self._path = state / FEATURES_NAME
        self.has_features = self._path.exists()
        self.damage = Damage()
        self._records: list[Record] = []
        self._answers: dict[str, list[Record]] = {}
        for sequence, stored in stored_records(state / outbox_name, MAX_REPORT_RECORDS):
            self._take(sequence, stored)

    def __iter__(self) -> Iterator[KeptItem]:
        """The items, oldest first; the features of each are read when it comes.

        Raises:
            ConfigError, DataError: the file of features cannot be read.
        """
        with contextlib.ExitStack() as stack:
            connection = None
            if self.has_features:
                stack.enter_context(_explained(self._path))
                connection = stack.enter_context(contextlib.closing(connected(self._path, FEATURES_SCHEMA)))
            for record in self._records:
                answers = tuple(sorted(self._answers.get(record.id, ()), key=lambda one: one.answer))
                looks = None if connection is None else self._looks(connection, record.id)
                yield KeptItem(record, answers, looks)

    def models(self) -> list[ModelId]:
        """Networks that answered, with their bundles, each once; the one of the newest item is the last.

        Raises:
            ConfigError, DataError: the file of features cannot be read.
        """
        if not self.has_features:
            return []
        with _explained(self._path), contextlib.closing(connected(self._path, FEATURES_SCHEMA)) as connection:
            texts = [row[0] for row in connection.execute(_SETTINGS)][::-1]
        found: list[ModelId] = []
        for text in texts:
            with contextlib.suppress(DamagedLooksError):
                model = setting_of(text).model
                found = [*(one for one in found if one != model), *([] if model is None else [model])]
        return found

    def _take(self, sequence: int, stored: object) -> None:
        try:
            record = replace(decode_record(stored), sequence=sequence) if isinstance(stored, bytes) else None
            _ = record and (record.stream, record.event["label" if record.answer else "decision"])
        except (msgspec.DecodeError, ValueError, TypeError, KeyError, RecursionError):
            record = None
        if record is None:
            self.damage = replace(self.damage, records=self.damage.records + 1)
        elif record.answer:
            self._answers.setdefault(record.id, []).append(record)
        else:
            self._records.append(record)

    def _looks(self, connection: sqlite3.Connection, item_id: str) -> KeptLooks | None:
        row = connection.execute(_LOOKS, (item_id,)).fetchone()
        try:
            return None if row is None else unpack(PackedLooks(*row))
        except DamagedLooksError:
            self.damage = replace(self.damage, looks=self.damage.looks + 1)
            return None


def stored_records(path: Path, most: int, remedy: str = REMEDY) -> list[tuple[int, object]]:
    """The records of an outbox, in order.

    Args:
        path: of the outbox.
        most: so many at most.
        remedy: what a user is told to give where there is none.

    Returns:
        (sequence, as it is stored) of each.

    Raises:
        ConfigError: another version of the program made it.
        DataError: it is no outbox, damaged, or may not be read.
    """
    with _explained(path):
        _check_is_database(path, remedy)
        had_log = _has_log(path)
        try:
            return _rows(path, most)
        except sqlite3.DatabaseError:
            if had_log or not _has_log(path):
                raise
            return _rows(path, most)  # the station was started in that moment


def connected(path: Path, schema: int) -> sqlite3.Connection:
    """A connection that only reads.

    With a log beside the database, which a running station has, SQLite must read along in it. Without one nothing is
    going on: then the file is read as it is, and no log is made, which the station's user might not be able to write.

    Raises:
        ConfigError: the file is of another schema.
        sqlite3.Error: it cannot be read.
    """
    mode = "mode=ro" if _has_log(path) else "immutable=1"
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True, timeout=5.0)
    try:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found != schema:
            raise ConfigError(
                f"{path}: schema {found}, this program reads schema {schema}; use the version that made it"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _rows(path: Path, most: int) -> list[tuple[int, object]]:
    with contextlib.closing(connected(path, SCHEMA)) as connection:
        found = connection.execute("SELECT sequence, record FROM events ORDER BY sequence LIMIT ?", (most,))
        return [(int(sequence), stored) for sequence, stored in found]


def _has_log(path: Path) -> bool:
    return any(Path(f"{path}{suffix}").exists() for suffix in ("-wal", "-shm"))


def _check_is_database(path: Path, remedy: str) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no outbox there; {remedy}")
    with path.open("rb") as stream:  # raises what SQLite would only hint at
        if stream.read(16) != b"SQLite format 3\0":
            raise DataError(f"{path}: is no outbox of a station")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DataError(f"{path}: cannot be read ({error}); is it damaged, or may this user not read it?") from error
    except PermissionError as error:
        raise DataError(
            f"{path}: may not be read by this user; try sudo, or the user that the station runs as"
        ) from error
