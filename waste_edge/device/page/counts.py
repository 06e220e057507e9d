"""Items by stream, action and day, answers, durations of decisions: cumulative, so that no lost message matters."""

from __future__ import annotations

import contextlib
import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Literal

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.outbox.record import Record
from waste_edge.device.page.state import DECISION_BOUNDS_S, AnswerTotal, Day, DecisionTimes, Total
from waste_edge.taxonomy import UNKNOWN

DAYS = 8  # today and a week
MOST_SCANNED = 200_000  # of the newest events in the outbox
_AT_ONCE = 2000

DayKey = tuple[str, Literal["stream", "action"], str]  # day, and one name of either kind

_LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
# Minutes, since a day begins at another minute in another time zone. An answer moves its item to another stream, on the
# day that the item came.
_EVENTS = """
SELECT substr(json_extract(text, '$.time_utc'), 1, 16), json_extract(text, '$.event.decision.stream'),
       json_extract(text, '$.event.decision.action'), count(*)
FROM (SELECT CAST(record AS TEXT) AS text FROM events WHERE sequence > ? AND sequence <= ? AND instr(id, '#') = 0)
WHERE json_valid(text) GROUP BY 1, 2, 3
"""
_ANSWERS = """
SELECT substr(json_extract(item, '$.time_utc'), 1, 16), json_extract(answer, '$.event.previous_stream'),
       json_extract(answer, '$.event.stream'), count(*)
FROM (SELECT CAST(answers.record AS TEXT) AS answer, CAST(items.record AS TEXT) AS item FROM events AS answers
      JOIN events AS items ON items.id = substr(answers.id, 1, instr(answers.id, '#') - 1)
      WHERE answers.sequence > ? AND answers.sequence <= ? AND instr(answers.id, '#') > 0)
WHERE json_valid(answer) AND json_valid(item) GROUP BY 1, 2, 3
"""


@dataclass(frozen=True)
class Totals:
    """Counts since the station started; never changed once they are made, so that any thread may read them."""

    items: tuple[Total, ...] = ()
    unknown: int = 0
    decision: DecisionTimes = field(default_factory=DecisionTimes)
    answers: tuple[AnswerTotal, ...] = ()
    days: tuple[tuple[DayKey, int], ...] = ()


class ItemCounts:
    """Counts decided items and answers, in the loop's thread.

    Attributes:
        totals: the counts so far.
    """

    def __init__(self, zone: tzinfo | None = None) -> None:
        """Begin at 0; days begin at midnight in `zone`, that of the machine if None."""
        self.totals = Totals()
        self._zone = zone
        self._items: Counter[tuple[str, str]] = Counter()
        self._answers: Counter[tuple[str, str]] = Counter()
        self._days: Counter[DayKey] = Counter()
        self._buckets = [0] * (len(DECISION_BOUNDS_S) + 1)
        self._unknown, self._sum_s = 0, 0.0

    def count(self, event: Event, now: datetime) -> None:
        """Count an item that was decided at `now`."""
        decision, seconds = event.decision, (event.decided_ns - event.opened_ns) / NS_PER_S
        day = day_of(now, self._zone)
        self._items[decision.stream, decision.action] += 1
        self._days[day, "stream", decision.stream] += 1
        self._days[day, "action", decision.action] += 1
        self._unknown += decision.label == UNKNOWN
        self._buckets[bisect_left(DECISION_BOUNDS_S, seconds)] += 1
        self._sum_s += seconds
        self._publish(now)

    def count_answer(self, answer: Record, decided_utc: str, now: datetime) -> None:
        """Count an answer; its item moves to another stream, on the day that it was decided at."""
        self._answers[str(answer.event.get("source", "")), answer.stream] += 1
        with contextlib.suppress(ValueError):
            day = day_of(datetime.fromisoformat(decided_utc), self._zone)
            self._days[day, "stream", answer.previous_stream] -= 1
            self._days[day, "stream", answer.stream] += 1
        self._publish(now)

    def _publish(self, now: datetime) -> None:
        oldest = day_of(now - timedelta(days=DAYS - 1), self._zone)
        for key in [key for key in self._days if key[0] < oldest]:
            del self._days[key]
        self.totals = Totals(
            items=tuple(Total(stream=key[0], action=key[1], count=count) for key, count in self._items.items()),
            unknown=self._unknown,
            decision=DecisionTimes(buckets=tuple(self._buckets), sum_s=self._sum_s),
            answers=tuple(
                AnswerTotal(source=key[0], stream=key[1], count=count) for key, count in self._answers.items()
            ),
            days=tuple(self._days.items()),
        )


