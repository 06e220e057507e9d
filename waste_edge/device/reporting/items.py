"""Items of a period with what became of them: the station's decision, and people's answers to it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from waste_edge.device.reporting.times import Timed
from waste_edge.metrics.contamination import Contamination, contamination
from waste_edge.site import ASK
from waste_edge.taxonomy import UNKNOWN

_UNEVEN_Z = 3.3  # two halves whose audits differ by more came about with one chance in a thousand


@dataclass(frozen=True)
class Period:
    """Period that is reported: from `start_s` until before `end_s`, in seconds since 1970; infinite where open."""

    start_s: float = -math.inf
    end_s: float = math.inf

    def __contains__(self, at_s: float) -> bool:
        return self.start_s <= at_s < self.end_s


@dataclass(frozen=True)
class Item:
    """An item and its answers.

    Attributes:
        event: its event, at its true time.
        answers: in their order.
    """

    event: Timed
    answers: tuple[Timed, ...] = ()

    @property
    def put(self) -> str:
        """Stream that the station put it into by itself; `ask` if it asked."""
        return self.event.told.stream

    @property
    def asked(self) -> bool:
        return self.event.told.action == ASK

    @property
    def unknown(self) -> bool:
        return self.event.told.label == UNKNOWN

    @property
    def audit(self) -> bool:
        return self.event.told.audit

    @property
    def answer(self) -> Timed | None:
        """The last answer that a person gave; None if nobody did."""
        return next((one for one in reversed(self.answers) if one.told.by_person), None)

    @property
    def fell(self) -> bool:
        """Return whether it was asked, and fell to a stream because nobody answered in time."""
        return self.asked and any(one.told.source == "timeout" for one in self.answers)

    @property
    def corrections(self) -> int:
        """Answers of people that changed what had been decided or answered before."""
        return sum(one.told.by_person and one.told.corrects for one in self.answers)

    @property
    def stream(self) -> str:
        """The stream where it belongs by the last that was said; `ask` while nothing was."""
        return self.answers[-1].told.stream if self.answers else self.put

    @property
    def right(self) -> bool | None:
        """Return whether the station's own stream was right, as a person said; None if nobody did."""
        answer = self.answer
        return None if self.asked or answer is None else answer.told.stream == self.put

    @property
    def day(self) -> str:
        """Day in the local time of this machine, as ISO 8601."""
        return day_of(self.event.at_s)


def day_of(at_s: float) -> str:
    """The day of a moment in this machine's local time, as ISO 8601."""
    return datetime.fromtimestamp(at_s).astimezone().date().isoformat()


def items_of(records: Sequence[Timed], period: Period) -> list[Item]:
    """The items that were decided in a period, in order, each with all its answers, whenever they were given."""
    answers: dict[str, list[Timed]] = defaultdict(list)
    for one in records:
        if one.told.answer:
            answers[one.told.id].append(one)
    for own in answers.values():
        own.sort(key=lambda one: one.told.answer)
    return [
        Item(one, tuple(answers.get(one.told.id, ()))) for one in records if not one.told.answer and one.at_s in period
    ]


def is_open(item: Item, now_s: float) -> bool:
    """Return whether an asked item's question may still be answered at a moment."""
    expires_s = item.event.told.expires_s
    return item.asked and not item.answers and not math.isnan(expires_s) and now_s < item.event.at_s + expires_s


def contamination_of(items: Iterable[Item]) -> Contamination:
    """Contamination among items that the station put somewhere by itself, from the audited ones that were answered."""
    sorted_ones = [item for item in items if not item.asked]
    doubts = np.array([1.0 - item.event.told.probability for item in sorted_ones], np.float64)
    right = [item.right for item in sorted_ones]
    audited = [index for index, item in enumerate(sorted_ones) if item.audit and right[index] is not None]
    return contamination(
        doubts,
        np.array(audited, np.int64),
        np.array([not right[index] for index in audited], np.bool_),
        known_wrong=sum(one is False for one in right),
        known_right=sum(one is True for one in right),
    )


def audits_are_uneven(items: Sequence[Item]) -> bool:
    """Return whether the audited items are spread over the period as one random share would hardly spread them.

    Then `audit` was changed under way, and the answers speak for a part of the period only.
    """
    drawn = [item.audit for item in items if not item.asked]
    half, total, found = len(drawn) // 2, len(drawn), sum(drawn)
    if half < 1 or total < 3 or not 0 < found < total:
        return False
    expected = found * half / total
    variance = expected * (1 - half / total) * (total - found) / (total - 1)
    return abs(sum(drawn[:half]) - expected) > _UNEVEN_Z * math.sqrt(variance) + 0.5
