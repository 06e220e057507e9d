"""Records of a station as a report needs them: items and answers, and lines of health; decoded leniently.

A record may come from an older or a later version: what it lacks has a default, and what is not known is passed over.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from datetime import datetime

import msgspec

from waste_edge.device.outbox.values import MOST_NS, MOST_SEQUENCE


@dataclass(frozen=True, slots=True)
class Told:
    """An item's event, or an answer to it.

    Attributes:
        id: of the item.
        answer: number of the answer; 0 for the event.
        outbox_id, sequence: which record of which outbox.
        station: its name then.
        boot_id, committed_ns: monotonic time of the commit, in ns, and which boot's.
        told_s: wall clock as it was told, in seconds since 1970; not-a-number if it cannot be read.
        in_step: that clock was kept in step.
        frame: number of the frame, which begins anew with the program; 0 if it was not told.
        stream: where the item goes, or belongs as was answered.
        label: empty if nobody said.
        action: `sort`, `residual` or `ask`.
        probability: that it belongs to the stream, as the model has it; not-a-number if it has no opinion.
        audit: drawn at random to be asked about.
        expires_s: how long an answer is awaited; not-a-number if nobody is asked.
        source: of an answer; `timeout` if nobody gave one.
        corrects: an answer that changes what had been decided or answered.
    """

    id: str
    answer: int
    outbox_id: str
    sequence: int
    station: str
    boot_id: str
    committed_ns: int
    told_s: float
    in_step: bool
    frame: int
    stream: str
    label: str
    action: str
    probability: float
    audit: bool
    expires_s: float
    source: str
    corrects: bool

    @property
    def key(self) -> tuple[str, int]:
        """Tells it from all others: each is counted once."""
        return self.id, self.answer

    @property
    def by_person(self) -> bool:
        """Return whether a person gave this answer."""
        return self.answer > 0 and self.source != "timeout"


@dataclass(frozen=True)
class PartLevel:
    """Level of one part of the station, and its words."""

    part: str
    level: str
    text: str


@dataclass(frozen=True)
class HealthLine:
    """A line of health: written after the event `sequence` of its outbox.

    Attributes:
        told_s: wall clock as it was told.
        parts: every part's level.
    """

    outbox_id: str
    sequence: int
    told_s: float
    parts: tuple[PartLevel, ...]


class _Decision(msgspec.Struct):
    stream: str
    label: str = ""
    action: str = "sort"
    stream_probability: float | None = None


class _Fields(msgspec.Struct):
    """Fields of an event or an answer beside its record's own."""

    decision: _Decision | None = None
    frame: int = 0
    audit: bool = False
    expires_s: float | None = None
    stream: str = ""
    label: str | None = None
    action: str = "sort"
    source: str = ""
    corrects: bool = False


class _Own(msgspec.Struct):
    """Fields of a record itself."""

    id: str
    outbox_id: str = ""
    sequence: int = 0
    station: str = ""
    boot_id: str = ""
    committed_ns: int = 0
    time_utc: str = ""
    clock_synchronized: bool = False
    answer: int = 0


class _Stored(_Own):
    event: _Fields = msgspec.field(default_factory=_Fields)


class _Part(msgspec.Struct):
    part: str
    level: str
    text: str = ""


class _Health(msgspec.Struct):
    outbox_id: str = ""
    sequence: int = 0
    time_utc: str = ""
    conditions: list[_Part] = msgspec.field(default_factory=list)


class _Kind(msgspec.Struct):
    kind: str


_STORED, _OWN = msgspec.json.Decoder(_Stored), msgspec.json.Decoder(_Own)
_FIELDS, _HEALTH, _KIND = msgspec.json.Decoder(_Fields), msgspec.json.Decoder(_Health), msgspec.json.Decoder(_Kind)


def decode_stored(sequence: int, stored: bytes) -> Told | None:
    """A record of the outbox; None if it is damaged."""
    try:
        found = _STORED.decode(stored)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    found.sequence = sequence
    return _told(found, found.event)


def decode_line(line: bytes) -> Told | HealthLine | str | None:
    """A line of JSON: an item, an answer or health; the kind of another one; None if it is damaged."""
    try:
        kind = _KIND.decode(line).kind
        if kind in ("event", "answer"):
            return _told(_OWN.decode(line), _FIELDS.decode(line))
        if kind != "health":
            return kind
        found = _HEALTH.decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    if not 0 <= found.sequence <= MOST_SEQUENCE:
        return None
    parts = tuple(PartLevel(one.part, one.level, one.text) for one in found.conditions)
    return HealthLine(found.outbox_id, found.sequence, _seconds(found.time_utc), parts)


def _told(own: _Own, fields: _Fields) -> Told | None:
    decision, is_answer = fields.decision, own.answer > 0
    in_range = 0 <= own.committed_ns <= MOST_NS and 0 <= own.sequence <= MOST_SEQUENCE
    if (decision is None) != is_answer or not own.id or not in_range:
        return None
    probability = None if decision is None else decision.stream_probability
    if probability is not None and not 0.0 <= probability <= 1.0:
        return None
    stream = fields.stream if decision is None else decision.stream
    if not stream:
        return None
    label = fields.label or "" if decision is None else decision.label
    action = fields.action if decision is None else decision.action
    return Told(
        id=own.id,
        answer=own.answer,
        outbox_id=sys.intern(own.outbox_id),
        sequence=own.sequence,
        station=sys.intern(own.station),
        boot_id=sys.intern(own.boot_id),
        committed_ns=own.committed_ns,
        told_s=_seconds(own.time_utc),
        in_step=own.clock_synchronized,
        frame=fields.frame,
        stream=sys.intern(stream),
        label=sys.intern(label),
        action=sys.intern(action),
        probability=math.nan if probability is None else probability,
        audit=fields.audit,
        expires_s=math.nan if fields.expires_s is None else fields.expires_s,
        source=sys.intern(fields.source),
        corrects=fields.corrects,
    )


def _seconds(time_utc: str) -> float:
    try:
        found = datetime.fromisoformat(time_utc)
        return found.timestamp() if found.tzinfo is not None else math.nan
    except (ValueError, OverflowError, OSError):
        return math.nan
