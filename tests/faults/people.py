"""People who answer, at stations' pages and over MQTT, and a subscriber that is told what becomes of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.faults.conftest import SECONDS, Broker

NEWEST = 5  # items at which somebody may still correct something


def ask_page(port: int, path: str, body: Mapping[str, str] | None = None) -> Any:
    """Ask a page, or tell it something; what it answers with 200, None for any other status.

    Raises:
        OSError, HTTPException: nobody answers, or no longer.
    """
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as client:
        client.request("POST" if body else "GET", path, json.dumps(body) if body else None)
        with client.getresponse() as answer:
            text = answer.read()
            return json.loads(text) if answer.status == 200 else None


class Person:
    """Does something again and again in a thread of its own, until `stop`."""

    def __init__(self, act: Callable[[random.Random], None], seed: int) -> None:
        self._act = act
        self._randomly = random.Random(seed)
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._enough.wait(self._randomly.uniform(0.2, 2.0)):
            self._act(self._randomly)

    def stop(self) -> None:
        self._enough.set()
        self._thread.join()


class AtPage:
    """Answers at one station's page, and now and then corrects.

    Attributes:
        accepted: item and stream of each answer that the page took.
        unanswered: how often the page was away when it was asked or told.
    """

    def __init__(self, port: int, streams: Sequence[str]) -> None:
        self.accepted: list[tuple[str, str]] = []
        self.unanswered = 0
        self._port, self._streams = port, streams

    def act(self, randomly: random.Random) -> None:
        try:
            items = ask_page(self._port, "/api/state")["items"]
            asked = [item["id"] for item in items if (item["review"] or {}).get("open")]
            if not asked and randomly.random() < 0.2:
                asked = [item["id"] for item in sorted(items, key=lambda item: item["number"])[-NEWEST:]]
            if asked:
                said = {"id": randomly.choice(asked), "answer": randomly.choice(self._streams)}
                if ask_page(self._port, "/api/answer", said) == {"wrong": ""}:
                    self.accepted.append((said["id"], said["answer"]))
        except (OSError, http.client.HTTPException):
            self.unanswered += 1


class AtBroker:
    """Answers the questions of all stations over MQTT, each time under another name.

    Attributes:
        said: how many answers were handed to the broker.
    """

    def __init__(self, broker: Broker, streams: Sequence[str]) -> None:
        self.said = 0
        self._streams = streams
        self._asked: dict[str, str] = {}  # the newest open question, by station
        self._client = Client(CallbackAPIVersion.VERSION2, "person")
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("+/question", qos=0)
        self._client.on_message = lambda _, __, message: self._hear(message)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def _hear(self, message: MQTTMessage) -> None:
        self._asked[message.topic.partition("/")[0]] = json.loads(message.payload)["id"] or ""

    def act(self, randomly: random.Random) -> None:
        asked = [(station, item_id) for station, item_id in list(self._asked.items()) if item_id]
        if asked and self._client.is_connected():
            station, item_id = randomly.choice(asked)
            self.said += 1
            said = {"id": item_id, "answer": randomly.choice(self._streams), "who": f"person {self.said}"}
            self._client.publish(f"{station}/answer/set", json.dumps(said), qos=0)  # at most once: never said again

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Subscriber:
    """A client with a persistent session that is told every event and every answer, some of them again and again.

    It acknowledges when it is told to. A broker that is killed with something unread, such as an acknowledgement, takes
    with it what it had sent: TCP says reset, not end. So nothing is acknowledged while the broker may be killed.
    """

    def __init__(self, broker: Broker) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []  # station and record, repetitions included
        self._unacknowledged: list[int] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "subscriber", clean_session=False, manual_ack=True)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe([("+/event", 1), ("+/answer", 1)])
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _, __, message: self._note(message)
        self._client.connect("127.0.0.1", broker.port, keepalive=3600)
        self._client.loop_start()
        self.wait_for_return()

    def _note(self, message: MQTTMessage) -> None:
        self.told.append((message.topic.partition("/")[0], json.loads(message.payload)))
        self._unacknowledged.append(message.mid)

    def acknowledge(self) -> None:
        acknowledged, self._unacknowledged = self._unacknowledged, []
        for number in acknowledged:
            self._client.ack(number, 1)

    def forget_subscription(self) -> None:
        self._subscribed.clear()
        self._unacknowledged = []  # the broker sends all of these again

    def wait_for_return(self) -> None:
        assert self._subscribed.wait(SECONDS)

    def told_of(self, station: str) -> list[dict[str, Any]]:
        """What was told of a station, repetitions included."""
        return [record for name, record in list(self.told) if name == station]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
