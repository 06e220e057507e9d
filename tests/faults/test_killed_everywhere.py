"""SIGKILL of pages, broker and stations while 300 items with 60 questions pass and people answer at pages and by MQTT.

WASTE_EDGE_ITEMS=50 .venv-dev/bin/pytest -s -m faults tests/faults/test_killed_everywhere.py is a short one.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.device.answers.test_review_killed import replayed
from tests.device.page.pages import free_port
from tests.faults.conftest import Broker, wait_until
from tests.faults.people import AtBroker, AtPage, Person, Subscriber, ask_page
from tests.faults.stations import Life, Station, check_items, number_of, passing

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")
pytestmark = pytest.mark.faults
ITEMS = int(os.environ.get("WASTE_EDGE_ITEMS", "300"))  # fewer while one works on this
STATIONS = 8  # at the same time, each with its share of the items
PLACES = {"blue": "paper", "green": "glass", "red": "metal"}
ANSWERS = (*PLACES.values(), "black")
# Any doubt about what would go to the metal is too dear: every red item, one of three, is asked about.
SITE = """
name = "three bins"
residual = "black"
ask = 0.3
streams = {blue = "paper", green = "glass", red = "metal"}
[costs]
paper = {metal = 1000}
glass = {metal = 1000}
"""
TABLES = """
[json_lines]
[answers]
expire_s = 6
[page]
port = {page}
[mqtt]
host = "127.0.0.1"
port = {broker}
topic = "{name}"
"""
PERSISTENT = ("persistence true", "autosave_interval 1", "autosave_on_changes true", "max_inflight_messages 0")
SETTLED_S = 120.0  # a page that was killed again and again is started ever later, up to a minute


@dataclass
class Bin:
    """A station with its page, the person there, and what became of it."""

    name: str
    station: Station
    page: int
    person: AtPage
    lives: list[Life] = field(default_factory=list)
    page_kills: int = 0

    def database(self) -> contextlib.closing[sqlite3.Connection]:
        path = self.station.state / "outbox.sqlite"
        return contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10))

    def committed(self) -> int:
        """How many items are in the ledger."""
        with self.database() as database:
            return int(database.execute("SELECT COUNT(*) FROM events WHERE instr(id, '#') = 0").fetchone()[0])

    def counters(self) -> dict[str, int]:
        """Items by stream, as the ledger has them."""
        with self.database() as database:
            return _some(json.loads(database.execute("SELECT stream_items FROM scene").fetchone()[0]))

    def ledger(self) -> list[str]:
        """Keys of all records, in order: an item's id, followed by # and a number for an answer."""
        with self.database() as database:
            return [str(row[0]) for row in database.execute("SELECT id FROM events ORDER BY sequence")]

    def lines(self) -> list[dict[str, Any]]:
        """Events and answers of the file."""
        lines = map(json.loads, (self.station.state / "events.jsonl").read_text().splitlines())
        return [line for line in lines if line["kind"] in ("event", "answer")]


@pytest.fixture
def broker(make_broker, tmp_path) -> Broker:
    broker: Broker = make_broker("allow_anonymous true", f"persistence_location {tmp_path}/", *PERSISTENT)
    broker.start()
    return broker


@pytest.fixture
def bins(tmp_path: Path, tiny_bundle: Path, broker: Broker) -> Iterator[list[Bin]]:
    (tmp_path / "site.toml").write_text(SITE)
    made = []
    for number in range(STATIONS):
        name, page = f"bin-{number}", free_port()
        station = Station(tmp_path / name, tiny_bundle, TABLES.format(name=name, page=page, broker=broker.port))
        station.configure(f"site = {json.dumps(str(tmp_path / 'site.toml'))}")
        made.append(Bin(name, station, page, AtPage(page, ANSWERS)))
    yield made
    for one in made:
        one.station.close()


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker)
    yield subscriber
    subscriber.close()


