"""Simulated stations: outbox, MQTT sink and metrics are the real ones, items come by the clock."""

from __future__ import annotations

import http.server
import random
import threading
import time
import uuid
from pathlib import Path

import msgspec

from tests.device.page.pages import make_state
from waste_edge.device.clock import RetryPolicy, SystemClock
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import Decision
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.page.server.metrics import CONTENT_TYPE, render
from waste_edge.device.page.state import AnswerTotal, Total
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.mqtt import MqttConfig, build
from waste_edge.device.sinks.sink import SinkContext, StationFacts
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.latest import Latest

STREAMS = ("glass", "metal", "paper", "rest")


class SimulatedStation:
    """One station: decides an item now and then, keeps it, tells the broker, and answers at /metrics."""

    def __init__(self, folder: Path, name: str, broker_port: int) -> None:
        folder.mkdir(parents=True)
        clock, latest = SystemClock(), Latest()
        self.name = name
        self.told: dict[str, float] = {}  # id of each event, and when it was committed
        self.outbox = Outbox(folder / "outbox.sqlite", name, clock)
        sink = build(MqttConfig(host="127.0.0.1", port=broker_port), SinkContext(name, folder, StationFacts(STREAMS)))
        self._delivery = Delivery(self.outbox, sink, clock, retry=RetryPolicy(0.5, 5.0), latest=latest)
        self._random = random.Random(name)
        unwell = self._random.random() < 0.1  # some of forty always are
        self._disk = Condition("disk", Level.WARN if unwell else Level.OK, "400 MB free" if unwell else "9 GB free")
        self._counts = dict.fromkeys(STREAMS, 0)
        self._ended = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._delivery.start()

    def run(self, every_s: float) -> None:
        """Decide an item every `every_s` seconds on average, in a thread, until `pause`."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._decide, args=(every_s,), daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Decide no more items; what waits is still told."""
        self._ended.set()
        self._thread.join()

    def item(self) -> None:
        """One item is decided."""
        stream = self._random.choice(STREAMS)
        event = Event(uuid.uuid4().hex, 1, 2, Decision(stream, stream, 0.9, "mean of 3 looks"), frames=5)
        self.told[event.id] = time.monotonic()
        self.outbox.commit(event, b"")
        self._counts[stream] += 1

    def waiting(self) -> int:
        """Events that the broker has not had."""
        return self.outbox.waiting().get("mqtt", 0)

    def end(self) -> None:
        """End it."""
        self._delivery.stop()
        self.outbox.close()
        self._server.shutdown()
        self._server.server_close()

    def metrics(self) -> bytes:
        """What a page of this station would say."""
        totals = tuple(Total(stream=stream, action="sort", count=count) for stream, count in self._counts.items())
        answers = (AnswerTotal(source="page", stream="rest", count=sum(self._counts.values()) // 10),)
        state = make_state(station=self.name, totals=totals, answers=answers, places=STREAMS)
        return render(msgspec.structs.replace(state, sinks={"mqtt": self.waiting()}, health=(self._disk,)))

    def _decide(self, every_s: float) -> None:
        while not self._ended.wait(self._random.uniform(0.5, 1.5) * every_s):
            self.item()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        station = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = station.metrics()
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
