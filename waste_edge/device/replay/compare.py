"""From a station's kept items to a replay's report: counts, moves by stream, costs, and the items that change."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waste_edge.device.decision.policy import Decision
from waste_edge.device.outbox.read_only import KeptItem, KeptItems
from waste_edge.device.outbox.record import Record
from waste_edge.device.replay.decide import NOT_KEPT, NotReplayedError, Redone, Replay
from waste_edge.device.replay.values import Answered, Change, Choice, Costs, ReplayReport, StreamMoves
from waste_edge.device.reporting.downtime import utc
from waste_edge.device.reporting.items import Period
from waste_edge.device.reporting.reading import Ledger, read_outbox
from waste_edge.device.reporting.times import Timed, timed
from waste_edge.site import ASK

SCHEMA = 1
MOST_CHANGES = 100_000  # in one report
_FEW = 30  # answered items: fewer say little


@dataclass
class _Tally:
    """Sums over the items, as they come."""

    items: int = 0
    not_replayed: Counter[str] = field(default_factory=Counter)
    identical: int = 0
    changed: int = 0
    moved: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    priced: int = 0
    cost_before: float = 0.0
    cost_after: float = 0.0
    told: float = 0.0
    answered: Counter[str] = field(default_factory=Counter)
    paid_before: float = 0.0
    paid_after: float = 0.0


class _Comparison:
    """Compares decisions, item by item.

    Args:
        replay: decides again.
        limit: how many changed items to list, the newest.
    """

    def __init__(self, replay: Replay, limit: int) -> None:
        self._replay = replay
        self.tally = _Tally()
        self.changes: deque[Change] = deque(maxlen=limit)

    def add(self, item: KeptItem, at: Timed) -> None:
        """Decide an item again and count it."""
        tally = self.tally
        tally.items += 1
        try:
            redone = self._replay.redo(item)
        except NotReplayedError as reason:
            tally.not_replayed[str(reason)] += 1
            return
        before, after = redone.before, redone.after
        tally.identical += before == after
        tally.moves[before.stream, after.stream] += 1
        costs = self._costs(redone)
        priced = Choice.of(before, costs.get(before.stream)), Choice.of(after, costs.get(after.stream))
        self._count_costs(*priced, told=before.expected_cost)
        belongs = self._belongs(item.answer)
        if belongs is not None:
            self._count_answer(belongs, before, after)
        if (before.stream, before.label, before.action) == (after.stream, after.label, after.action):
            return
        tally.changed += 1
        tally.moved += before.stream != after.stream
        time_utc = "" if not math.isfinite(at.at_s) else utc(at.at_s)
        self.changes.append(Change(item.id, time_utc, at.is_known, *priced, after.reason, before.reason, belongs))

    def _costs(self, redone: Redone) -> Mapping[str, float]:
        policy = self._replay.policy
        return (policy.expected_costs(redone.predictions) or {}) if redone.predictions else {}

    def _count_costs(self, before: Choice, after: Choice, told: float | None) -> None:
        tally = self.tally
        tally.told += told or 0.0
        if before.expected_cost is not None and after.expected_cost is not None:
            tally.priced += 1
            tally.cost_before += before.expected_cost
            tally.cost_after += after.expected_cost

    def _belongs(self, answer: Record | None) -> str | None:
        """The stream of the replayed site that a person's answer means; None if it cannot be told."""
        if answer is None:
            return None
        policy, label, stream = self._replay.policy, answer.event.get("label"), answer.stream
        streams = policy.choices().streams
        if label in streams:
            return streams[str(label)]
        return stream if stream in policy.site.places() else None

    def _count_answer(self, belongs: str, before: Decision, after: Decision) -> None:
        tally, paid = self.tally, []
        for word, decision in (("before", before), ("after", after)):
            tally.answered[f"right_{word}"] += decision.stream == belongs
            tally.answered[f"asked_{word}"] += decision.stream == ASK
            paid.append(self._paid(belongs, decision.stream))
        tally.answered["items"] += 1
        tally.paid_before += paid[0]
        tally.paid_after += paid[1]

    def _paid(self, belongs: str, put: str) -> float:
        site, threshold = self._replay.policy.site, self._replay.policy.routing.min_confidence
        if put == ASK and site.ask is not None:
            return site.ask
        return site.cost(belongs, put, threshold)


