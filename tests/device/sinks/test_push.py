"""Push: what ntfy is sent, how seldom, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from tests.device.sinks.receiver import Receiver, receiving
from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.decision.answer import Answer
from waste_edge.device.decision.asking import Asking
from waste_edge.device.decision.policy import Decision
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.record import Record
from waste_edge.device.sinks.http.post import Target
from waste_edge.device.sinks.push import Push, PushConfig
from waste_edge.device.sinks.sink import SinkContext, SinkError
from waste_edge.device.system.condition import Condition, Level

# What ntfy documents for a message published as JSON (https://docs.ntfy.sh/publish/#publish-as-json): key to type.
NTFY_KEYS = {
    "topic": str, "message": str, "title": str, "tags": list, "priority": int, "actions": list, "click": str,
    "attach": str, "markdown": bool, "icon": str, "filename": str, "delay": str, "email": str, "call": str,
}  # fmt: skip


class Phone:
    """A station's outbox, its push sink, and what the ntfy server was sent."""

    def __init__(self, receiver: Receiver, folder, clock, **settings) -> None:
        self.receiver, self.clock, self.wall = receiver, clock, FakeWall()
        url = f"http://127.0.0.1:{receiver.port}"
        config = PushConfig(url=url, topic="bin-3", allow_private=True, cooldown_s=300, **settings)
        self.sink = Push(config, Target.of("push", config), "tk_secret", "bin 3", clock, self.wall)
        self.outbox = Outbox(folder / "outbox.sqlite", "bin 3", clock, self.wall)
        self.reader = self.outbox.reader("push")

    def ask(self, number: int, expire_s: float = 3600) -> Record:
        decision = Decision("ask", "unknown", 0.4, f"asks: blue or yellow, {number}", "ask")
        return self.outbox.commit(Asking(expire_s).marked(replace(make_event(number), decision=decision)), b"")

    def answer(self, number: int, stream: str = "blue") -> None:
        fields = {"action": "sort", "source": "page", "who": "", "audit": False, "corrects": False}
        answer = Answer(
            id_of(number), 1, None, stream, answered_ns=0, previous_stream="ask", previous_label=None, **fields
        )  # type: ignore[arg-type]
        self.outbox.commit_answers([answer])

    def deliver(self) -> list[str]:
        """Deliver what waits; the messages that came of it."""
        before = len(self.receiver.requests)
        records: Sequence[Record] = self.reader.pending(1000)
        self.sink.deliver(records)
        if records:
            self.reader.move(records[-1].sequence)
        return [body["message"] for body in self.receiver.bodies[before:]]


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def phone(receiver, tmp_path, clock):
    made: list[Phone] = []

    def make(**settings) -> Phone:
        made.append(Phone(receiver, tmp_path, clock, **settings))
        return made[-1]

    yield make
    for phone in made:
        phone.outbox.close()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"url": "https://ntfy.sh"}, "missing required field `topic`"),
        ({"url": "https://ntfy.sh", "topic": "a b"}, "up to 64 letters"),
        ({"url": "https://ntfy.sh/topic", "topic": "a"}, "expected the server alone"),
        ({"url": "http://ntfy.sh", "topic": "a"}, "use https://"),
        ({"url": "https://ntfy.sh", "topic": "a", "health": "ok"}, "Invalid enum value 'ok'"),
        ({"url": "https://ntfy.sh", "topic": "a", "cooldown_s": 0.5}, "cooldown_s must be 1 to"),
        ({"url": "https://ntfy.sh", "topic": "a", "asks_a_day": -1}, "asks_a_day must be 0 to"),
        ({"url": "https://ntfy.sh", "topic": "a", "every_items": {"blue": 0}}, "at least 1 for each stream"),
        ({"url": "https://ntfy.sh", "topic": "a", "click": "bin1.local"}, "expected an address such as http"),
    ],
)
def test_a_wrong_table_is_refused_with_its_reason(table, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(table, PushConfig)


def test_a_question_is_pushed_as_ntfy_takes_it(phone, receiver):
    phone = phone(click="http://bin3.local:8080")
    phone.ask(1)
    assert phone.deliver() == ["asks: blue or yellow, 1"]
    (request,) = receiver.requests
    assert (request.path, request.headers["authorization"]) == ("/", "Bearer tk_secret")
    body = request.json
    assert all(isinstance(value, NTFY_KEYS[key]) for key, value in body.items())
    assert (body["topic"], body["title"], body["click"]) == (
        "bin-3",
        "bin 3 asks: which bin?",
        "http://bin3.local:8080",
    )
    assert 1 <= body["priority"] <= 5
    assert body["tags"] == ["question"]


def test_a_sure_item_is_never_pushed(phone):
    phone = phone()
    for number in range(50):
        phone.outbox.commit(make_event(number), b"")
    assert phone.deliver() == []


def test_questions_within_the_cool_down_come_in_one_more_push(phone, clock):
    phone = phone()
    phone.ask(1)
    assert len(phone.deliver()) == 1
    for number in range(2, 20):
        phone.ask(number)
        clock.sleep(10)
        assert phone.deliver() == []
    phone.answer(19)
    clock.sleep(300)
    assert phone.deliver() == ["asks: blue or yellow, 18 (and 17 more)"]
    clock.sleep(300)
    assert phone.deliver() == [], "each is told once"


def test_what_was_answered_or_has_expired_is_not_pushed_any_more(phone, clock):
    phone = phone()
    phone.ask(1)
    phone.answer(1)
    phone.ask(2, expire_s=10)
    clock.sleep(11)
    assert phone.deliver() == []
    phone.ask(3)
    phone.wall.boot_id = "boot-2"  # told after another start of the board: nobody knows how old it is
    assert phone.deliver() == []


def test_a_server_that_fails_is_told_later_and_only_once(phone, receiver, clock):
    phone = phone()
    phone.ask(1)
    receiver.status = 500
    with pytest.raises(SinkError, match="answers 500"):
        phone.deliver()
    receiver.status = 200
    assert len(phone.deliver()) == 1
    clock.sleep(600)
    assert phone.deliver() == []


def test_health_is_pushed_when_it_turns_bad_and_when_it_is_well_again(phone, receiver, clock):
    phone = phone()
    sink = phone.sink
    sink.tell_health([Condition("camera", Level.WARN, "blurred"), Condition("push", Level.BAD, "its own")])
    assert receiver.requests == []
    sink.tell_health([Condition("camera", Level.BAD, "dark; look at it"), Condition("disk", Level.OK, "")])
    assert receiver.bodies[0]["message"] == "camera: dark; look at it"
    assert (receiver.bodies[0]["priority"], receiver.bodies[0]["title"]) == (4, "bin 3 has a problem")
    sink.tell_health([Condition("camera", Level.OK, "")])
    sink.tell_health([Condition("camera", Level.BAD, "dark; look at it")])
    sink.tell_health([Condition("camera", Level.OK, "")])
    assert len(receiver.requests) == 1, "the cool-down holds"
    clock.sleep(301)
    assert phone.deliver() == ["camera is well again"]


def test_health_can_be_told_from_a_warning_on_or_never(phone, receiver):
    phone(health="warn").sink.tell_health([Condition("camera", Level.WARN, "blurred")])
    assert receiver.bodies[-1]["message"] == "camera: blurred"
    phone(health="never").sink.tell_health([Condition("camera", Level.BAD, "gone")])
    assert len(receiver.requests) == 1


def test_a_number_of_items_is_a_threshold(phone, clock):
    phone = phone(every_items={"blue": 10}, ask=False)
    for number in range(25):
        phone.outbox.commit(make_event(number, stream="blue"), b"")
        phone.outbox.commit(make_event(number + 100, stream="yellow"), b"")
    assert phone.deliver() == ["20 items so far; is it full?"]
    phone.ask(50)
    for number in range(25, 29):
        phone.outbox.commit(make_event(number, stream="blue"), b"")
    assert phone.deliver() == []
    phone.answer(50)  # the 30th, by a person
    clock.sleep(300)
    assert phone.deliver() == ["30 items so far; is it full?"]


def test_many_questions_a_day_are_a_threshold(phone, clock):
    phone = phone(asks_a_day=3, ask=False)
    for number in range(3):
        assert phone.deliver() == []
        phone.ask(number)
        clock.sleep(100)
    assert phone.deliver() == ["3 items were asked about within a day; does the model fit what is thrown in here?"]
    for number in range(3, 10):
        phone.ask(number)
    clock.sleep(3600)
    assert phone.deliver() == [], "once a day"


def test_doctor_publishes_a_test(receiver, tmp_path):
    config = PushConfig(url=f"http://127.0.0.1:{receiver.port}", topic="bin-3", allow_private=True)
    sink = config.build(SinkContext("bin 3", tmp_path))
    assert sink.probe() == f"http://127.0.0.1:{receiver.port}, topic bin-3"
    assert receiver.bodies[0]["message"] == "a test by waste-edge doctor"
    assert "authorization" not in receiver.requests[0].headers, "no token is configured"
    receiver.status = 403
    with pytest.raises(SinkError, match="check the secret, and what it may do there"):
        sink.probe()
