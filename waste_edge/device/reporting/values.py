"""The report of a station: all that the terminal, JSON, CSV and the page show."""

from __future__ import annotations

from typing import Literal

import msgspec

from waste_edge.files.strict import Strict
from waste_edge.metrics.contamination import Contamination

OutageKind = Literal["board", "program", "camera", "gap"]


class StreamRow(Strict, frozen=True):
    """One stream in the period.

    Attributes:
        stream: its name.
        sorted: items that the station put there by itself.
        share: of all items that it put somewhere by itself.
        answered: asked items that a person's answer put there.
        expired: asked items that fell there since nobody answered in time.
        corrected_in, corrected_out: items that people's corrections moved there, and away.
        contamination: share of `sorted` that belongs elsewhere.
    """

    stream: str
    sorted: int
    share: float
    answered: int
    expired: int
    corrected_in: int
    corrected_out: int
    contamination: Contamination


class DayRow(Strict, frozen=True):
    """One day, in the local time of the machine that reports: items by the stream that the station chose, and asked."""

    day: str
    items: int
    asked: int
    unknown: int
    streams: dict[str, int]


class Outage(Strict, frozen=True):
    """A time in which the station did not see, or may not have.

    Attributes:
        kind: `board`: it was started anew; `program`: only the program was; `camera`: told by health; `gap`: events
            that are kept nowhere any more.
        from_utc, to_utc: last known before it and first known after it; ISO 8601.
        seconds: between the two: at most so long, and exactly so long for `camera`; None if a clock was not right.
        events: lost ones, for `gap`.
        reason: in words, as far as it can be known.
    """

    kind: OutageKind
    from_utc: str
    to_utc: str
    seconds: float | None
    events: int
    reason: str


class Trouble(Strict, frozen=True):
    """A part of the station that was not well.

    Attributes:
        part: which.
        level: `warn` or `bad`.
        seconds: in all, in the period.
        times: how often it began.
        text: what was said last.
    """

    part: str
    level: str
    seconds: float
    times: int
    text: str


class Downtime(Strict, frozen=True):
    """Times without sight, and how much of that can be known.

    Attributes:
        has_health: lines of health were read; without them troubles are not known, only breaks between events.
        first_utc, last_utc: first and last sign of life in the period; empty if there is none.
        blind_s: seconds in which there was no camera, or its frames could not be trusted.
        outages: in order.
        troubles: longest first.
    """

    has_health: bool
    first_utc: str
    last_utc: str
    blind_s: float
    outages: list[Outage]
    troubles: list[Trouble]


class Answers(Strict, frozen=True):
    """Questions to people in the period.

    Attributes:
        asked: items whose decision was to ask.
        answered, expired, open: of these: by a person, by nobody in time, and still to be answered.
        unanswered: of these: nobody answered, and nothing says that it fell to another stream.
        audits: items that were decided and drawn at random to be asked about.
        audits_answered: of these.
        corrections: answers that changed what had been decided or answered.
    """

    asked: int
    answered: int
    expired: int
    open: int
    unanswered: int
    audits: int
    audits_answered: int
    corrections: int


class StationReport(Strict, frozen=True):
    """A station's report.

    Attributes:
        schema: 1.
        stations: names in the events.
        from_utc, to_utc: bounds of the period; empty where open.
        time_zone: of days.
        sources: what was read.
        items: decided in the period.
        unknown: called unknown: like none of the labels, or unsure.
        unknown_share, asked_share: of all items; None without items.
        answers: questions and corrections.
        contamination: of all that the station put somewhere by itself.
        streams: by name.
        days: in order; days without items between them are there.
        downtime: breaks and troubles.
        uncertain_times: items in a boot whose clock was never in step.
        remarks: what a reader must know of these figures, one sentence each.
    """

    schema: Literal[1]
    stations: list[str]
    from_utc: str
    to_utc: str
    time_zone: str
    sources: list[str]
    items: int
    unknown: int
    unknown_share: float | None
    asked_share: float | None
    answers: Answers
    contamination: Contamination
    streams: list[StreamRow]
    days: list[DayRow]
    downtime: Downtime
    uncertain_times: int
    remarks: list[str] = msgspec.field(default_factory=list)
