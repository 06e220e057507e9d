"""A station in this process: outbox, answers and the MQTT sink as they are, items as the trial has them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.clock import RetryPolicy, SystemClock
from waste_edge.device.decision.answer import Candidate, Choices
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import Decision
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.mqtt import MqttConfig, build
from waste_edge.device.sinks.sink import SinkContext, StationFacts
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.latest import Latest
from waste_edge.site import ASK

STREAMS = ("glass", "metal", "rest")


class Station:
    """One life of a station; the next one takes up the same folder."""

    def __init__(
        self, state: Path, broker_port: int, streams: Sequence[str] = STREAMS, name: str = "bin 1", **settings: Any
    ) -> None:
        state.mkdir(parents=True, exist_ok=True)
        clock, latest = SystemClock(), Latest()
        self.outbox = Outbox(state / "outbox.sqlite", name, clock)
        config = MqttConfig(host="127.0.0.1", port=broker_port, image=True, **settings)
        facts = StationFacts((*streams, ASK), "small 2", "http://127.0.0.1:8080/")
        self.sink = build(config, SinkContext(name, state, facts))
        choices = Choices({name: name for name in streams if name != "rest"}, "rest")
        self.reviews = ReviewQueue(choices, AnswersConfig(expire_s=600), clock)
        self.reviews.open(self.outbox)
        self.sink.take_answers(self.reviews)
        self.delivery = Delivery(self.outbox, self.sink, clock, retry=RetryPolicy(0.1, 1.0), latest=latest)
        self.topic = self.sink._names().topic
        self.latest = latest
        latest.set(temperature_c=48.3, latency_p50_ms=21.4, frames_per_s=14.9, disk_free_mb=9_312.0)
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.delivery.start()

    def item(self, stream: str, label: str = "", action: str = "sort") -> str:
        """An item is decided; returns its id."""
        decision = Decision(stream, label or stream, 0.9, "mean of 5 frames", action)  # type: ignore[arg-type]
        event = Event(uuid.uuid4().hex, 1, 2, decision, frames=5, expires_s=600.0 if action == ASK else None)
        if action == ASK:
            told = (Candidate("glass", "glass", 0.5), Candidate("metal", "metal", 0.4))
            event = Event(event.id, 1, 2, decision, frames=5, candidates=told, expires_s=600.0)
        with self._lock:
            self.reviews.note(self.outbox.commit(event, b""))
            self.latest.show(np.full((96, 96, 3), 120, np.uint8))
        return event.id

    def fare(self, level: Level = Level.OK, text: str = "opened") -> None:
        """Tell how its camera fares."""
        self.delivery.tell_health([Condition("camera", level, text), Condition("mqtt", Level.WARN, "refused before")])

    def tell_again(self, sequence: int) -> None:
        """Deliver what comes after `sequence` once more, as after a power cut that lost the cursor."""
        self.outbox.reader("mqtt")._cursor = sequence
        self.delivery._wake.set()

    def end(self) -> None:
        """End it."""
        self._ended.set()
        self._thread.join()
        self.delivery.stop()
        self.reviews.close()
        self.outbox.close()

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            with self._lock:
                self.reviews.step()