class KeptDays:
    """Counts of the last days from the outbox, of what was in it when this was made.

    Args:
        path: the outbox's database; None: there is none.
        zone: where days begin; that of the machine if None.
    """

    def __init__(self, path: Path | None, zone: tzinfo | None = None) -> None:
        self._path = path
        self._zone = zone
        self._up_to = 0
        with contextlib.suppress(sqlite3.Error), self._connection() as connection:
            found = connection.execute(_LAST).fetchone()
            self._up_to = int(found[0]) if found else 0

    def read(self) -> dict[DayKey, int]:
        """Count them, newest first, until they are older than is shown; what cannot be read is left out."""
        days: Counter[DayKey] = Counter()
        oldest = day_of(datetime.now(UTC) - timedelta(days=DAYS - 1), self._zone)
        with contextlib.suppress(sqlite3.Error), self._connection() as connection:
            for upper in range(self._up_to, max(0, self._up_to - MOST_SCANNED), -_AT_ONCE):
                span = (upper - _AT_ONCE, upper)
                events = [(self._day(row[0]), row) for row in connection.execute(_EVENTS, span)]
                for day, (_, stream, action, count) in events:
                    if day >= oldest:
                        days[day, "stream", str(stream)] += count
                        days[day, "action", str(action)] += count
                for minute, previous, stream, count in connection.execute(_ANSWERS, span):
                    if (day := self._day(minute)) >= oldest:
                        days[day, "stream", str(previous)] -= count
                        days[day, "stream", str(stream)] += count
                if events and max(day for day, _ in events) < oldest:
                    break
        return dict(days)

    def _day(self, minute: str | None) -> str:
        """The local day of a minute; empty, before all days, where there is none."""
        try:
            return day_of(datetime.fromisoformat(f"{minute}:00+00:00"), self._zone)
        except ValueError:
            return ""

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._path is None or not self._path.exists():
            raise sqlite3.OperationalError("no outbox yet")
        connection = sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True, timeout=0.5)
        try:
            yield connection
        finally:
            connection.close()


def days_of(kept: dict[DayKey, int], since: tuple[tuple[DayKey, int], ...], today: datetime) -> tuple[Day, ...]:
    """Put kept counts and those since the start together: newest day first, today among them.

    Args:
        kept: see `KeptDays.read`.
        since: see `Totals.days`.
        today: now, in the zone that days begin in.
    """
    counts = Counter(kept)
    for key, count in since:
        counts[key] += count
    oldest = (today - timedelta(days=DAYS - 1)).date().isoformat()
    names = sorted({key[0] for key in counts if key[0] >= oldest} | {today.date().isoformat()}, reverse=True)
    return tuple(_day(name, counts) for name in names[:DAYS])


def _day(name: str, counts: Counter[DayKey]) -> Day:
    found = {key: count for key, count in counts.items() if key[0] == name and count > 0}
    streams = Counter({key[2]: count for key, count in found.items() if key[1] == "stream"})
    actions = {key[2]: count for key, count in found.items() if key[1] == "action"}
    return Day(day=name, items=streams.total(), streams=dict(streams.most_common()), actions=actions)


def day_of(moment: datetime, zone: tzinfo | None) -> str:
    """The local day of a moment, as YYYY-MM-DD."""
    return moment.astimezone(zone).date().isoformat()
