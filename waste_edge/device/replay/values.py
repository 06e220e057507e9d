"""The result of a replay: all that the terminal and JSON show."""

from __future__ import annotations

from waste_edge.device.decision.policy import Action, Decision
from waste_edge.files.strict import Strict


class Choice(Strict, frozen=True):
    """Decision on an item, as far as two of them are compared.

    Attributes:
        stream, label, action, confidence: see `policy.Decision`.
        expected_cost: by the replayed bundle and site; None for an item like none of its labels, and for a stream that
            the replayed site does not have.
    """

    stream: str
    label: str
    action: Action
    confidence: float
    expected_cost: float | None

    @classmethod
    def of(cls, decision: Decision, expected_cost: float | None) -> Choice:
        """The decision with a cost."""
        return cls(decision.stream, decision.label, decision.action, decision.confidence, expected_cost)


class Change(Strict, frozen=True):
    """An item that would have been decided otherwise.

    Attributes:
        id: the item's, as in its event.
        time_utc: when it was decided, at its true time, ISO 8601.
        time_known: whether the clock was right in that boot; else the time is a guess between its neighbours.
        before: as it was decided.
        after: as it would have been.
        reason: of `after`, one sentence for people.
        reason_before: of `before`.
        belongs: the stream of the replayed site that a person's answer means; None if nobody answered, or if the
            answer names a stream that this site does not have.
    """

    id: str
    time_utc: str
    time_known: bool
    before: Choice
    after: Choice
    reason: str
    reason_before: str
    belongs: str | None


class StreamMoves(Strict, frozen=True):
    """Items of one stream, or of `ask`: before, after, and those that came to it and left it."""

    stream: str
    before: int
    after: int
    came: int
    left: int


class Costs(Strict, frozen=True):
    """Expected cost of the decisions, by the probabilities of the replayed bundle and the costs of the replayed site.

    Attributes:
        items: those that have a cost before and after; the others are like none of the labels, or were decided without
            the network, or lie in a stream that the replayed site does not have.
        before, after: sums over these.
        told: what all replayed items with a cost were expected to cost by the bundle and site of then.
    """

    items: int
    before: float
    after: float
    told: float


class Answered(Strict, frozen=True):
    """Items that people answered: what the decisions really cost, by the costs of the replayed site.

    Attributes:
        items: answered ones whose stream the replayed site has.
        right_before, right_after: how many were put where they belong without asking.
        asked_before, asked_after: how many asked.
        cost_before, cost_after: sums; a question costs what the site says.
    """

    items: int
    right_before: int
    right_after: int
    asked_before: int
    asked_after: int
    cost_before: float
    cost_after: float


class ReplayReport(Strict, frozen=True):
    """A period's items, decided again.

    Attributes:
        schema: of this object.
        from_utc, to_utc: the period; empty where it is open.
        bundle: name and version of the replayed bundle.
        bundle_digest: SHA-256 of its manifest.
        site: the replayed site's name.
        items: that were decided in the period.
        replayed: those that could be decided again.
        not_replayed: the others, by reason.
        identical: replayed ones whose whole decision is the same, down to its reason and its costs.
        changed: replayed ones with another stream, label or action.
        moved: changed ones with another stream.
        streams: moves by stream, by name.
        costs, answered: see there.
        changes: the newest changed items, in order.
        changes_left_out: how many more there are.
        remarks: one sentence each.
    """

    schema: int
    from_utc: str
    to_utc: str
    bundle: str
    bundle_digest: str
    site: str
    items: int
    replayed: int
    not_replayed: dict[str, int]
    identical: int
    changed: int
    moved: int
    streams: list[StreamMoves]
    costs: Costs
    answered: Answered
    changes: list[Change]
    changes_left_out: int
    remarks: list[str]
