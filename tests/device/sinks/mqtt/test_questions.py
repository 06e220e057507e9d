"""Answers over a real broker: what is asked is told, and what is answered is committed, or refused with its reason."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from tests.device.telling import id_of, make_event
from tests.faults.conftest import wait_until
from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.decision.answer import Choices
from waste_edge.device.decision.policy import Decision

CHOICES = Choices({"glass": "glass", "paper": "paper"}, "rest")


def asking(number: int):
    decision = Decision("ask", "paper", 0.4, "paper or glass", action="ask")
    return replace(make_event(number), decision=decision, expires_s=60.0)


class Asked:
    """A station whose loop does nothing but see to answers."""

    def __init__(self, station, config: AnswersConfig) -> None:
        self.station = station
        self.reviews = ReviewQueue(CHOICES, config, station.clock)
        self.reviews.open(station.outbox)
        station.sink.take_answers(self.reviews)
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        assert self.station.topic  # the names are drawn before another thread may draw them too
        self._thread.start()
        self.station.delivery.start()

    def ask(self, number: int) -> None:
        with self._lock:
            self.reviews.note(self.station.outbox.commit(asking(number), b""))

    def end(self) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            with self._lock:
                self.reviews.step()


@pytest.fixture
def asked(broker, make_station):
    stations = []

    def asked_(config: AnswersConfig | None = None, **settings) -> Asked:
        stations.append(Asked(make_station(broker, **settings), config or AnswersConfig()))
        return stations[-1]

    yield asked_
    for station in stations:
        station.end()


def say(receiver, topic: str, payload: str, retain: bool = False) -> None:
    receiver._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)


def test_a_question_is_told_answered_and_closed(asked, broker, receive):
    station = asked()
    receiver = receive(broker)
    station.start()
    topic = station.station.topic
    wait_until(lambda: receiver.newest(f"{topic}/question") != "")
    assert json.loads(receiver.newest(f"{topic}/question"))["open"] == 0
    station.ask(1)
    wait_until(lambda: json.loads(receiver.newest(f"{topic}/question"))["open"] == 1)
    question = json.loads(receiver.newest(f"{topic}/question"))
    assert (question["id"], question["expires_s"], question["reason"]) == (id_of(1), 60.0, "paper or glass")
    say(receiver, f"{topic}/answer/set", json.dumps({"id": id_of(1), "answer": "glass", "who": "Ada"}))
    wait_until(lambda: receiver.newest(f"{topic}/answer") != "")
    answer = json.loads(receiver.newest(f"{topic}/answer"))
    assert (answer["kind"], answer["id"], answer["stream"], answer["who"], answer["source"]) == (
        *("answer", id_of(1), "glass", "Ada", "mqtt"),
    )
    wait_until(lambda: json.loads(receiver.newest(f"{topic}/question"))["open"] == 0)
    wait_until(lambda: json.loads(receiver.newest(f"{topic}/counters"))["streams"]["glass"] == 1)
    assert json.loads(receiver.newest(f"{topic}/counters"))["items"] == 1


def test_a_plain_word_answers_the_newest_question(asked, broker, receive):
    station = asked()
    receiver = receive(broker)
    station.start()
    station.ask(1)
    station.ask(2)
    wait_until(lambda: len(receiver.told) == 2)
    say(receiver, f"{station.station.topic}/answer/set", "paper")
    wait_until(lambda: receiver.newest(f"{station.station.topic}/answer") != "")
    assert json.loads(receiver.newest(f"{station.station.topic}/answer"))["id"] == id_of(2)
    wait_until(lambda: json.loads(receiver.newest(f"{station.station.topic}/question"))["id"] == id_of(1))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("umbrella", "is no label and no stream of this site"),
        ('{"answer": 3}', "no JSON of an answer"),
        ('{"id": "nobody", "answer": "glass"}', "none of the newest"),
        ("glass", "no question is open"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_reason(asked, broker, receive, said, why):
    station = asked()
    receiver = receive(broker)
    station.start()
    topic = station.station.topic
    wait_until(lambda: receiver.newest(f"{topic}/question") != "")
    if "umbrella" in said:
        station.ask(1)
        wait_until(lambda: len(receiver.told) == 1)
    say(receiver, f"{topic}/answer/set", said)
    wait_until(lambda: receiver.newest(f"{topic}/answer/refused") != "")
    refused = json.loads(receiver.newest(f"{topic}/answer/refused"))
    assert why in refused["error"]
    assert refused["answer"] in said


def test_an_answer_that_the_broker_kept_answers_nothing(asked, broker, receive):
    station = asked()
    station.ask(1)
    receiver = receive(broker)
    station.station.delivery.step()
    topic = station.station.topic
    station.station.sink.close()
    say(receiver, f"{topic}/answer/set", "glass", retain=True)
    station.start()
    questions = f"{topic}/question"
    wait_until(lambda: [name for name, _, _ in receiver.messages].count(questions) == 2)  # it is connected again
    say(receiver, f"{topic}/answer/set", "paper")
    wait_until(lambda: receiver.newest(f"{topic}/answer") != "")
    assert json.loads(receiver.newest(f"{topic}/answer"))["stream"] == "paper"


def test_answers_that_are_not_taken_from_mqtt_are_not_asked_for(asked, broker, receive):
    station = asked(AnswersConfig(sources=("page",)))
    receiver = receive(broker)
    station.start()
    wait_until(lambda: receiver.newest(f"{station.station.topic}/status") == "online")
    wait_until(lambda: any(topic.startswith("homeassistant/device/") for topic, _, _ in receiver.messages))
    assert receiver.newest(f"{station.station.topic}/question") == ""
    (device,) = [said for topic, said, _ in receiver.messages if topic.startswith("homeassistant/device/")]
    assert "answer" not in json.loads(device)["components"]
