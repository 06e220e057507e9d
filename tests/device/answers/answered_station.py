"""A station that is killed while people answer: forks a child that commits, asks and is answered, and kills it.

    python -m tests.device.answers.answered_station FOLDER ITEMS [URL]

Every fifth item asks. Events and answers go to a file, and to a webhook if there is one. A child writes each id, and
each answer as `ID#NUMBER STREAM`, to FOLDER/said once it was told that it is committed. The last child goes on in peace
until no question is open and every sink has had everything.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from tests.device.telling import make_event
from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.clock import RetryPolicy, SystemClock
from waste_edge.device.decision.answer import AnswerError, Choices
from waste_edge.device.decision.asking import Asking
from waste_edge.device.decision.policy import Decision
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.http.post import Target
from waste_edge.device.sinks.json_lines import JsonLines, JsonLinesConfig
from waste_edge.device.sinks.sink import Sink
from waste_edge.device.sinks.webhook import Webhook, WebhookConfig

CHOICES = Choices({"glass": "glass", "paper": "blue", "metal": "yellow"}, "black")
ASKED_EVERY = 5
EXPIRE_S = 1.0
LINE_BYTES = 33
RETRY = RetryPolicy(first_s=0.1, longest_s=0.5)


def sinks_of(folder: Path, url: str) -> list[Sink]:
    file = JsonLines(JsonLinesConfig(path=str(folder / "events.jsonl"), max_mb=100))
    if not url:
        return [file]
    config = WebhookConfig(url=url, allow_private=True, timeout_s=2)
    return [file, Webhook(Target.of("webhook", config), b"k" * 32, "bin-3")]


def station(folder: Path, items: int, seed: int, url: str) -> None:
    said = os.open(folder / "said", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    outbox = Outbox(folder / "outbox.sqlite", "bin-3", SystemClock())
    queue = ReviewQueue(CHOICES, AnswersConfig(expire_s=EXPIRE_S), SystemClock())
    queue.open(outbox)
    sinks = sinks_of(folder, url)
    deliveries = [Delivery(outbox, sink, retry=RETRY) for sink in sinks]
    for delivery in deliveries:
        delivery.start()
    people = [threading.Thread(target=answer, args=(queue, said, seed + n), daemon=True) for n in range(2)]
    for person in people:
        person.start()
    mark = Asking(EXPIRE_S).marked
    number = len(queue.items())  # all were committed in order
    while number < items or queue.questions() or any(outbox.reader(sink.name).waiting() for sink in sinks):
        if number < items:
            event = make_event(number, stream="blue")
            if number % ASKED_EVERY == 0:
                event = mark(replace(event, decision=Decision("ask", "unknown", 0.4, "unsure", "ask")))
            record = outbox.commit(event, b"")
            queue.note(record)
            assert record.sequence
            os.write(said, event.id.encode() + b"\n")
            number += 1
        queue.step()
        time.sleep(0.005)
    queue.close()
    assert all(delivery.stop() for delivery in deliveries)
    outbox.close()


def answer(queue: ReviewQueue, said: int, seed: int) -> None:
    """Two people answer most questions, sometimes both at once, and correct other items."""
    randomly = random.Random(seed)
    while True:
        asked = [item.id for item in queue.questions()] or [item.id for item in queue.items(20)]
        if asked and randomly.random() < 0.7:
            try:
                record = queue.answer(randomly.choice(asked), randomly.choice([*CHOICES.streams, "black"]), "page")
            except AnswerError:
                return  # the station ends, or this item was answered often enough
            os.write(said, f"{record.key} {record.stream}\n".encode())
        time.sleep(randomly.uniform(0.001, 0.03))


def main(folder: Path, items: int, url: str = "") -> None:
    """Let a station live until it has said some more, on however busy a machine; prints how many were killed."""
    randomly = random.Random(5)
    said = folder / "said"
    said.touch()
    for number in range(1000):
        child = os.fork()
        if child == 0:
            station(folder, items, number, url)
            os._exit(0)
        enough = said.stat().st_size + randomly.randint(0, 12) * LINE_BYTES
        deadline = time.monotonic() + 30
        while said.stat().st_size < enough and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(randomly.uniform(0, 0.03))
        if len([line for line in said.read_text().split("\n") if len(line) == 32]) < items:  # ids alone: items
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            assert code == 0, "a station failed"
            print(number)
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
