"""From what was read to a report: counts, questions, contamination and downtime of a period."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from waste_edge.device.reporting.downtime import downtime_of, utc
from waste_edge.device.reporting.items import (
    Item,
    Period,
    audits_are_uneven,
    contamination_of,
    is_open,
    items_of,
)
from waste_edge.device.reporting.reading import Ledger
from waste_edge.device.reporting.times import timed, timed_health
from waste_edge.device.reporting.values import Answers, DayRow, StationReport, StreamRow
from waste_edge.errors import DataError
from waste_edge.metrics.contamination import Contamination
from waste_edge.site import ASK

MOST_DAYS = 3_660  # days between the first and the last that are drawn where nothing happened
_FEW_ANSWERED = 0.5  # below this share of audits answered it is said


def build_report(ledger: Ledger, period: Period, station: str | None = None) -> StationReport:
    """Compute the report of a period.

    Args:
        ledger: what was read.
        period: which items count, by their true time.
        station: the items of this station alone; all if None.

    Raises:
        DataError: no event is of this station.
    """
    told = list(ledger.records.values())
    outboxes = {one.outbox_id for one in told if station in (None, one.station)}
    if station is not None and not outboxes:
        names = sorted({one.station for one in told})
        raise DataError(f"--station {station!r}: no event is of it; there are {', '.join(names) or 'none'}")
    # Whole outboxes: what a station of one outbox did under another name is no gap.
    records = timed(one for one in told if one.outbox_id in outboxes)
    health = timed_health([one for one in ledger.health if station is None or one.outbox_id in outboxes], records)
    items = [item for item in items_of(records, period) if station in (None, item.event.told.station)]
    now_s = max([records[-1].at_s if records else -math.inf, *(at_s for at_s, _ in health[-1:])])
    several = _are_several(items)
    unknown = sum(item.unknown for item in items)
    answers = _answers(items, now_s)
    uncertain = sum(not item.event.is_known for item in items)
    return StationReport(
        schema=1,
        stations=sorted({item.event.told.station for item in items}),
        from_utc=utc(period.start_s),
        to_utc=utc(period.end_s),
        time_zone=time.strftime("%Z"),
        sources=ledger.sources,
        items=len(items),
        unknown=unknown,
        unknown_share=unknown / len(items) if items else None,
        asked_share=answers.asked / len(items) if items else None,
        answers=answers,
        contamination=_contamination(items, several),
        streams=_streams(items, several),
        days=_days(items),
        downtime=downtime_of(records, health, period),
        uncertain_times=uncertain,
        remarks=_remarks(items, answers, several, ledger.damaged),
    )


def _are_several(items: Iterable[Item]) -> bool:
    """Return whether the items are of several stations: of several names, and not of one outbox that was renamed."""
    told = [item.event.told for item in items]
    return len({one.station for one in told}) > 1 and len({one.outbox_id for one in told}) > 1


def _contamination(items: Iterable[Item], several: bool) -> Contamination:
    """Contamination of these items; of several stations the opinion alone, since each audits a share of its own."""
    found = contamination_of(items)
    if not several or found.basis != "audits":
        return found
    basis = "nothing" if found.model is None else "model"
    return Contamination(
        items=found.items,
        basis=basis,  # type: ignore[arg-type]
        estimate=found.model,
        low=None,
        high=None,
        model=found.model,
        audited=found.audited,
        wrong=found.wrong,
    )


def _answers(items: Sequence[Item], now_s: float) -> Answers:
    asked = [item for item in items if item.asked]
    answered, expired = sum(item.answer is not None for item in asked), sum(item.fell for item in asked)
    both = sum(item.answer is not None and item.fell for item in asked)  # answered after it fell
    waits = sum(is_open(item, now_s) for item in asked)
    audits = [item for item in items if item.audit and not item.asked]
    return Answers(
        asked=len(asked),
        answered=answered,
        expired=expired - both,
        open=waits,
        unanswered=len(asked) - answered - (expired - both) - waits,
        audits=len(audits),
        audits_answered=sum(item.answer is not None for item in audits),
        corrections=sum(item.corrections for item in items),
    )


def _streams(items: Sequence[Item], several: bool) -> list[StreamRow]:
    own: dict[str, list[Item]] = defaultdict(list)
    answered, expired, moved_in, moved_out = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for item in items:
        if not item.asked:
            own[item.put].append(item)
            moved = item.stream != item.put
        else:
            first = item.answers[0].told if item.answers else None
            if first is not None:
                (answered if first.by_person else expired)[first.stream] += 1
            moved = first is not None and item.stream != first.stream
        if moved:
            moved_in[item.stream] += 1
            moved_out[item.put if not item.asked else item.answers[0].told.stream] += 1
    total = sum(map(len, own.values()))
    names = sorted({*own, *answered, *expired, *moved_in, *moved_out} - {ASK})
    return [
        StreamRow(
            stream=name,
            sorted=len(own[name]),
            share=len(own[name]) / total if total else 0.0,
            answered=answered[name],
            expired=expired[name],
            corrected_in=moved_in[name],
            corrected_out=moved_out[name],
            contamination=_contamination(own[name], several),
        )
        for name in names
    ]


def _days(items: Sequence[Item]) -> list[DayRow]:
    """Every day from the first to the last, unless that is longer than ten years: then those with items."""
    own: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        own[item.day].append(item)
    if not own:
        return []
    days = sorted(own)
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    if (last - first).days < MOST_DAYS:
        days = [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
    return [
        DayRow(
            day=day,
            items=len(own[day]),
            asked=sum(item.asked for item in own[day]),
            unknown=sum(item.unknown for item in own[day]),
            streams=dict(sorted(Counter(item.put for item in own[day] if not item.asked).items())),
        )
        for day in days
    ]


def _remarks(items: Sequence[Item], answers: Answers, several: bool, damaged: int) -> list[str]:
    """Sentences that a reader of the figures must know."""
    found = []
    uncertain = sum(not item.event.is_known for item in items)
    if several:
        found.append(
            "events of several stations: each audits a share of its own, so contamination has no interval; "
            "give --station NAME"
        )
    elif items and not answers.audits_answered:
        found.append(
            "no audited item was answered: contamination is the model's own opinion of itself, which a bin with other "
            "contents than the training's proves wrong; how far off it is, is not known. Set `audit` in [answers]"
        )
    elif answers.audits_answered < _FEW_ANSWERED * answers.audits:
        found.append(
            f"{answers.audits_answered} of {answers.audits} audited items were answered: the interval holds if those "
            "that were not are like those that were"
        )
    if not several and audits_are_uneven(items):
        found.append(
            "audits are unevenly spread over the period (was `audit` changed?): the interval speaks for the time in "
            "which items were audited; report the parts apart with --from and --to"
        )
    if uncertain:
        found.append(f"{uncertain} items came in boots whose clock was never in step: their times may be wrong")
    if damaged:
        found.append(f"{damaged} lines or records could not be read and are left out")
    return found
