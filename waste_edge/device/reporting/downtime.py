"""Downtime as far as a station's records tell it.

A station writes what it decides and how its parts fare; it writes nothing while nothing happens. So a silent hour may
be a quiet one. What can be told: that the board or the program was started anew between two records, what health said
of the camera and the other parts, and which events are kept nowhere any more.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from waste_edge.device.reporting.items import Period
from waste_edge.device.reporting.records import HealthLine, PartLevel
from waste_edge.device.reporting.times import NS_PER_S, Timed
from waste_edge.device.reporting.values import Downtime, Outage, Trouble
from waste_edge.device.system.condition import LOOKING

CAMERA = "camera"  # the part of health, see device/camera_condition.py
_WELL = "ok"


@dataclass(frozen=True)
class _Spell:
    """A part that was not well for a while."""

    part: PartLevel
    start_s: float
    end_s: float


def downtime_of(records: Sequence[Timed], health: Sequence[tuple[float, HealthLine]], period: Period) -> Downtime:
    """Breaks and troubles of a period.

    Args:
        records: of all times, in order; see `timed`.
        health: of all times, in order; see `timed_health`.
        period: which is reported.
    """
    breaks = [*_starts(records), *_gaps(records)]
    spells = [_clipped(one, period) for one in _spells(records, health)]
    spells = [one for one in spells if one.end_s >= one.start_s]
    blind = [one for one in spells if one.part.part == CAMERA and not one.part.text.startswith(LOOKING)]
    outages = [one for one in breaks if _touches(one, period)]
    outages += [_outage("camera", one.start_s, one.end_s, one.part.text, one.end_s - one.start_s) for one in blind]
    signs = [at_s for at_s in (*(one.at_s for one in records), *(at_s for at_s, _ in health)) if at_s in period]
    return Downtime(
        has_health=bool(health),
        first_utc=utc(min(signs)) if signs else "",
        last_utc=utc(max(signs)) if signs else "",
        blind_s=round(sum(one.end_s - one.start_s for one in blind), 1),
        outages=sorted(outages, key=lambda one: (one.from_utc, one.to_utc, one.kind)),
        troubles=_troubles(spells),
    )


def utc(at_s: float) -> str:
    """A moment as ISO 8601 in UTC; empty if it is infinite, or beyond what a calendar has."""
    if not math.isfinite(at_s):
        return ""
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


def _starts(records: Sequence[Timed]) -> list[Outage]:
    """Starts of the board and the program, between two records of one outbox."""
    found = []
    for before, after in _neighbours(records):
        known = before.is_known and after.is_known
        if before.told.boot_id != after.told.boot_id:
            booted_s = after.at_s - after.told.committed_ns / NS_PER_S  # the monotonic clock begins with the boot
            end_s = max(before.at_s, booted_s)
            reason = "power was lost, or somebody restarted the board; which of them is not recorded"
            found.append(_outage("board", before.at_s, end_s, reason, end_s - before.at_s if known else None))
        elif 0 < after.told.frame < before.told.frame:
            reason = "by the service, an update or by hand; which of them is not recorded"
            found.append(_outage("program", before.at_s, after.at_s, reason, after.at_s - before.at_s))
    return found


def _gaps(records: Sequence[Timed]) -> list[Outage]:
    """Sequences that are missing between two records of one outbox."""
    found = []
    for before, after in _neighbours(records, items_only=False):
        missing = after.told.sequence - before.told.sequence - 1
        if missing > 0 and before.told.sequence > 0:
            reason = "events that are kept nowhere any more: too old or too many for the outbox and these files"
            found.append(_outage("gap", before.at_s, after.at_s, reason, None, missing))
    return found


def _neighbours(records: Sequence[Timed], items_only: bool = True) -> Iterable[tuple[Timed, Timed]]:
    """Records that follow each other in one outbox."""
    outboxes: dict[str, list[Timed]] = defaultdict(list)
    for one in records:
        if not (items_only and one.told.answer):
            outboxes[one.told.outbox_id].append(one)
    for own in outboxes.values():
        own.sort(key=lambda one: one.told.sequence)
        yield from itertools.pairwise(own)


def _outage(kind: str, start_s: float, end_s: float, reason: str, seconds: float | None, events: int = 0) -> Outage:
    told = None if seconds is None else round(max(0.0, seconds), 1)
    return Outage(
        kind=kind,  # type: ignore[arg-type]
        from_utc=utc(start_s),
        to_utc=utc(end_s),
        seconds=told,
        events=events,
        reason=reason,
    )


def _touches(outage: Outage, period: Period) -> bool:
    """Return whether any of an outage lies in a period."""
    start_s, end_s = (_seconds(text) for text in (outage.from_utc, outage.to_utc))
    return start_s < period.end_s and end_s >= period.start_s


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() if text else math.nan


def _spells(records: Sequence[Timed], health: Sequence[tuple[float, HealthLine]]) -> list[_Spell]:
    """Times in which parts were not well, outbox by outbox: from the line that says so until the next one."""
    lines: dict[str, list[tuple[float, HealthLine]]] = defaultdict(list)
    own: dict[str, list[Timed]] = defaultdict(list)
    for at_s, line in health:
        lines[line.outbox_id].append((at_s, line))
    for one in records:
        own[one.told.outbox_id].append(one)
    return [spell for outbox_id, told in lines.items() for spell in _spells_of(own[outbox_id], told)]


def _spells_of(records: Sequence[Timed], health: Sequence[tuple[float, HealthLine]]) -> list[_Spell]:
    last_s = max(health[-1][0], max((one.at_s for one in records), default=-math.inf))
    boots = _boots(records)
    found = []
    for (at_s, line), end_s in zip(health, [*(at_s for at_s, _ in health[1:]), last_s], strict=True):
        until_s = min(end_s, _last_sign_s(boots, at_s))
        found += [_Spell(part, at_s, until_s) for part in line.parts if part.level != _WELL]
    return found


def _boots(records: Sequence[Timed]) -> list[tuple[float, float]]:
    """Each start of the board: (last record before it, the boot itself)."""
    return [
        (before.at_s, after.at_s - after.told.committed_ns / NS_PER_S)
        for before, after in _neighbours(records)
        if before.told.boot_id != after.told.boot_id
    ]


def _last_sign_s(boots: Sequence[tuple[float, float]], at_s: float) -> float:
    """The last sign of life in the boot of a moment: that of a record, or the moment itself if none follows."""
    ends = [max(last_s, at_s) for last_s, booted_s in boots if at_s < booted_s]
    return min(ends, default=math.inf)


def _clipped(spell: _Spell, period: Period) -> _Spell:
    return _Spell(spell.part, max(spell.start_s, period.start_s), min(spell.end_s, period.end_s))


def _troubles(spells: Sequence[_Spell]) -> list[Trouble]:
    """Spells by part and level, those that follow each other without a break counted once; longest first."""
    own: dict[tuple[str, str], list[_Spell]] = defaultdict(list)
    for spell in spells:
        own[spell.part.part, spell.part.level].append(spell)
    found = []
    for (part, level), all_spells in own.items():
        times = 1 + sum(after.start_s > before.end_s for before, after in itertools.pairwise(all_spells))
        seconds = sum(one.end_s - one.start_s for one in all_spells)
        found.append(
            Trouble(part=part, level=level, seconds=round(seconds, 1), times=times, text=all_spells[-1].part.text)
        )
    return sorted(found, key=lambda one: (-one.seconds, one.part, one.level))
