"""A station that is killed 200 times: forks a child that commits and delivers, and kills it at a random moment.

    python killed_station.py FOLDER

A child writes every id that was committed to FOLDER/said, after the commit. The last child may end in peace.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

from tests.device.telling import make_event
from waste_edge.device.clock import SystemClock
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.json_lines import JsonLines, JsonLinesConfig
from waste_edge.device.system.condition import Condition, Level

ROUNDS = 200


def station(folder: Path, seconds: float) -> None:
    said = os.open(folder / "said", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    outbox = Outbox(folder / "outbox.sqlite", "bin-3", SystemClock())
    # Small files, so that rotation is interrupted, too.
    sink = JsonLines(JsonLinesConfig(path=str(folder / "events.jsonl"), max_mb=0.02, keep=10_000))
    delivery = Delivery(outbox, sink)
    delivery.start()
    delivery.tell_health([Condition("station", random.choice(list(Level)), "as it is")])
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        event = replace(make_event(1), id=uuid.uuid4().hex)
        if outbox.commit(event, os.urandom(3_000)).sequence:
            os.write(said, event.id.encode() + b"\n")
    while outbox.reader(sink.name).waiting():
        time.sleep(0.01)
    assert delivery.stop()
    outbox.close()


def main(folder: Path) -> None:
    randomly = random.Random(11)
    for number in range(5 * ROUNDS):
        if number >= ROUNDS and (folder / "said").stat().st_size > 33 * 250:
            break  # on a busy machine few stations live long enough to commit anything: then there are more of them
        child = os.fork()
        if child == 0:
            station(folder, 60.0)
            os._exit(1)  # it should have been killed
        time.sleep(randomly.uniform(0.005, 0.15))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "a child ended by itself"
    station(folder, 0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