def compare(kept: KeptItems, outbox: Path, replay: Replay, period: Period, limit: int) -> ReplayReport:
    """Decide the items of a period again.

    Args:
        kept: the station's items.
        outbox: its database, for the true times.
        replay: the bundle and site to decide by.
        period: which items count, by their true time.
        limit: how many changed items to list, the newest.

    Raises:
        ConfigError, DataError: a file of the station cannot be read.
    """
    times = _times(outbox)
    comparison = _Comparison(replay, limit)
    for item in kept:
        at = times.get(item.id)
        if at is not None and at.at_s in period:
            comparison.add(item, at)
    tally, manifest = comparison.tally, replay.bundle.manifest
    return ReplayReport(
        schema=SCHEMA,
        from_utc=utc(period.start_s),
        to_utc=utc(period.end_s),
        bundle=f"{manifest.name} {manifest.version}",
        bundle_digest=replay.bundle.digest,
        site=replay.policy.site.name,
        items=tally.items,
        replayed=tally.items - tally.not_replayed.total(),
        not_replayed=dict(tally.not_replayed.most_common()),
        identical=tally.identical,
        changed=tally.changed,
        moved=tally.moved,
        streams=_streams(tally.moves),
        costs=Costs(tally.priced, *(round(cost, 6) for cost in (tally.cost_before, tally.cost_after, tally.told))),
        answered=_answered(tally),
        changes=list(comparison.changes),
        changes_left_out=tally.changed - len(comparison.changes),
        remarks=list(_remarks(tally, kept, replay)),
    )


def _times(outbox: Path) -> dict[str, Timed]:
    """The true time of each item."""
    ledger = Ledger()
    read_outbox(outbox, ledger)
    return {one.told.id: one for one in timed(ledger.records.values()) if not one.told.answer}


def _streams(moves: Mapping[tuple[str, str], int]) -> list[StreamMoves]:
    names = sorted({name for pair in moves for name in pair})

    def count(name: str, side: int, stayed: bool | None = None) -> int:
        return sum(
            number for pair, number in moves.items() if pair[side] == name and stayed in (None, pair[0] == pair[1])
        )

    return [
        StreamMoves(name, count(name, 0), count(name, 1), count(name, 1, stayed=False), count(name, 0, stayed=False))
        for name in names
    ]


def _answered(tally: _Tally) -> Answered:
    counted = tally.answered
    return Answered(
        items=counted["items"],
        right_before=counted["right_before"],
        right_after=counted["right_after"],
        asked_before=counted["asked_before"],
        asked_after=counted["asked_after"],
        cost_before=round(tally.paid_before, 6),
        cost_after=round(tally.paid_after, 6),
    )


def _remarks(tally: _Tally, kept: KeptItems, replay: Replay) -> Iterable[str]:
    if missing := tally.not_replayed[NOT_KEPT]:
        why = "from before features were kept, gone for want of room ([outbox] max_mb), or features is off"
        yield f"of {missing} items nothing is kept that they could be decided from: {why}"
    if damaged := kept.damage.records + kept.damage.looks:
        yield f"{damaged} records or features are damaged; check the card"
    if gone := {before for before, _ in tally.moves} - {*replay.policy.routing.choices}:
        yield (
            f"{', '.join(sorted(gone))}: decided then, and no stream of the replayed site; all of their items count as "
            "changed, and have no cost to compare"
        )
    if tally.priced:
        yield (
            "expected costs are the replayed model's own opinion, which is nearly always in favour of its own choice; "
            "what people answered is the test"
        )
    if 0 < tally.answered["items"] < _FEW:
        yield f"only {tally.answered['items']} items were answered: too few to tell two decisions apart"
    if tally.answered["items"]:
        yield "items that asked, or were corrected, are more often doubtful than the others; audited ones are not"
