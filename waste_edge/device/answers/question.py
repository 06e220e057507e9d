"""Items that a person can answer, and those who listen to what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from waste_edge.device.decision.answer import Answer
from waste_edge.device.outbox.record import Record
from waste_edge.site import ASK
from waste_edge.taxonomy import UNKNOWN


@dataclass(frozen=True)
class ReviewedItem:
    """One of the newest items, as it stands now.

    Attributes:
        record: its event.
        answer: the newest answer to it; None if there is none.
        closes_ns: monotonic clock until which an answer is awaited; None if nobody is asked, or any longer.
    """

    record: Record
    answer: Record | None = None
    closes_ns: int | None = None

    @property
    def id(self) -> str:
        """The item's id."""
        return self.record.id

    @property
    def is_open(self) -> bool:
        """Return whether a person is asked about it now."""
        return self.closes_ns is not None

    @property
    def audit(self) -> bool:
        """Return whether it was asked although the decision was sure."""
        return bool(self.record.event.get("audit"))

    @property
    def stream(self) -> str:
        """Stream that it belongs to by now; `ask` while that is not known."""
        return (self.answer or self.record).stream

    @property
    def label(self) -> str | None:
        """Label that it has by now; None if nobody knows."""
        said = (self.record.event["decision"] if self.answer is None else self.answer.event).get("label")
        return None if said is None or said == UNKNOWN else str(said)

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """The likeliest labels, best first: `label`, `stream`, `probability`."""
        return list(self.record.event.get("candidates", ()))

    @property
    def answered_by_person(self) -> bool:
        """Return whether the newest answer is a person's."""
        return self.answer is not None and self.answer.event.get("source") != "timeout"

    def repeats(self, label: str | None, stream: str) -> bool:
        """Return whether a person has answered just this already."""
        return self.answered_by_person and (self.label, self.stream) == (label, stream)

    def next_answer(self, label: str | None, stream: str, said: Said) -> Answer:
        """The answer that follows from what was said."""
        previous_label, previous_stream = self.label, self.stream
        differs = stream != previous_stream or (None not in (label, previous_label) and label != previous_label)
        return Answer(
            id=self.id,
            number=1 + (0 if self.answer is None else self.answer.answer),
            label=label,
            stream=stream,
            action="residual" if said.residual == stream and label is None else "sort",
            source=said.source,
            who=said.who,
            answered_ns=said.now_ns,
            audit=self.audit,
            corrects=differs and previous_stream != ASK,
            previous_stream=previous_stream,
            previous_label=previous_label,
        )


@dataclass(frozen=True)
class Said:
    """Circumstances of an answer: see `Answer`; `residual` is the site's residual stream."""

    source: Any
    who: str
    now_ns: int
    residual: str


class ReviewListener:
    """Listener to the queue, called in the loop's thread: it must not block. Each kind overrides what it needs."""

    def asked(self, item: ReviewedItem) -> None:
        """A person is asked about this item from now on; after a restart open ones come again."""

    def answered(self, item: ReviewedItem) -> None:
        """An answer, `item.answer`, was committed: a person's, or `timeout`. A question about it is closed."""

    def closed(self, item: ReviewedItem) -> None:
        """An audited item was not answered in time; its decision stands."""