def lead(one: Bin, items: int, seed: int) -> None:
    """Let a station see its share of the items, killing it and its page at random moments; it is left running."""
    randomly, station = random.Random(seed), one.station
    station.start()
    station.wait_until_learned()
    filmed_ns = station.film("items")
    while one.committed() < items:
        if randomly.random() < 0.2:  # anywhere in a start
            time.sleep(randomly.uniform(0, 2))
        else:
            station.wait_for_verdict(0)
            time.sleep(randomly.uniform(1, 25))
        if randomly.random() < 0.5:
            one.page_kills += station.kill_page()
        else:
            one.lives.append(station.kill(seen_from_ns=filmed_ns))
            station.start()
    station.film("empty")
    station.wait_for_verdict(0)


def keep_killing(broker: Broker, subscriber: Subscriber, enough: threading.Event, kills: list[int]) -> None:
    """A broker that lives for some seconds, and is back a moment later; at the end it stays."""
    randomly = random.Random(7)
    while not enough.wait(randomly.uniform(2, 8)):
        subscriber.acknowledge()
        time.sleep(1)
        subscriber.forget_subscription()
        broker.kill()
        kills.append(broker.port)
        enough.wait(randomly.uniform(0, 2))
        broker.start()
        # What a broker has acknowledged, and neither sent nor saved, is lost with it (docs/events.md).
        subscriber.wait_for_return()


def _some(streams: Mapping[str, int]) -> dict[str, int]:
    return {stream: count for stream, count in streams.items() if count}


def page_agrees(one: Bin) -> bool:
    """No question is open, every sink has had everything, and the page counts what the ledger counts."""
    try:
        state = ask_page(one.page, "/api/state")["state"]
    except (OSError, http.client.HTTPException):
        return False
    if state is None or state["open_questions"] or any(state["sinks"].values()):
        return False
    shown: Counter[str] = Counter()
    for day in state["days"]:
        shown.update(day["streams"])
    return dict(shown) == one.counters()


def retained_of(broker: Broker, receive) -> dict[str, str]:
    """What the broker keeps, by topic."""
    late = receive(broker)
    wait_until(lambda: len([None for topic, _, _ in late.messages if topic.endswith("/status")]) == STATIONS)
    time.sleep(0.5)
    return {topic: payload.decode() for topic, payload, retained in late.messages if retained}


