"""People's answers on the page: from its process to the queue of items under review, and back what became of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta

import msgspec

from waste_edge.device.answers.question import ReviewedItem, ReviewListener
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.clock import NS_PER_S, Clock, WallClock
from waste_edge.device.outbox.record import Record
from waste_edge.device.page.listener import PageListener, Review
from waste_edge.errors import UserError
from waste_edge.files.strict import Strict


class PageAnswer(Strict, frozen=True):
    """A person's answer on the page: the item's id, and a label or a stream of the site."""

    id: str
    answer: str


class PageReviews(ReviewListener):
    """Passes answers of the page on to `reviews`, and what becomes of items on to `listener`."""

    def __init__(self, reviews: ReviewQueue, listener: PageListener, clock: Clock, wall_clock: WallClock) -> None:
        self._reviews = reviews
        self._listener = listener
        self._clock, self._wall_clock = clock, wall_clock
        for item in reversed(reviews.items()):
            if item.is_open:  # since before this start
                self.asked(item)
        reviews.listen(self)

    def answer(self, command: bytes, done: Callable[[str], None]) -> None:
        """Hand an answer in, as the page sent it; `done` is told in any thread what is wrong with it, or nothing."""
        try:
            given = msgspec.json.decode(command, type=PageAnswer)
        except (msgspec.DecodeError, ValueError) as error:
            done(f"no answer: {error}")
            return
        taken = self._reviews.submit(given.id, given.answer, "page")
        taken.add_done_callback(lambda future: done(_what_is_wrong(future)))

    def asked(self, item: ReviewedItem) -> None:
        self._listener.review(self._review(item))

    def answered(self, item: ReviewedItem) -> None:
        if item.answer is not None:
            self._listener.answered(item.answer, item.record.time_utc)
        self._listener.review(self._review(item))

    def closed(self, item: ReviewedItem) -> None:
        self._listener.review(self._review(item))

    def _review(self, item: ReviewedItem) -> Review:
        answer = item.answer
        fields = {
            "open": item.is_open,
            "closes_utc": self._closes_utc(item),
            "audit": item.audit,
            "stream": item.stream,
            "label": item.label,
            "source": None if answer is None else answer.event["source"],
            "by_person": item.answered_by_person,
        }
        return Review(item.id, item.record.event, item.record.time_utc, fields)

    def _closes_utc(self, item: ReviewedItem) -> str | None:
        if item.closes_ns is None:
            return None
        left = timedelta(seconds=(item.closes_ns - self._clock.now_ns()) / NS_PER_S)
        return _iso(self._wall_clock.now_utc() + left)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _what_is_wrong(taken: Future[Record]) -> str:
    """Explain why an answer was not taken; empty if it was."""
    if taken.cancelled():
        return "the answer was withdrawn"
    error = taken.exception()
    if error is None:
        return ""
    return str(error) if isinstance(error, UserError) else f"internal error: {error!r}; please report it"
