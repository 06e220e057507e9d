"""What the tests of outbox and sinks share: events, a wall clock that obeys, a sink that can be told to fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import Decision
from waste_edge.device.outbox.record import Record
from waste_edge.device.sinks.sink import SinkError
from waste_edge.device.system.condition import Condition

START = datetime(2026, 3, 1, 14, 2, tzinfo=UTC)


def make_event(number: int, stream: str = "paper") -> Event:
    decision = Decision(stream, "paper", 0.9, "mean of 5 frames; next best metal 3%")
    return Event(f"{number:032x}", 1_000 + number, 2_000 + number, decision, frames=5)


def id_of(number: int) -> str:
    return make_event(number).id


class FakeWall:
    """A wall clock that is set by the test."""

    def __init__(self, boot_id: str = "boot-1") -> None:
        self.boot_id = boot_id
        self.now = START
        self.in_step = True

    def now_utc(self) -> datetime:
        return self.now

    def synchronized(self) -> bool:
        return self.in_step

    def jump(self, days: float) -> None:
        self.now += timedelta(days=days)


class FakeSink:
    """Keeps what it is told; fails while `error` is set."""

    name = "fake"

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.batches: list[int] = []
        self.health: list[Sequence[Condition]] = []
        self.error: Exception | None = None
        self.closed = False

    def deliver(self, records: Sequence[Record]) -> None:
        if self.error is not None:
            raise self.error
        self.batches.append(len(records))
        self.records += records

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        if self.error is not None:
            raise self.error
        self.health.append(conditions)

    def close(self) -> None:
        self.closed = True

    def probe(self) -> str:
        if self.error is not None:
            raise self.error
        return "a fake"

    @property
    def ids(self) -> list[str]:
        return [record.id for record in self.records]


REFUSED = SinkError("broker:1883: connection refused")
