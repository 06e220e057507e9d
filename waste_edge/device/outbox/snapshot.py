"""Snapshot of an outbox, as it stands for one sink."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from waste_edge.device.outbox.record import Record


@dataclass(frozen=True)
class Snapshot:
    """Counters of an outbox, and how far a sink has got.

    Attributes:
        outbox_id: which outbox counts.
        begun_utc: when it began to count at 0, ISO 8601; only whether it changed means anything, since a board may not
            know the time.
        stream_items: items by stream, those that wait included.
        cursor: sequence of what the sink has had last; 0 before the first.
        last: the newest event that it has had, if it is still kept.
        waiting: how many events and answers it has not had.
    """

    outbox_id: str = ""
    begun_utc: str = ""
    stream_items: Mapping[str, int] = field(default_factory=dict)
    cursor: int = 0
    last: Record | None = None
    waiting: int = 0
