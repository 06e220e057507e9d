"""Answers of the page on their way to the queue of items under review, and what the page is told of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.device.telling import FakeWall, make_event
from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.decision.answer import Choices
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.page.listener import PageListener, Review
from waste_edge.device.page.reviews import PageReviews


@pytest.fixture
def station(clock, tmp_path):
    """A queue over an outbox, the page's listener, and what connects them."""

    class Station:
        def __init__(self) -> None:
            self.outbox = Outbox(tmp_path / "outbox.sqlite", "bin 1", clock, FakeWall())
            choices = Choices({"paper": "blue", "glass": "green"}, "black")
            self.queue = ReviewQueue(choices, AnswersConfig(expire_s=60), clock)
            self.queue.open(self.outbox)
            self.listener = PageListener(clock, FakeWall(), items=10, live_fps=4)
            self.reviews = PageReviews(self.queue, self.listener, clock, FakeWall())
            self.said: list[str] = []

        def decide(self, number: int, stream: str = "ask", expires_s: float | None = 60) -> str:
            event = replace(make_event(number, stream), expires_s=expires_s)
            self.queue.note(self.outbox.commit(event, b""))
            return event.id

        def answer(self, **fields: str) -> str:
            self.reviews.answer(json.dumps(fields).encode(), self.said.append)
            self.queue.step()
            return self.said[-1]

        def told(self) -> list[Review]:
            return [change for change in self.listener.take_changes() if isinstance(change, Review)]

    station = Station()
    yield station
    station.outbox.close()


def test_a_question_is_told_answered_and_told_again(station):
    item_id = station.decide(1)
    [asked] = station.told()
    assert (asked.item_id, asked.fields["open"], asked.fields["closes_utc"]) == (
        item_id,
        True,
        "2026-03-01T14:03:00.000Z",
    )
    assert station.listener.open_questions == {item_id}
    assert station.answer(id=item_id, answer="paper") == ""
    [answered] = station.told()
    assert not answered.fields["open"]
    assert (answered.fields["stream"], answered.fields["label"], answered.fields["source"]) == ("blue", "paper", "page")
    assert station.listener.open_questions == frozenset()
    assert [(one.source, one.stream) for one in station.listener.counts.totals.answers] == [("page", "blue")]


def test_a_sure_item_is_corrected(station):
    item_id = station.decide(1, "green", None)
    assert station.told() == []
    assert station.answer(id=item_id, answer="black") == ""
    [corrected] = station.told()
    assert (corrected.fields["stream"], corrected.fields["by_person"]) == ("black", True)


def test_what_nobody_answers_is_told_as_such(station, clock):
    station.decide(1)
    station.told()
    clock.time_ns += 61_000_000_000
    station.queue.step()
    [late] = station.told()
    assert (late.fields["stream"], late.fields["source"], late.fields["by_person"]) == ("black", "timeout", False)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"id": "f" * 32, "answer": "paper"}, "none of the newest"),
        ({"id": f"{1:032x}", "answer": "wood"}, "is no label and no stream of this site"),
        ({"id": f"{1:032x}"}, "no answer: Object missing required field `answer`"),
        ({"id": f"{1:032x}", "answer": "paper", "more": "x"}, "no answer: Object contains unknown field `more`"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(station, fields, said):
    station.decide(1)
    assert said in station.answer(**fields)


def test_questions_of_before_the_start_are_asked_again(station, clock):
    item_id = station.decide(1)
    listener = PageListener(clock, FakeWall(), items=10, live_fps=4)
    PageReviews(station.queue, listener, clock, FakeWall())
    [asked] = listener.take_changes()
    assert isinstance(asked, Review)
    assert asked.item_id == item_id
    assert asked.record["decision"]["stream"] == "ask"
