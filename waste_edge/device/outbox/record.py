"""Record of an event or an answer, as the outbox keeps it and sinks tell it; docs/events.md explains every field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from waste_edge.device.decision.answer import Answer

_UNTOLD = ("crop", "evidence")  # of an event: for this process alone


@dataclass(frozen=True)
class Record:
    """One event, or one answer to it, as it was committed.

    It is composed once: a later version of the program tells it unchanged.

    Attributes:
        id: the item's, 32 hexadecimal digits, in its event and in every answer to it.
        sequence: 1, 2, 3, … in the order of commitment, never used twice in one outbox; 0 while the event is only in
            memory because the disk cannot be written.
        outbox_id: which outbox counted; another one begins if the database had to be set aside.
        station: the station's name.
        boot_id: which boot the monotonic times belong to.
        time_utc: wall clock at the commit, ISO 8601 with milliseconds and Z.
        clock_synchronized: whether that clock was kept in step then.
        committed_ns: monotonic clock at the commit.
        stream_items: how many items of this outbox belong to its stream after it; 0 while only in memory.
        event: the `Event`'s or `Answer`'s fields as JSON has them.
        answer: the how-manieth answer to the item this is; 0: the item's event.
    """

    id: str
    sequence: int
    outbox_id: str
    station: str
    boot_id: str
    time_utc: str
    clock_synchronized: bool
    committed_ns: int
    stream_items: int
    event: Mapping[str, Any]
    answer: int = 0

    def __post_init__(self) -> None:
        if not self.id or min(self.sequence, self.stream_items, self.answer) < 0:
            raise ValueError(f"a record needs an id and counts from 0, got {self}")

    @property
    def kind(self) -> str:
        """`event` or `answer`."""
        return "answer" if self.answer else "event"

    @property
    def key(self) -> str:
        """Tells this record from all others: a receiver takes each once."""
        return f"{self.id}#{self.answer}" if self.answer else self.id

    @property
    def stream(self) -> str:
        """Stream that the item goes to."""
        return str(self.event["stream"] if self.answer else self.event["decision"]["stream"])

    @property
    def previous_stream(self) -> str:
        """Stream that an answer takes the item from; of an event, its own."""
        return str(self.event["previous_stream"]) if self.answer else self.stream

    @property
    def counters(self) -> dict[str, int]:
        """Items by stream after this record: of its stream, and of the one that an answer takes the item from."""
        own = {self.stream: self.stream_items}
        return {self.previous_stream: int(self.event["previous_stream_items"])} | own if self.answer else own


def event_fields(event: object) -> Mapping[str, Any]:
    """An event's fields as JSON has them: numpy's numbers become plain ones, not-a-number becomes null.

    Its crop is not among them: pictures of what people throw away stay in memory. Nor is its evidence, which nobody is
    told; `features.py` keeps it.
    """
    if any(getattr(event, name, None) is not None for name in _UNTOLD):
        event = replace(event, **dict.fromkeys(_UNTOLD))  # type: ignore[type-var]
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event, enc_hook=_plain))
    return {name: value for name, value in fields.items() if name not in _UNTOLD}


def answer_fields(answer: Answer) -> Mapping[str, Any]:
    """An answer's fields as JSON has them, without what its record tells."""
    return {name: value for name, value in vars(answer).items() if name not in ("id", "number")}


def to_json_line(record: Record) -> str:
    """The record as one JSON object, its event's fields beside its own; without a newline."""
    own = {name: value for name, value in vars(record).items() if name not in ("event", "answer", "id")}
    number = {"answer": record.answer} if record.answer else {}
    return msgspec.json.encode({"kind": record.kind, "id": record.id, **number, **own, **record.event}).decode()


def encode_record(record: Record) -> bytes:
    """Encode a record for the database."""
    return msgspec.json.encode(record)


def decode_record(stored: bytes) -> Record:
    """Back from the database; raises msgspec.DecodeError or ValueError if the bytes are damaged."""
    return msgspec.json.decode(stored, type=Record)


def _plain(value: object) -> object:
    to_plain = getattr(value, "tolist", None)
    if to_plain is None:
        raise TypeError(f"an event cannot hold a {type(value).__name__}")
    return to_plain()
