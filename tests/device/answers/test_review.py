"""Answers: who may say what about which item, what is committed, what a restart finds, and that counters agree."""

from __future__ import annotations

import json
import sqlite3
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.answers.question import ReviewedItem, ReviewListener
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.decision.answer import AnswerError, Candidate, Choices
from waste_edge.device.decision.asking import Asking
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import Decision
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.record import Record, to_json_line
from waste_edge.files.limits import MAX_ANSWERS_PER_ITEM, MAX_WAITING_ANSWERS

CHOICES = Choices({"glass": "glass", "paper": "blue", "cardboard": "blue", "metal": "yellow"}, "black")
ASKING = Asking(expire_s=60)


def asked_event(number: int) -> Event:
    """An item that a person is asked about."""
    decision = Decision("ask", "unknown", 0.4, "asks: blue 40% or yellow 35%", "ask")
    candidates = (Candidate("paper", "blue", 0.4), Candidate("metal", "yellow", 0.35))
    return ASKING.marked(replace(make_event(number), decision=decision, candidates=candidates))


class Station:
    """Outbox and queue of one station; `restart` leaves the first ones as a kill would."""

    def __init__(self, folder: Path, clock) -> None:
        self.folder, self.clock, self.wall = folder, clock, FakeWall()
        self.config = AnswersConfig(expire_s=60)
        self.start()

    def start(self) -> None:
        self.outbox = Outbox(self.folder / "outbox.sqlite", "bin 1", self.clock, self.wall)
        self.queue = ReviewQueue(CHOICES, self.config, self.clock)
        self.told: list[tuple[str, str]] = []
        self.queue.listen(Listening(self.told))
        self.queue.open(self.outbox)

    def restart(self) -> None:
        self.outbox.close()
        self.start()

    def commit(self, event: Event) -> Record:
        record = self.outbox.commit(event, b"")
        self.queue.note(record)
        return record

    def say(self, number: int | None, answer: str, source="page", who: str = "Ada") -> Record:
        taken = self.queue.submit("" if number is None else id_of(number), answer, source, who)
        self.queue.step()
        return taken.result(0)

    def records(self) -> list[Record]:
        return self.outbox.reader("any").pending(10_000)

    def counters(self) -> dict[str, int]:
        """By what was told: the newest record of each stream."""
        counters: dict[str, int] = {}
        for record in self.records():
            counters |= record.counters
        return counters


class Listening(ReviewListener):
    def __init__(self, told: list[tuple[str, str]]) -> None:
        self._told = told

    def asked(self, item: ReviewedItem) -> None:
        self._told.append(("asked", item.id))

    def answered(self, item: ReviewedItem) -> None:
        self._told.append(("answered", item.id))

    def closed(self, item: ReviewedItem) -> None:
        self._told.append(("closed", item.id))


@pytest.fixture
def station(tmp_path, clock):
    station = Station(tmp_path, clock)
    yield station
    station.outbox.close()


def test_an_answer_closes_the_question_and_moves_the_counter(station):
    station.commit(asked_event(1))
    assert [item.id for item in station.queue.questions()] == [id_of(1)]
    record = station.say(1, "metal")
    assert station.queue.questions() == ()
    assert (record.id, record.kind, record.answer, record.sequence) == (id_of(1), "answer", 1, 2)
    line = json.loads(to_json_line(record))
    expected = {
        "kind": "answer", "id": id_of(1), "answer": 1, "label": "metal", "stream": "yellow", "action": "sort",
        "source": "page", "who": "Ada", "audit": False, "corrects": False, "previous_stream": "ask",
        "previous_label": None, "stream_items": 1, "previous_stream_items": 0, "station": "bin 1",
    }  # fmt: skip
    assert expected.items() <= line.items()
    assert list(line)[:3] == ["kind", "id", "answer"], "the JSON lines are read back by these"
    assert station.told == [("asked", id_of(1)), ("answered", id_of(1))]
    assert station.counters() == {"ask": 0, "yellow": 1}


