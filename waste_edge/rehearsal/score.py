"""Score of decisions against the known stays: each should give one event in its time, and nothing else any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.vision.inspection import Visibility
from waste_edge.files.strict import Strict
from waste_edge.imaging.preprocess import Region
from waste_edge.rehearsal.film import Visit
from waste_edge.rehearsal.play import PlayedEvent
from waste_edge.taxonomy import UNKNOWN

Status = Literal["decided", "missed", "doubled", "extra"]

_LATE_S = 0.5  # after an item has gone, its event still counts: the last frames may be judged together


class Verdict(Strict, frozen=True):
    """One event, as the station would tell it.

    Attributes:
        label, stream, action, confidence, reason: of the decision.
        decided_s: from the film's start.
        looks: how many answers of the network were averaged.
        visibility: how well the item was seen.
        box: where the station saw it, in shares of the frame.
    """

    label: str
    stream: str
    action: Literal["sort", "residual", "ask"]
    confidence: float
    reason: str
    decided_s: float
    looks: int
    visibility: Visibility
    box: Region | None


class Outcome(Strict, frozen=True):
    """One thing that lay there, or one event of nothing, and how it was judged.

    Attributes:
        film: its title.
        status: `decided` once; `missed`; a second event of the same thing (`doubled`); an event of nothing (`extra`).
        label: what it is; "unknown" if none of the model's; empty for nothing.
        group, name: of the thing; empty for nothing.
        start_s: when it came, or the event of nothing was decided.
        stream: where it belongs; empty for nothing.
        verdict: None if it was missed.
        label_right: the verdict's label is the thing's.
        stream_right: it was sorted into the stream where it belongs.
        sorted_wrong: it was sorted into another.
        kept_out: it was not sorted: sent to the residual stream for want of a better one, or a person was asked.
        cost: by the site; None for what was missed and for nothing.
        box_overlap: intersection over union of the verdict's box and the true one; None where one is not known.
        thumbnail: number of its picture on the page; None if it has none.
    """

    film: str
    status: Status
    label: str
    group: str
    name: str
    start_s: float
    stream: str
    verdict: Verdict | None = None
    label_right: bool = False
    stream_right: bool = False
    sorted_wrong: bool = False
    kept_out: bool = False
    cost: float | None = None
    box_overlap: float | None = None
    thumbnail: int | None = None

    @property
    def is_known(self) -> bool:
        """True if it is of one of the model's labels."""
        return bool(self.label) and self.label != UNKNOWN


class Scorer:
    """Judges the events of films.

    Args:
        policy: of the played station; says what belongs where and what a mistake costs.
        tree: the model's label tree.

    Attributes:
        thumbnails: JPEG bytes by their number.
    """

    def __init__(self, policy: DecisionPolicy, tree: dict[str, str]) -> None:
        self.thumbnails: list[bytes] = []
        self._policy = policy
        self._tree = tree

    def outcomes(self, film: str, visits: Sequence[Visit], events: Sequence[PlayedEvent]) -> list[Outcome]:
        """One outcome a visit in their order, each followed by its second events; then the events of nothing."""
        left = list(events)
        found: list[Outcome] = []
        for index, visit in enumerate(visits):
            until = visit.gone_s + _LATE_S
            if index + 1 < len(visits):
                until = min(until, visits[index + 1].arrives_s)
            own = [one for one in left if visit.arrives_s <= one.event.decided_ns / NS_PER_S <= until]
            left = [one for one in left if one not in own]
            if not own:
                found.append(self._missed(film, visit))
            for number, one in enumerate(own):
                found.append(self._judged(film, visit, one, "doubled" if number else "decided"))
        return found + [self._extra(film, one) for one in left]

    def _missed(self, film: str, visit: Visit) -> Outcome:
        return Outcome(
            film=film,
            status="missed",
            label=visit.label,
            group=visit.group,
            name=visit.name,
            start_s=round(visit.arrives_s, 3),
            stream=self._stream_of(visit.label),
        )

    def _judged(self, film: str, visit: Visit, played: PlayedEvent, status: Status) -> Outcome:
        decision, own = played.event.decision, self._stream_of(visit.label)
        is_sorted = decision.action == "sort"
        return Outcome(
            film=film,
            status=status,
            label=visit.label,
            group=visit.group,
            name=visit.name,
            start_s=round(visit.arrives_s, 3),
            stream=own,
            verdict=_verdict(played),
            label_right=decision.label == visit.label,
            stream_right=is_sorted and decision.stream == own,
            sorted_wrong=is_sorted and decision.stream != own,
            kept_out=not is_sorted,
            cost=self._cost(own, decision.stream, decision.action == "ask"),
            box_overlap=_overlap(visit.box, played.event.item_box),
            thumbnail=self._kept(played.thumbnail),
        )

    def _extra(self, film: str, played: PlayedEvent) -> Outcome:
        return Outcome(
            film=film,
            status="extra",
            label="",
            group="",
            name="",
            start_s=round(played.event.decided_ns / NS_PER_S, 3),
            stream="",
            verdict=_verdict(played),
            thumbnail=self._kept(played.thumbnail),
        )

    def _stream_of(self, label: str) -> str:
        site = self._policy.site
        return site.residual if label == UNKNOWN else site.stream_of(label, self._tree)

    def _cost(self, own: str, put: str, asked: bool) -> float:
        site = self._policy.site
        if asked and site.ask is not None:
            return site.ask
        return site.cost(own, put, self._policy.routing.min_confidence)

    def _kept(self, thumbnail: bytes) -> int | None:
        if not thumbnail:
            return None
        self.thumbnails.append(thumbnail)
        return len(self.thumbnails) - 1


def _verdict(played: PlayedEvent) -> Verdict:
    event, decision = played.event, played.event.decision
    return Verdict(
        label=decision.label,
        stream=decision.stream,
        action=decision.action,
        confidence=round(decision.confidence, 4),
        reason=decision.reason,
        decided_s=round(event.decided_ns / NS_PER_S, 3),
        looks=event.looks,
        visibility=event.visibility,
        box=event.item_box,
    )


def _overlap(first: Region | None, second: Region | None) -> float | None:
    if first is None or second is None:
        return None
    width = min(first.right, second.right) - max(first.left, second.left)
    height = min(first.bottom, second.bottom) - max(first.top, second.top)
    both = max(0.0, width) * max(0.0, height)
    return round(both / (_area(first) + _area(second) - both), 4)


def _area(box: Region) -> float:
    return (box.right - box.left) * (box.bottom - box.top)
