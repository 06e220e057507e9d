"""The outbox: an event is on the disk, with the scene it belongs to, before anyone is told of it.

The loop's thread commits. Sinks read at their own pace (`reader.py`, `sinks/delivery.py`). A disk that is full,
read-only or gone stops nothing: events wait in memory, in order and bounded, until it can be written again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waste_edge.device.clock import NS_PER_S, Clock, RetryPolicy, SystemWallClock, WallClock
from waste_edge.device.decision.answer import Answer
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.outbox.config import OutboxConfig
from waste_edge.device.outbox.database import WAL_BYTES, Database, in_words, is_corrupt, set_aside
from waste_edge.device.outbox.place import Place, finish_putting_back, put_back
from waste_edge.device.outbox.reader import OutboxReader
from waste_edge.device.outbox.record import Record, answer_fields, event_fields
from waste_edge.device.system.condition import Condition, Level
from waste_edge.errors import ConfigError

if TYPE_CHECKING:
    from waste_edge.device.outbox.features import FeatureStore

_RETRY = RetryPolicy()  # of the disk
_TEND_EVERY_S = 60.0
_TEND_EVERY_COMMITS = 100
_LATENCIES = 1000  # of the newest commits


@dataclass(frozen=True)
class CommitTimes:
    """Durations of the newest commits, in ms; zeros before the first."""

    count: int
    p50_ms: float
    p99_ms: float


class Outbox:
    """Keeps events until every sink had them, and the scene across restarts.

    All methods but `reader`, `condition` and `commit_times` are for one thread, the loop's.

    Args:
        path: the database; made, with its folder, if it is missing.
        station: the name that receivers know this station by.
        clock: ages events, times commits and retries.
        wall_clock: what time people would say it is.
        config: how much is kept.

    Raises:
        ConfigError: the database was made by another version of the program. No other failure of the disk raises:
            `condition` tells it.
    """

    def __init__(
        self,
        path: Path,
        station: str,
        clock: Clock,
        wall_clock: WallClock | None = None,
        config: OutboxConfig | None = None,
    ) -> None:
        self._path = path
        self._station = station
        self._clock = clock
        self._wall_clock = wall_clock or SystemWallClock()
        self._config = config or OutboxConfig()
        self._begun = False
        self._gate = threading.Lock()
        self._readers: dict[str, OutboxReader] = {}
        self._listeners: list[Callable[[], None]] = []
        self._database: Database | None = None
        self._opened_last: Database | None = None  # closed or not: it remembers what was written to the file
        self._waiting: deque[Record] = deque()
        self._scene: bytes | None = None
        self._scene_waits = False
        self._corrupt_seen = False
        self._trouble = ""  # why the disk could not be written, in words
        self._since = ""
        self._failures, self._retry_ns = 0, 0
        self._tend_ns = clock.now_ns()
        self._remark = ""  # what happened to the files in this run, in words
        self._place: Place | None = None  # of the open database
        self._moved = ""  # why a database that lost its place could not be put back
        self._put_back_ns = 0
        self._told: tuple[str, int] | None = None
        self._opened_before = False
        self._lost = 0  # events that went before every sink had them, in this run
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES)
        self._commits = self._untended = 0
        self._features = self._feature_store()
        self._attempt(lambda database: None)
        self._begun = True

    def told(self, outbox_id: str, sequence: int) -> None:
        """Note that a sink has had the event `sequence` of the outbox `outbox_id`.

        If that is more than is kept here, the card lost events that had been told: then another outbox id is begun, so
        that no receiver takes a new event for one that it has.
        """
        self._told = (outbox_id, sequence)
        self._attempt(self._catch_up)

    def commit(self, event: Event, scene: bytes) -> Record:
        """Put an event and the scene after it on the disk, in one transaction; then wake the sinks.

        Returns:
            The record. If the disk cannot be written it has the sequence 0 and waits in memory. An id that was
            committed before gives the record it has already.
        """
        started_ns = self._clock.now_ns()
        record = next((kept for kept in self._waiting if kept.key == event.id), None)
        if record is None:
            record = self._draft(event.id, event_fields(event))
            self._waiting.append(record)
        self._scene, self._scene_waits = scene, True
        kept = self._written([record], started_ns)[0]
        if self._features is not None:
            self._features.keep(event)
        return kept

    def commit_answers(self, answers: Sequence[Answer]) -> list[Record]:
        """Put answers on the disk, in one transaction; then wake the sinks.

        Returns:
            Their records, as `commit` gives them.
        """
        started_ns = self._clock.now_ns()
        drafts = [self._draft(answer.id, answer_fields(answer), answer.number) for answer in answers]
        self._waiting += drafts
        return self._written(drafts, started_ns)

    def newest(self, items: int) -> list[tuple[Record, int]] | None:
        """The newest events and the answers since: (record, age in ns), in order; None if they cannot be read now."""
        found: list[tuple[Record, int]] = []

        def read(database: Database) -> None:
            found[:] = database.newest(items, self._clock.now_ns())

        return found if self._attempt(read) else None

    def keep_scene(self, scene: bytes) -> None:
        """Put a scene on the disk without an event; the one that is there already costs nothing."""
        if scene != self.scene():
            self._scene, self._scene_waits = scene, True
            self._write()

    def scene(self) -> bytes | None:
        """The newest scene, kept across restarts; None if there is none."""
        if self._scene_waits or self._database is None:
            return self._scene
        return self._database.scene

    def say_scene_is_unreadable(self) -> None:
        """Have `condition` tell that the scene which was kept could not be taken up."""
        self._remark = (
            f"{self._path}: the scene that was kept cannot be read (damaged, or another version's): it is learned anew"
        )

    def tend(self) -> None:
        """Try a failing disk again, prune, shorten the log. Call it about once a second; cheap otherwise."""
        if not self._trouble:
            self._attempt(lambda database: None)  # sees whether the file has its place still
        self._write()
        self._tend()

    def reader(self, sink: str) -> OutboxReader:
        """A sink's cursor. From now on events wait for that sink; a new one begins with the oldest event kept."""
        with self._gate:
            if sink not in self._readers:
                self._readers[sink] = OutboxReader(self._path, sink, self._gate, self._note)
            return self._readers[sink]

    def on_commit(self, wake: Callable[[], None]) -> None:
        """Register `wake`, called in the loop's thread after every commit; it must not block."""
        self._listeners.append(wake)

    def commit_times(self) -> CommitTimes:
        """Summarize the durations of the newest 1000 commits, measured around the whole of `commit`."""
        newest = sorted(self._latencies_ms) or [0.0]
        return CommitTimes(self._commits, newest[len(newest) // 2], newest[int(0.99 * (len(newest) - 1))])

    def condition(self) -> Condition:
        """Bad while events exist in memory only or were lost; warn after a corrupt database; else ok."""
        lost = f"{self._lost} events were lost: kept no longer, and not every sink had had them"
        if self._trouble:
            waiting = f"since {self._since} UTC {len(self._waiting)} events are in memory only: {self._trouble}"
            return Condition("outbox", Level.BAD, f"{waiting}; {lost}" if self._lost else waiting)
        if self._lost:
            remedy = self._remark or "see to the sinks, or raise max_mb and max_age_days"
            return Condition("outbox", Level.BAD, f"{lost}; {remedy}")
        if self._moved:
            return Condition("outbox", Level.BAD, self._moved)
        features = self._features and (self._features.trouble or self._features.remark)
        if remark := self._remark or features:
            return Condition("outbox", Level.WARN, remark)
        damaged = sum(reader.damaged for reader in list(self._readers.values()))
        if damaged:
            return Condition("outbox", Level.WARN, f"{damaged} records of {self._path} are damaged; check the card")
        times = self.commit_times()
        took = f"p50 {times.p50_ms:.1f} ms, p99 {times.p99_ms:.1f} ms"
        return Condition("outbox", Level.OK, f"{times.count} commits, {took}")

    def waiting(self) -> dict[str, int]:
        """Count, by sink, the events that it has not had, as far as is known in memory. Any thread; cheap."""
        database, unwritten = self._opened_last, len(self._waiting)
        readers = list(self._readers.items())
        kept = {name: 0 if database is None else database.not_had(name, reader.cursor) for name, reader in readers}
        return {name: count + unwritten for name, count in kept.items()}

    @property
    def unwritten(self) -> int:
        """Events that are in memory only, since the disk cannot be written."""
        return len(self._waiting)

    def close(self) -> None:
        """Try once more to write what waits, then close. Deliveries must have been stopped."""
        self._retry_ns = self._put_back_ns = 0
        self._write()
        self._stay_in_place()
        self._drop()
        if self._features is not None:
            self._features.close()
        for reader in self._readers.values():
            reader.close()

    def _written(self, drafts: Sequence[Record], started_ns: int) -> list[Record]:
        """Write these, which wait with all others; as they are kept, or as they wait still."""
        kept = {record.key: record for record in self._write()}
        self._latencies_ms.append((self._clock.now_ns() - started_ns) / 1e6)
        self._commits += 1
        self._untended += len(drafts)
        self._tend()
        return [kept.get(draft.key, draft) for draft in drafts]

    def _draft(self, item_id: str, fields: Mapping[str, Any], answer: int = 0) -> Record:
        now = self._wall_clock.now_utc()
        return Record(
            id=item_id,
            sequence=0,
            outbox_id="",
            station=self._station,
            boot_id=self._wall_clock.boot_id,
            time_utc=now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
            clock_synchronized=self._wall_clock.synchronized(),
            committed_ns=self._clock.now_ns(),
            stream_items=0,
            event=fields,
            answer=answer,
        )

    def _write(self) -> list[Record]:
        """Write whatever waits in memory; what was written, or nothing if that failed or had nothing to do."""
        if not (self._waiting or self._scene_waits or self._trouble or self._corrupt_seen):
            return []
        written: list[Record] = []

        def write(database: Database) -> None:
            scene = self._scene if self._scene_waits else database.scene
            written[:] = database.write(self._waiting, scene, self._clock.now_ns())

        if not self._attempt(write):
            while len(self._waiting) > self._config.max_events_in_memory:
                self._waiting.popleft()
                self._lost += 1
            return []
        self._waiting.clear()
        self._scene_waits = False
        for wake in self._listeners:
            wake()
        return written

    def _attempt(self, work: Callable[[Database], None]) -> bool:
        """Run an operation on the database, opened if need be; False if it failed, or it is too early to try again."""
        if self._trouble and self._clock.now_ns() < self._retry_ns:
            return False
        self._stay_in_place()
        try:
            try:
                if self._corrupt_seen:
                    self._begin_anew()
                work(self._opened())
            except sqlite3.Error as error:
                if not is_corrupt(error):
                    raise
                self._begin_anew()
                work(self._opened())
        except ConfigError as error:
            if not self._begun:
                raise
            self._fail(error)  # a database of another version, put there under way
            return False
        except Exception as error:  # noqa: BLE001 - whatever a disk gives back: events wait, it is said, and tried again
            self._fail(error)
            return False
        self._trouble, self._failures = "", 0
        if self._place is not None:
            self._place.settle()
        return True

    def _opened(self) -> Database:
        if self._database is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            finish_putting_back(self._path)
            self._database = Database(self._path, self._clock.now_ns(), self._wall_clock.boot_id)
            self._opened_last = self._database
            self._place = Place(self._path)
            if self._database.lost_its_log and not self._opened_before:
                self._count_anew(self._database, "its log was gone")
            self._opened_before = True
            self._catch_up(self._database)
        return self._database

    def _catch_up(self, database: Database) -> None:
        """Begin another outbox id if somebody was told more than is kept."""
        if self._told is None or self._told[0] != database.outbox_id:
            return
        kept = database.last_sequence()
        if self._told[1] > kept:
            self._count_anew(database, f"events up to {self._told[1]} were told, up to {kept} are kept")

    def _count_anew(self, database: Database, found: str) -> None:
        database.begin_new_id()
        self._remark = f"{self._path}: the disk lost what was written last ({found}): events count anew; check the card"

    def _stay_in_place(self) -> None:
        """See that the open database has its name still; else put it back, with all that is in it."""
        database, place = self._database, self._place
        if database is None or place is None:
            return
        if place.still_there():
            self._see_what_others_wrote(database, place)
            return
        if self._clock.now_ns() < self._put_back_ns:
            return
        self._scene = self.scene()
        try:
            with self._gate:
                for reader in self._readers.values():
                    reader.forget()
                aside = put_back(database, place, self._path)
        except (sqlite3.Error, OSError) as error:
            self._put_back_ns = self._clock.now_ns() + round(_RETRY.longest_s * NS_PER_S)
            self._moved = f"{self._path} was removed while the station runs, and {in_words(error, self._path)}"
            return
        self._database, self._moved = None, ""
        found = f"; what lay there is now {aside.name}" if aside else ""
        self._remark = f"{self._path} was removed or replaced while the station runs: it was put back{found}"

    def _see_what_others_wrote(self, database: Database, place: Place) -> None:
        """Check for writes by others into the open file: count and report what is gone."""
        if not place.written_by_others():
            return
        with contextlib.suppress(sqlite3.Error):  # busy: the next look will tell
            if database.holds_all():
                place.settle()
                return
            self._begin_anew("was overwritten while the station runs")

    def _begin_anew(self, found: str = "was corrupt") -> None:
        """Set a corrupt database aside, and count what is gone with it.

        No connection may outlive that: closing, it would remove the new one's log.
        """
        self._drop()
        self._scene_waits = self._scene is not None
        with self._gate:
            gone, self._opened_last = self._opened_last, None
            if gone is not None:
                self._lost += max((gone.not_had(name, sink.cursor) for name, sink in self._readers.items()), default=0)
            for reader in self._readers.values():
                reader.forget()
            if self._path.exists():
                aside = set_aside(self._path)
                self._remark = f"{self._path} {found}: set aside as {aside.name}, a new one was begun; check the card"
                if gone is None:
                    self._remark += "; how many events had not been told is not known"
            self._corrupt_seen = False

    def _fail(self, error: Exception) -> None:
        self._drop()  # whatever state the connection is in: a fresh one is opened next time
        if not self._trouble:
            self._since = self._wall_clock.now_utc().strftime("%H:%M")
        self._trouble = in_words(error, self._path)
        self._failures += 1
        self._retry_ns = self._clock.now_ns() + round(_RETRY.after(self._failures) * NS_PER_S)

    def _note(self, error: sqlite3.Error) -> None:
        """A reader met an error, in its own thread."""
        if is_corrupt(error):
            self._corrupt_seen = True

    def _tend(self) -> None:
        now_ns = self._clock.now_ns()
        due = now_ns - self._tend_ns >= _TEND_EVERY_S * NS_PER_S or self._untended >= _TEND_EVERY_COMMITS
        if self._database is None or not due:
            return
        self._tend_ns, self._untended = now_ns, 0

        def tend(database: Database) -> None:
            oldest_ns = database.lived_ns(now_ns) - round(self._config.max_age_days * 86_400 * NS_PER_S)
            max_bytes = round(self._config.max_mb * 1e6)
            self._lost += database.prune(list(self._readers), oldest_ns, max_bytes)
            log = Path(f"{self._path}-wal")
            if log.exists() and log.stat().st_size > 2 * WAL_BYTES:
                database.shorten_log()
            if self._features is not None:  # last: no failure of its file is one of the outbox
                waiting = {record.id for record in self._waiting}
                self._features.tend(
                    lambda ids: database.holds(ids) | (waiting & set(ids)), max_bytes - database.used_bytes()
                )

        self._attempt(tend)

    def _feature_store(self) -> FeatureStore | None:
        """Make the store of features, if they are switched on; else delete those that were kept before."""
        path = self._path.with_name("features.sqlite")
        if self._config.features:
            from waste_edge.device.outbox.features import FeatureStore

            return FeatureStore(path, self._clock)
        if path.exists():
            from waste_edge.device.outbox.features import remove_features

            with contextlib.suppress(OSError):  # a disk that cannot be written: the next start does it
                remove_features(path)
        return None

    def _drop(self) -> None:
        if self._database is not None:
            self._scene = self.scene()
            self._database.close()
            self._database = None