def counted_by(told: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What a receiver counts by both rules of docs/events.md, which must come to the same."""
    by_key: dict[tuple[str, int], Mapping[str, Any]] = {}
    by_sequence: list[Mapping[str, Any]] = []
    highest: Counter[str] = Counter()
    for record in told:
        by_key.setdefault((record["id"], record.get("answer", 0)), record)
        if record["sequence"] > highest[record["outbox_id"]]:
            highest[record["outbox_id"]] = record["sequence"]
            by_sequence.append(record)
    assert list(by_key.values()) == by_sequence
    return by_sequence


def check_answers(lines: Sequence[Mapping[str, Any]], accepted: Sequence[tuple[str, str]]) -> None:
    """Every question has one first answer, no answer was taken twice, and all that the page took are there."""
    asked = [line["id"] for line in lines if line.get("expires_s") is not None]
    answers = [line for line in lines if line["kind"] == "answer"]
    keys = Counter((line["id"], line["answer"]) for line in answers)
    assert all(keys[item_id, 1] == 1 for item_id in asked), "a question was not closed, or closed twice"
    for item_id in {line["id"] for line in answers}:
        numbers = [line["answer"] for line in answers if line["id"] == item_id]
        assert numbers == list(range(1, len(numbers) + 1))
    said = Counter(line["who"] for line in answers if line["source"] == "mqtt")
    assert set(said.values()) <= {1}, "an answer over MQTT was taken twice"
    kept = {(line["id"], line["stream"]) for line in answers if line["source"] != "timeout"}
    assert set(accepted) <= kept, "somebody at the page was told of an answer that is not kept"


def check_agreement(one: Bin, told: Sequence[Mapping[str, Any]], retained: Mapping[str, str]) -> None:
    """Ledger, file, subscriber, counters and what people were told are about the same."""
    lines = one.lines()
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    keys = [f"{line['id']}#{line['answer']}" if line["kind"] == "answer" else line["id"] for line in lines]
    assert keys == one.ledger()
    assert counted_by(told) == lines
    check_answers(lines, one.person.accepted)
    events = [line for line in lines if line["kind"] == "event"]
    check_items(events, one.lives)
    for event in events:
        red = passing.label_of(number_of(event)) == "red"
        assert event["decision"]["stream"] == ("ask" if red else PLACES[passing.label_of(number_of(event))])
    counters = replayed(lines)
    assert counters == one.counters()
    kept = json.loads(retained[f"{one.name}/counters"])
    assert (kept["items"], _some(kept["streams"])) == (len(events), counters)
    assert kept["outbox_id"] == lines[0]["outbox_id"]
    by_topic = {stream: int(retained[f"{one.name}/streams/{stream}"]) for stream in kept["streams"]}
    assert _some(by_topic) == counters
    assert json.loads(retained[f"{one.name}/last"]) == events[-1]
    assert json.loads(retained[f"{one.name}/question"])["open"] == 0
    assert retained[f"{one.name}/status"] == "offline"


def kill_while_items_pass(bins: Sequence[Bin], broker: Broker, subscriber: Subscriber) -> list[int]:
    """Until each station has had its share, and everybody was told of it; one entry for each kill of the broker."""
    enough, kills = threading.Event(), list[int]()
    killer = threading.Thread(target=keep_killing, args=(broker, subscriber, enough, kills))
    at_broker = AtBroker(broker, ANSWERS)
    people = [Person(one.person.act, seed) for seed, one in enumerate(bins)]
    people += [Person(at_broker.act, 100 + seed) for seed in range(2)]
    killer.start()
    try:
        with ThreadPoolExecutor(len(bins)) as pool:
            share = -(-ITEMS // len(bins))
            for done in [pool.submit(lead, one, share, seed) for seed, one in enumerate(bins, start=1)]:
                done.result()
    finally:
        enough.set()
        for thread in (killer, *people):
            thread.join() if isinstance(thread, threading.Thread) else thread.stop()
        at_broker.close()
    return kills


@pytest.mark.timeout(900)
def test_ledger_answers_counters_and_subscriber_agree_after_kills_everywhere(bins, broker, subscriber, receive):
    started = time.monotonic()
    broker_kills = kill_while_items_pass(bins, broker, subscriber)
    for one in bins:
        wait_until(lambda one=one: page_agrees(one), SETTLED_S)
        one.lives.append(Life(one.station.first_frame_ns(), time.monotonic_ns()))
        assert one.station.end() == 0
        wait_until(lambda one=one: not one.station.left_behind())
    retained = retained_of(broker, receive)
    for one in bins:
        check_agreement(one, subscriber.told_of(one.name), retained)
    lines = [line for one in bins for line in one.lines()]
    asked = sum(line.get("expires_s") is not None for line in lines)
    sources = Counter(line["source"] for line in lines if line["kind"] == "answer")
    station_kills, page_kills = sum(len(one.lives) - 1 for one in bins), sum(one.page_kills for one in bins)
    print(
        f"{sum(line['kind'] == 'event' for line in lines)} items, {asked} asked, answers {dict(sources)}, "
        f"{sum(len(one.person.accepted) for one in bins)} taken by pages; killed: {station_kills} stations, "
        f"{page_kills} pages, {len(broker_kills)} times the broker; {len(subscriber.told)} messages for {len(lines)} "
        f"records; {time.monotonic() - started:.0f} s"
    )
    assert asked >= ITEMS // 5
    assert min(sources["page"], sources["mqtt"], station_kills, page_kills, len(broker_kills)) >= ITEMS // 60