def test_an_event_carries_its_candidates_and_how_long_an_answer_is_awaited(station):
    line = json.loads(to_json_line(station.commit(asked_event(1))))
    assert line["expires_s"] == 60
    assert line["candidates"][0] == {"label": "paper", "stream": "blue", "probability": 0.4}
    assert line["audit"] is False
    assert json.loads(to_json_line(station.commit(make_event(2))))["expires_s"] is None


def test_the_same_answer_again_is_the_same_record_and_another_one_corrects(station):
    station.commit(asked_event(1))
    first = station.say(1, "metal")
    assert station.say(1, "metal", who="Bob") == first
    second = station.say(1, "paper", "mqtt")
    assert (second.answer, second.event["corrects"], second.previous_stream) == (2, True, "yellow")
    assert station.counters() == {"ask": 0, "yellow": 0, "blue": 1}
    assert len(station.records()) == 3


def test_two_answers_to_one_item_at_once_are_taken_one_after_the_other(station):
    station.commit(asked_event(1))
    taken = [station.queue.submit(id_of(1), answer, "page") for answer in ("metal", "paper", "metal")]
    for _ in range(3):
        station.queue.step()
    assert [future.result(0).answer for future in taken] == [1, 2, 3]
    assert station.counters() == {"ask": 0, "yellow": 1, "blue": 0}


def test_a_sure_item_is_corrected_or_confirmed(station):
    station.commit(make_event(1, stream="blue"))  # paper
    confirmed = station.say(1, "paper")
    assert (confirmed.event["corrects"], confirmed.stream_items) == (False, 1)
    corrected = station.say(1, "glass")
    assert corrected.event["corrects"] is True
    assert station.counters() == {"blue": 0, "glass": 1}


def test_another_label_of_the_same_stream_corrects_without_moving_a_counter(station):
    station.commit(make_event(1, stream="blue"))
    record = station.say(1, "cardboard")
    assert (record.event["corrects"], record.event["previous_label"]) == (True, "paper")
    assert station.counters() == {"blue": 1}


@pytest.mark.parametrize(
    ("answer", "label", "stream", "action"),
    [
        ("metal", "metal", "yellow", "sort"),
        ("yellow", "metal", "yellow", "sort"),  # its only label
        ("blue", None, "blue", "sort"),  # paper or cardboard: nobody said
        ("glass", "glass", "glass", "sort"),  # a label and a stream
        ("black", None, "black", "residual"),
    ],
)
def test_a_label_or_a_stream_is_an_answer(station, answer, label, stream, action):
    station.commit(asked_event(1))
    event = station.say(1, answer).event
    assert (event["label"], event["stream"], event["action"]) == (label, stream, action)


def test_what_cannot_be_answered_is_said_in_a_line(station):
    station.commit(asked_event(1))
    with pytest.raises(AnswerError, match="'wood' is no label and no stream of this site; expected one of glass, "):
        station.say(1, "wood")
    with pytest.raises(AnswerError, match="'ask' is no label"):
        station.say(1, "ask")
    with pytest.raises(AnswerError, match="none of the newest 1000 items"):
        station.say(2, "metal")
    with pytest.raises(AnswerError, match="printable"):
        station.say(1, "metal", who="A\nda")
    with pytest.raises(AnswerError, match="at most 100"):
        station.say(1, "metal", who="A" * 101)
    assert len(station.queue.questions()) == 1
    assert len(station.records()) == 1


def test_answers_are_taken_from_the_configured_sources_only(station):
    station.config = AnswersConfig(sources=("gpio",))
    station.restart()
    station.commit(asked_event(1))
    with pytest.raises(AnswerError, match="no answers are taken from page"):
        station.say(1, "metal", "page")
    assert station.say(1, "metal", "gpio").event["source"] == "gpio"


def test_without_an_id_the_newest_question_is_answered(station):
    for number in (1, 2, 3):
        station.commit(asked_event(number))
    assert [station.say(None, "metal", "gpio").id for _ in range(3)] == [id_of(3), id_of(2), id_of(1)]
    with pytest.raises(AnswerError, match="no question is open"):
        station.say(None, "metal", "gpio")


