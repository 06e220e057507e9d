"""Answers over MQTT: the open question is told, and what is said to `answer/set` is handed in."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING

import msgspec

from waste_edge.device.answers.question import ReviewListener
from waste_edge.device.decision.answer import AnswerError
from waste_edge.device.sinks.mqtt import messages
from waste_edge.device.sinks.mqtt.link import Heard, Message
from waste_edge.files.strict import encode_json

if TYPE_CHECKING:
    from waste_edge.device.answers.question import ReviewedItem
    from waste_edge.device.answers.review import ReviewQueue
    from waste_edge.device.outbox.record import Record

_MOST_REFUSALS = 20  # kept until they are told


class _Said(msgspec.Struct):
    """A message to `answer/set` that is JSON; other fields are left alone."""

    answer: str
    id: str | None = None
    who: str = ""


class Questions(ReviewListener):
    """Passes questions on to the sink's thread, and answers from it to the queue.

    Args:
        reviews: the station's queue.
        wake: has the sink's thread look, from any thread.
    """

    def __init__(self, reviews: ReviewQueue, wake: Callable[[], None]) -> None:
        self._reviews = reviews
        self._wake = wake
        self._news = threading.Event()
        self._refused: deque[tuple[str, str]] = deque(maxlen=_MOST_REFUSALS)
        reviews.listen(self)

    def asked(self, item: ReviewedItem) -> None:
        """See `ReviewListener`."""
        self._changed()

    def answered(self, item: ReviewedItem) -> None:
        """See `ReviewListener`."""
        self._changed()

    def closed(self, item: ReviewedItem) -> None:
        """See `ReviewListener`."""
        self._changed()

    def now(self, topic: str) -> Message:
        """Tell the open question, whatever was told before."""
        self._news.clear()
        return messages.question(topic, self._reviews.questions())

    def news(self, topic: str) -> list[Message]:
        """The open question if it changed, and the answers that could not be taken."""
        told = [self.now(topic)] if self._news.is_set() else []
        while self._refused:
            said, why = self._refused.popleft()
            refusal = encode_json({"answer": said, "error": why}).decode()
            told.append(Message(f"{topic}/answer/refused", refusal))
        return told

    def take(self, heard: Heard) -> None:
        """Hand in what was said: a label or a stream, or JSON with `answer`, `id` and `who`.

        Without an id it answers the newest open question. What the broker kept is no answer to anything of now.
        """
        if heard.retained or not heard.payload.strip():
            return
        text = heard.payload.strip()
        said = _Said(text)
        if text.startswith("{"):
            try:
                said = msgspec.json.decode(text, type=_Said)
            except (msgspec.DecodeError, ValueError) as error:
                self._refuse(text, f"no JSON of an answer: {error}")
                return
        self._reviews.submit(said.id or "", said.answer, "mqtt", said.who).add_done_callback(
            lambda taken: self._note(said.answer, taken)
        )

    def _note(self, said: str, taken: Future[Record]) -> None:
        try:
            taken.result()
        except CancelledError:
            return
        except AnswerError as error:
            self._refuse(said, str(error))

    def _refuse(self, said: str, why: str) -> None:
        self._refused.append((said[:80], why))
        self._wake()

    def _changed(self) -> None:
        self._news.set()
        self._wake()
