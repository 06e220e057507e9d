"""Queue of items under review: any thread hands answers in, the loop's thread puts them on the disk.

An answer takes the way of an event: committed to the outbox, then delivered to every sink. The queue is rebuilt from
the outbox at the start, so a killed station goes on asking what it had asked, and closes what nobody answers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from itertools import islice

from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.answers.question import ReviewedItem, ReviewListener, Said
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.decision.answer import Answer, AnswerError, Choices, Source
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.record import Record
from waste_edge.device.system.condition import Condition, Level
from waste_edge.files.limits import (
    MAX_ANSWERS_PER_ITEM,
    MAX_EXPIRE_S,
    MAX_REVIEWED_ITEMS,
    MAX_WAITING_ANSWERS,
    MAX_WHO_LETTERS,
)

_MORE_ITEMS = 100  # read at the start beyond those that are kept: an open one among them is closed
_TAKE_S = 5.0  # how long `answer` waits for the loop
_AT_ONCE = 32  # answers in one transaction
_ENDS = "the station ends; an open question comes again with its next start"


@dataclass(frozen=True)
class _HandedIn:
    """An answer that waits for the loop's thread."""

    item_id: str
    answer: str
    source: Source
    who: str
    taken: Future[Record]


class ReviewQueue:
    """The newest items, the open questions among them, and the answers.

    `submit`, `answer`, `questions`, `items` and `find` are for any thread, the others for the loop's.

    Args:
        choices: what can be answered at this site.
        config: the table `[answers]`.
        clock: times questions and answers.

    Attributes:
        choices: as given.
    """

    def __init__(self, choices: Choices, config: AnswersConfig, clock: Clock) -> None:
        self.choices = choices
        self._config = config
        self._clock = clock
        self._outbox: Outbox | None = None
        self._rebuilt = False
        self._lock = threading.Lock()
        self._items: dict[str, ReviewedItem] = {}  # oldest first
        self._open: dict[str, int] = {}  # until when an answer is awaited, by item; oldest first
        self._handed_in: deque[_HandedIn] = deque()
        self._listeners: list[ReviewListener] = []
        self._answered = self._expired = 0
        self._failure = ""
        self._closed = False

    # Any thread.

    def submit(self, item_id: str, answer: str, source: Source, who: str = "") -> Future[Record]:
        """Hand an answer in; never blocks.

        Args:
            item_id: of the item; empty for the newest open question.
            answer: a label or a stream of the site, see `Choices.meaning`.
            source: where it comes from.
            who: the person, if the source knows.

        Returns:
            Gives the record once it is committed (with the sequence 0 while the disk cannot be written), or raises
            AnswerError. The answer that a person gave already gives the record that there is.
        """
        handed_in = _HandedIn(item_id, answer, source, who, Future())
        refused = ""
        with self._lock:
            if self._closed:
                refused = _ENDS
            elif len(self._handed_in) >= MAX_WAITING_ANSWERS:
                refused = f"{MAX_WAITING_ANSWERS} answers wait already; the station does not keep up, try again later"
            else:
                self._handed_in.append(handed_in)
        if refused:
            handed_in.taken.set_exception(AnswerError(refused))
        return handed_in.taken

    def answer(self, item_id: str, answer: str, source: Source, who: str = "", timeout_s: float = _TAKE_S) -> Record:
        """Hand an answer in and wait until it is committed; not in the loop's own thread. Arguments as for `submit`.

        Raises:
            AnswerError: it cannot be taken, or the loop did not take it in time.
        """
        taken = self.submit(item_id, answer, source, who)
        try:
            return taken.result(timeout_s)
        except FutureTimeoutError as error:
            if taken.cancel():
                raise AnswerError(f"the station took no answer for {timeout_s:g} s; see its health") from error
            return taken.result()  # it came just now

    def questions(self) -> tuple[ReviewedItem, ...]:
        """The items that a person is asked about now, oldest first."""
        with self._lock:
            return tuple(self._items[item_id] for item_id in self._open)

    def items(self, limit: int = MAX_REVIEWED_ITEMS) -> tuple[ReviewedItem, ...]:
        """The newest items, newest first."""
        with self._lock:
            return tuple(reversed(self._items.values()))[:limit]

    def find(self, item_id: str) -> ReviewedItem | None:
        """One of the newest items; None if it is not among them."""
        with self._lock:
            return self._items.get(item_id)

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources that answers are taken from."""
        return self._config.sources

    def condition(self) -> Condition:
        """Count the open questions, and the answered and expired ones of this run."""
        if self._failure:
            return Condition("answers", Level.BAD, self._failure)
        text = f"{len(self.questions())} questions open, {self._answered} answers, {self._expired} not answered in time"
        return Condition("answers", Level.OK, text)

    # The loop's thread.

    def listen(self, listener: ReviewListener) -> None:
        """Register a listener, before the loop runs."""
        self._listeners.append(listener)

    def open(self, outbox: Outbox) -> None:
        """Take up what the outbox holds, and commit to it from now on."""
        self._outbox = outbox
        self._rebuild(outbox)

    def note(self, record: Record) -> None:
        """See `event_store.Reviews`."""
        item = self._apply(record, 0)
        self._forget_oldest()
        if item is not None and item.is_open:
            self._tell("asked", item)

    def step(self) -> None:
        """See `event_store.Reviews`; at most one transaction, whatever was handed in."""
        if self._outbox is None:
            return
        if not self._rebuilt:
            self._rebuild(self._outbox)
        handed_in = self._take()
        answers = {answer.id: answer for answer in self._expired_now()}
        waiting: dict[str, Future[Record]] = {}
        for one in handed_in:
            try:
                answer = self._checked(one)
            except AnswerError as error:
                one.taken.set_exception(error)
                continue
            if isinstance(answer, Record):
                one.taken.set_result(answer)
            else:
                answers[answer.id], waiting[answer.id] = answer, one.taken
        if answers:
            self._commit(self._outbox, answers, waiting)

    def close(self) -> None:
        """Refuse what is still handed in: the loop has ended."""
        with self._lock:
            left, self._outbox, self._closed = list(self._handed_in), None, True
            self._handed_in.clear()
        for one in left:
            if one.taken.set_running_or_notify_cancel():
                one.taken.set_exception(AnswerError(_ENDS))

    def _take(self) -> list[_HandedIn]:
        """The next answers, at most one an item: the second is judged by what the first made of it."""
        taken: dict[str, _HandedIn] = {}
        if not self._handed_in:  # nearly always: this is asked after every frame
            return []
        with self._lock:
            while self._handed_in and len(taken) < _AT_ONCE:
                one = self._handed_in[0]
                item_id = one.item_id or next(reversed(self._open), "")
                if item_id in taken:
                    break
                self._handed_in.popleft()
                if one.taken.set_running_or_notify_cancel():
                    taken[item_id] = replace(one, item_id=item_id)
        return list(taken.values())

    def _checked(self, one: _HandedIn) -> Answer | Record:
        """The answer to commit, or the record of the same one."""
        if one.source not in self._config.sources:
            raise AnswerError(f"no answers are taken from {one.source}; add it to `sources` of [answers]")
        if len(one.who) > MAX_WHO_LETTERS or not one.who.isprintable():
            raise AnswerError(f"who: expected at most {MAX_WHO_LETTERS} printable letters")
        if not one.item_id:
            raise AnswerError("no question is open")
        item = self.find(one.item_id)
        if item is None:
            raise AnswerError(f"{one.item_id[:40]!r}: none of the newest {MAX_REVIEWED_ITEMS} items of this station")
        label, stream = self.choices.meaning(one.answer)
        if item.repeats(label, stream) and item.answer is not None:
            return item.answer
        if item.answer is not None and item.answer.answer >= MAX_ANSWERS_PER_ITEM:
            raise AnswerError(f"{one.item_id}: was answered {MAX_ANSWERS_PER_ITEM} times; more are not taken")
        return item.next_answer(label, stream, self._said(one.source, one.who))

    def _expired_now(self) -> list[Answer]:
        """Close what nobody answered: an audited item stays as it was decided, the others fall to the residual."""
        now_ns = self._clock.now_ns()
        late = [self._items[item_id] for item_id, closes_ns in self._open.items() if closes_ns <= now_ns]
        for item in late:
            if item.audit:
                self._expired += 1
                self._tell("closed", self._put(replace(item, closes_ns=None)))
        return [self._fallen(item) for item in late if not item.audit][:_AT_ONCE]

    def _fallen(self, item: ReviewedItem) -> Answer:
        return item.next_answer(None, self.choices.residual, self._said("timeout", ""))

    def _said(self, source: Source, who: str) -> Said:
        return Said(source, who, self._clock.now_ns(), self.choices.residual)

    def _commit(self, outbox: Outbox, answers: Mapping[str, Answer], waiting: Mapping[str, Future[Record]]) -> None:
        for record in outbox.commit_answers(list(answers.values())):
            item = self.find(record.id)
            if item is not None:
                item = self._put(replace(item, answer=record, closes_ns=None))
            by_person = record.event.get("source") != "timeout"
            self._answered += by_person
            self._expired += not by_person
            if record.id in waiting:
                waiting[record.id].set_result(record)
            if item is not None:
                self._tell("answered", item)

    def _rebuild(self, outbox: Outbox) -> None:
        found = outbox.newest(MAX_REVIEWED_ITEMS + _MORE_ITEMS)
        if found is None:
            return
        self._rebuilt = True
        newer = self.items()  # what was decided while the disk could not be read
        with self._lock:
            self._items.clear()
            self._open.clear()
        for record, age_ns in found:
            self._apply(record, age_ns)
        for item in reversed(newer):
            self._put(item)
        self._forget_oldest()
        for item in self.questions():
            self._tell("asked", item)

    def _apply(self, record: Record, age_ns: int) -> ReviewedItem | None:
        """Take up a record, an item or an answer to one."""
        if record.answer:
            answered = self.find(record.id)
            return answered and self._put(replace(answered, answer=record, closes_ns=None))
        expires_s, now_ns = record.event.get("expires_s"), self._clock.now_ns()
        closes_ns = None
        if isinstance(expires_s, int | float) and 0 < expires_s <= MAX_EXPIRE_S:
            closes_ns = now_ns - age_ns + round(expires_s * NS_PER_S)
            if record.event.get("audit") and closes_ns <= now_ns:
                closes_ns = None
        return self._put(ReviewedItem(record, None, closes_ns))

    def _forget_oldest(self) -> None:
        """Keep as many items as are meant to be; an open question among those that go falls to the residual stream."""
        with self._lock:
            gone = list(islice(self._items.values(), max(0, len(self._items) - MAX_REVIEWED_ITEMS)))
        still_open = {item.id: self._fallen(item) for item in gone if item.is_open and not item.audit}
        if still_open and self._outbox is not None:
            self._commit(self._outbox, still_open, {})
        with self._lock:
            for item in gone:
                self._items.pop(item.id, None)
                self._open.pop(item.id, None)

    def _put(self, item: ReviewedItem) -> ReviewedItem:
        with self._lock:
            self._items[item.id] = item
            if item.closes_ns is None:
                self._open.pop(item.id, None)
            else:
                self._open[item.id] = item.closes_ns
        return item

    def _tell(self, what: str, item: ReviewedItem) -> None:
        for listener in self._listeners:
            try:
                getattr(listener, what)(item)
            except Exception as error:  # noqa: BLE001 - whatever a listener fails with, the loop goes on
                self._failure = f"internal error: {error!r}; please report it"