def test_an_unanswered_question_falls_to_the_residual_stream_and_can_be_corrected_later(station, clock):
    station.commit(asked_event(1))
    clock.sleep(59.9)
    station.queue.step()
    assert station.queue.questions()
    clock.sleep(0.2)
    station.queue.step()
    assert station.queue.questions() == ()
    record = station.records()[-1]
    assert (record.stream, record.event["source"], record.event["label"]) == ("black", "timeout", None)
    assert (record.event["action"], record.event["corrects"]) == ("residual", False)
    assert station.counters() == {"ask": 0, "black": 1}
    assert station.say(1, "black").answer == 2, "a person who says so too is an answer of its own"
    assert station.say(1, "metal").event["corrects"] is True
    assert station.counters() == {"ask": 0, "black": 0, "yellow": 1}


def test_an_answer_in_the_last_moment_wins(station, clock):
    station.commit(asked_event(1))
    clock.sleep(61)
    assert station.say(1, "metal").event["source"] == "page"
    station.queue.step()
    assert len(station.records()) == 2


def test_an_audited_item_keeps_its_stream_if_nobody_answers(station, clock):
    audited = Asking(60, audit=0.5, chance=lambda: 0.4).marked(make_event(1, stream="blue"))
    station.commit(audited)
    assert [item.audit for item in station.queue.questions()] == [True]
    clock.sleep(61)
    station.queue.step()
    assert station.queue.questions() == ()
    assert station.told[-1] == ("closed", id_of(1))
    assert len(station.records()) == 1
    assert station.say(1, "glass").event["audit"] is True


def test_a_share_is_audited_whatever_the_confidence():
    chances = iter([0.019, 0.02, 0.5, 0.0])
    asking = Asking(60, audit=0.02, chance=lambda: next(chances))
    assert [asking.marked(make_event(number)).audit for number in range(4)] == [True, False, False, True]
    drawn = sum(Asking(60, audit=0.3).marked(make_event(number)).audit for number in range(2000))
    assert 500 < drawn < 700  # 600 are expected; 100 are 4.9 standard deviations
    assert not any(Asking(60).marked(make_event(number)).audit for number in range(100))


def test_a_restart_goes_on_with_what_is_open(station, clock):
    for number in (1, 2, 3):
        station.commit(asked_event(number))
    station.commit(make_event(4, stream="blue"))
    station.say(2, "metal")
    clock.sleep(40)
    station.restart()
    assert [item.id for item in station.queue.questions()] == [id_of(1), id_of(3)]
    assert station.told == [("asked", id_of(1)), ("asked", id_of(3))]
    assert station.say(2, "metal").answer == 1, "it was answered so already"
    assert station.say(4, "glass").event["corrects"] is True
    clock.sleep(21)
    station.queue.step()
    assert station.queue.questions() == ()
    assert station.counters() == {"ask": 0, "yellow": 1, "black": 2, "blue": 0, "glass": 1}


def test_after_another_boot_the_time_that_is_left_is_still_left(station, clock):
    station.commit(asked_event(1))
    clock.sleep(50)
    station.commit(make_event(2))  # keeps how long the station has run
    station.outbox.close()
    station.wall.boot_id, clock.time_ns = "boot-2", 5_000_000_000
    station.start()
    clock.sleep(9.8)
    station.queue.step()
    assert station.queue.questions()
    clock.sleep(0.4)
    station.queue.step()
    assert station.queue.questions() == ()


