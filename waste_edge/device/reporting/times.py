"""True times of records: a board without a battery starts in the past, and is put right once it has a network.

The rule of docs/events.md: where a record's clock was not in step, another record of the same boot whose clock was
gives its true time by the monotonic clock. Where a boot never had one, its records lie between those of the boots
before and after it in the outbox, and their time counts as not known.
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from waste_edge.device.reporting.records import HealthLine, Told

NS_PER_S = 1e9


@dataclass(frozen=True)
class Timed:
    """A record at its true time.

    Attributes:
        told: the record.
        at_s: seconds since 1970, UTC.
        is_known: the clock was in step in that boot at some time; else `at_s` is a guess between its neighbours.
    """

    told: Told
    at_s: float
    is_known: bool


def timed(records: Iterable[Told]) -> list[Timed]:
    """All records at their true times, in the order of these; those of one outbox in the order of its sequence."""
    records = list(records)
    anchors = _anchors(records)
    outboxes: dict[str, list[Told]] = defaultdict(list)
    for record in records:
        outboxes[record.outbox_id].append(record)
    found = [one for own in outboxes.values() for one in _of_outbox(own, anchors)]
    return sorted(found, key=lambda one: (one.at_s, one.told.outbox_id, one.told.sequence))


def timed_health(lines: Sequence[HealthLine], records: Sequence[Timed]) -> list[tuple[float, HealthLine]]:
    """Lines of health at their true times, in order: each between the records that it was written between."""
    order: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for one in records:
        order[one.told.outbox_id].append((one.told.sequence, one.at_s, one.at_s - one.told.told_s))
    for own in order.values():
        own.sort()
    found = []
    for line in lines:
        own = order.get(line.outbox_id, [])
        place = bisect.bisect_right(own, (line.sequence, math.inf, math.inf))
        low, shift = (own[place - 1][1], own[place - 1][2]) if place else (-math.inf, 0.0)
        high = own[place][1] if place < len(own) else math.inf
        at_s = line.told_s if low <= line.told_s <= high or math.isnan(shift) else line.told_s + shift
        at_s = low if math.isnan(at_s) else at_s
        if math.isfinite(at_s := min(max(at_s, low), high)):
            found.append((at_s, line))
    return sorted(found, key=lambda one: one[0])


def _anchors(records: Iterable[Told]) -> dict[str, list[tuple[int, float]]]:
    """Moments of each boot at which its clock was in step: (monotonic ns, offset of true time in s), in order."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in records:
        if record.in_step and math.isfinite(record.told_s):
            found[record.boot_id].append((record.committed_ns, record.told_s - record.committed_ns / NS_PER_S))
    for own in found.values():
        own.sort()
    return found


def offset_s(anchors: Sequence[tuple[int, float]], committed_ns: int) -> float | None:
    """The offset by the first anchor after a moment, else by the last one before it; None if there are none."""
    if not anchors:
        return None
    place = bisect.bisect_left(anchors, (committed_ns, -math.inf))
    return anchors[min(place, len(anchors) - 1)][1]


def _of_outbox(records: list[Told], anchors: Mapping[str, Sequence[tuple[int, float]]]) -> list[Timed]:
    records.sort(key=lambda record: record.sequence)
    known = [_known_time(record, anchors.get(record.boot_id, ())) for record in records]
    after = _least_from_the_end(known)
    found: list[Timed] = []
    low, guess_boot, guess_ns, guess_s = -math.inf, "", 0, 0.0
    for record, at_s, high in zip(records, known, after, strict=True):
        if at_s is not None:
            low = max(low, at_s)
            found.append(Timed(record, at_s, True))
            continue
        if record.boot_id != guess_boot:  # the first of a boot whose clock was never right
            guess_s = record.told_s if low <= record.told_s <= high else min(max(low, 0.0), high)
            guess_boot, guess_ns = record.boot_id, record.committed_ns
        elapsed_s = (record.committed_ns - guess_ns) / NS_PER_S
        found.append(Timed(record, min(max(guess_s + elapsed_s, low), high), False))
    return found


def _known_time(record: Told, anchors: Sequence[tuple[int, float]]) -> float | None:
    if record.in_step and math.isfinite(record.told_s):
        return record.told_s
    offset = offset_s(anchors, record.committed_ns)
    return None if offset is None else record.committed_ns / NS_PER_S + offset


def _least_from_the_end(known: Sequence[float | None]) -> list[float]:
    """The earliest known time from each place on; infinity behind the last."""
    found, least = [], math.inf
    for at_s in reversed(known):
        least = min(least, math.inf if at_s is None else at_s)
        found.append(least)
    return found[::-1]
