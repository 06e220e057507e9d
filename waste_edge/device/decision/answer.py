"""Answers of people to what the station decided: candidates to choose from, what can be answered, and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from waste_edge.errors import UserError
from waste_edge.files.limits import MAX_WHO_LETTERS

Source = Literal["page", "mqtt", "gpio", "timeout"]


class AnswerError(UserError, ValueError):
    """An answer that cannot be taken; the message says why, in one line."""


@dataclass(frozen=True)
class Candidate:
    """A label that the item may have.

    Attributes:
        label: of the model.
        stream: where the site puts it.
        probability: mean calibrated probability, 0 to 1.
    """

    label: str
    stream: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """Stream and label of an item as a person told them, or the residual stream if nobody did in time.

    Attributes:
        id: the item's, as in its event.
        number: of this answer to the item, from 1.
        label: of the item; None if only the stream was told.
        stream: where it belongs.
        action: `sort`, or `residual` for what belongs to no other stream.
        source: where the answer came from; `timeout` if nobody answered in time.
        who: the person, as far as the source knows; may be empty.
        answered_ns: monotonic clock of the answer.
        audit: it was asked although the decision was sure.
        corrects: the item had a stream already, and this names another stream or label.
        previous_stream: where the item was before; `ask` for an open question.
        previous_label: the label it had before; None if it had none.
    """

    id: str
    number: int
    label: str | None
    stream: str
    action: Literal["sort", "residual"]
    source: Source
    who: str
    answered_ns: int
    audit: bool
    corrects: bool
    previous_stream: str
    previous_label: str | None

    def __post_init__(self) -> None:
        if not self.id or self.number < 1 or not self.stream or not self.previous_stream:
            raise ValueError(f"an answer needs an item, a number from 1 and two streams, got {self}")
        if len(self.who) > MAX_WHO_LETTERS:
            raise ValueError(f"who answers has at most {MAX_WHO_LETTERS} letters, got {len(self.who)}")


@dataclass(frozen=True)
class Choices:
    """Labels and streams that can be answered at a site.

    Attributes:
        streams: stream by label, in the model's order.
        residual: the stream for what belongs to no other.
    """

    streams: Mapping[str, str]
    residual: str

    def places(self) -> Sequence[str]:
        """Every stream once, sorted, the residual one included."""
        return sorted({*self.streams.values(), self.residual})

    def meaning(self, answer: str) -> tuple[str | None, str]:
        """Resolve an answer, a label or a stream, to (label, stream); a word that is both is the label.

        The label is None where a stream was named that takes several labels, and for the residual stream: nobody said
        which it was.

        Raises:
            AnswerError: it is neither; the message lists what can be answered.
        """
        if answer in self.streams:
            return answer, self.streams[answer]
        if answer == self.residual:
            return None, answer
        own = [label for label, stream in self.streams.items() if stream == answer]
        if not own:
            known = ", ".join(dict.fromkeys([*self.streams, *self.places()]))
            raise AnswerError(f"{answer[:80]!r} is no label and no stream of this site; expected one of {known}")
        return (own[0] if len(own) == 1 else None), answer