def test_a_disk_that_fails_takes_no_answer_away(station, clock, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    station.commit(asked_event(1))
    with monkeypatch.context() as patch:
        patch.setattr("waste_edge.device.outbox.database.Database.write", fail)
        assert station.commit(asked_event(2)).sequence == 0
        assert [station.say(number, "metal").sequence for number in (1, 2)] == [0, 0]
        assert station.queue.questions() == ()
    clock.sleep(2)
    station.outbox.tend()
    assert [(record.id, record.answer) for record in station.records()] == [
        (id_of(1), 0), (id_of(2), 0), (id_of(1), 1), (id_of(2), 1)
    ]  # fmt: skip
    assert station.counters() == {"ask": 0, "yellow": 2}


def test_counters_of_another_outbox_id_are_left_alone(station):
    station.commit(asked_event(1))
    station.outbox.told(station.records()[0].outbox_id, 99)  # more than is kept: counts anew
    record = station.say(1, "metal")
    assert (record.stream_items, record.event["previous_stream_items"]) == (0, 0)
    station.commit(make_event(2, stream="yellow"))
    assert station.counters()["yellow"] == 1


def test_items_and_answers_are_bounded(station, monkeypatch):
    kept = 30
    monkeypatch.setattr("waste_edge.device.answers.review.MAX_REVIEWED_ITEMS", kept)
    station.commit(asked_event(0))
    for number in range(MAX_ANSWERS_PER_ITEM):
        station.say(0, "metal" if number % 2 else "paper")
    with pytest.raises(AnswerError, match="answered 20 times"):
        station.say(0, "glass")
    station.commit(asked_event(1))
    for number in range(2, kept + 3):
        station.commit(make_event(number))
    assert len(station.queue.items()) == kept
    assert station.queue.items()[0].id == id_of(kept + 2)
    assert station.counters()["ask"] == 0, "the open one among those that went fell to the residual stream"
    before = station.queue.items()
    station.restart()
    assert [item.id for item in station.queue.items()] == [item.id for item in before]
    waiting = [station.queue.submit(id_of(5), "metal", "mqtt") for _ in range(MAX_WAITING_ANSWERS + 1)]
    with pytest.raises(AnswerError, match="does not keep up"):
        waiting[-1].result(0)


def test_answers_come_from_any_thread_and_wait_for_the_loop(station):
    for number in range(20):
        station.commit(asked_event(number))
    results: list[Record] = []
    threads = [
        threading.Thread(target=lambda n=number: results.append(station.queue.answer(id_of(n), "metal", "page")))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        station.queue.step()
    assert sorted(record.id for record in results) == [id_of(number) for number in range(20)]
    assert station.counters() == {"ask": 0, "yellow": 20}


def test_a_loop_that_takes_nothing_is_said_and_the_answer_withdrawn(station):
    station.commit(asked_event(1))
    with pytest.raises(AnswerError, match=r"took no answer for 0\.05 s"):
        station.queue.answer(id_of(1), "metal", "page", timeout_s=0.05)
    station.queue.step()
    assert station.queue.questions()


def test_an_end_refuses_what_waits(station):
    station.commit(asked_event(1))
    taken: Future[Record] = station.queue.submit(id_of(1), "metal", "page")
    station.queue.close()
    for refused in (taken, station.queue.submit(id_of(1), "metal", "page")):
        with pytest.raises(AnswerError, match="the station ends"):
            refused.result(0)


def test_damaged_records_are_left_out(station):
    for number in (1, 2, 3, 4):
        station.commit(asked_event(number))
    station.say(4, "metal")
    with sqlite3.connect(station.folder / "outbox.sqlite") as database:
        for sequence, damage in (
            (1, {"event": {"decision": 5}}),
            (2, {"event": {"decision": {"stream": "ask"}, "expires_s": 1e308}}),
            (5, {"event": {"stream": "yellow"}}),
        ):
            stored = database.execute("SELECT record FROM events WHERE sequence = ?", (sequence,)).fetchone()[0]
            changed = json.dumps({**json.loads(stored), **damage}).encode()
            database.execute("UPDATE events SET record = ? WHERE sequence = ?", (changed, sequence))
    database.close()
    station.restart()
    assert [item.id for item in station.queue.questions()] == [id_of(3), id_of(4)]
    assert station.queue.items()[2].label is None
    reader = station.outbox.reader("any")
    assert [record.sequence for record in reader.pending(10)] == [2, 3, 4]
    assert reader.damaged == 2


def test_a_listener_that_fails_is_said_and_stops_nothing(station):
    class Failing(ReviewListener):
        def asked(self, item: ReviewedItem) -> None:
            raise RuntimeError("lamp")

    station.queue.listen(Failing())
    station.commit(asked_event(1))
    assert "lamp" in station.queue.condition().text
    assert station.say(1, "metal")
