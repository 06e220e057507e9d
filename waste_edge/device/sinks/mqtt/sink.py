"""The sink that publishes to a broker, at QoS 1."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.device.clock import NS_PER_S, Clock, SystemClock
from waste_edge.device.outbox.record import Record, to_json_line
from waste_edge.device.outbox.snapshot import Snapshot
from waste_edge.device.sinks.mqtt import messages
from waste_edge.device.sinks.mqtt.broker import Broker
from waste_edge.device.sinks.mqtt.home_assistant.discovery import SETTLE_S, DeviceFacts, Discovery
from waste_edge.device.sinks.mqtt.home_assistant.entities import Features, entities_of
from waste_edge.device.sinks.mqtt.link import Heard, Message, MqttConnection
from waste_edge.device.sinks.mqtt.memory import Memory
from waste_edge.device.sinks.mqtt.name_conflicts import Rivals
from waste_edge.device.sinks.mqtt.settings import MqttSettings
from waste_edge.device.sinks.mqtt.topics import LATEST_VERSION_TOPIC, Naming, naming_of, topic_part
from waste_edge.device.sinks.sink import Attachment, SinkContext, SinkError
from waste_edge.device.system.board import read_model
from waste_edge.device.system.condition import Condition
from waste_edge.device.system.identity import installation_id
from waste_edge.site import ASK

if TYPE_CHECKING:
    from waste_edge.device.answers.review import ReviewQueue
    from waste_edge.device.sinks.mqtt.questions import Questions

_GOODBYE_S = 0.4  # how long "offline" may take at the end; the broker says it for us if that fails
_FIGURES_EVERY_S = 60.0


class Mqtt:
    """A `Sink` that publishes to a broker, and lets Home Assistant find the station.

    Args:
        config: the table `[mqtt]`.
        context: the station.
        broker: makes the connections.
        clock: times what is told seldom.
    """

    name = "mqtt"

    def __init__(self, config: MqttSettings, context: SinkContext, broker: Broker, clock: Clock | None = None) -> None:
        self._config = config
        self._context = context
        self._broker = broker
        self._clock = clock or SystemClock()
        self._memory = Memory(context.state, context.station)
        self._attachment = Attachment()
        self._questions: Questions | None = None
        self._link: MqttConnection | None = None
        self._naming: Naming | None = None
        self._rivals: Rivals | None = None
        self._health: Message | None = None  # what was told last
        self._figures_ns: int | None = None
        self._told_model = ""
        self._pictures = 0  # how many were seen
        self._latest_version = ""  # of all stations, as somebody says at the broker
        self._undiscovered = ""  # why Home Assistant was not told

    # What the station gives, before the sink's thread starts.

    def attach(self, attachment: Attachment) -> None:
        """See `Sink`."""
        self._attachment = attachment

    def take_answers(self, reviews: ReviewQueue) -> None:
        """See `Sink`."""
        from waste_edge.device.sinks.mqtt.questions import Questions

        if self._questions is None and "mqtt" in reviews.sources:
            self._questions = Questions(reviews, lambda: self._attachment.wake())

    # `Sink`.

    @property
    def doubt(self) -> str:
        """Oddity to report although events are delivered; empty if there is none."""
        return (self._rivals.doubt(self._client_id()) if self._rivals else "") or self._undiscovered

    def deliver(self, records: Sequence[Record]) -> None:
        """See `Sink.deliver`; returns once the broker has acknowledged all of them."""
        link, topic = self._linked(), self._names().topic
        told = self._answers(link)
        told += [Message(f"{topic}/{record.kind}", to_json_line(record)) for record in records]
        if records:
            changed = {stream for record in records for stream in record.counters}
            told += messages.counters(topic, self._attachment.snapshot(), self._context.facts.streams, changed)
            if events := [record for record in records if record.kind == "event"]:
                told.append(Message(f"{topic}/last", to_json_line(events[-1]), retain=True))
        if self._attachment.latest.model != self._told_model:
            told.append(self._about())
        told += self._figures() + self._image()
        self._publish(link, told)

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        """See `Sink.tell_health`."""
        link = self._linked()
        self._health = messages.health(self._names().topic, conditions)
        self._publish(link, [self._health])

    def close(self) -> None:
        """See `Sink.close`: says `offline` and leaves."""
        if self._link is not None:
            with contextlib.suppress(SinkError):
                self._link.publish([Message(f"{self._names().topic}/status", "offline", retain=True)], _GOODBYE_S)
            self._link.leave()
            self._link = None

    def probe(self) -> str:
        """See `Sink.probe`: publishes, under no name and where nobody listens, what the broker does not keep."""
        naming = self._memory.look()
        topic = self._config.topic or (naming.topic if naming else "")
        where = f"{self._config.host}:{self._broker.port}"
        link = self._broker.connect("")
        try:
            if not topic:
                return f"{where}; its topics are named at the station's first start: waste-edge/ and an id"
            probes = [Message(f"{topic}/probe", "doctor")]
            if self._config.home_assistant and naming:
                probes.append(Message(f"{self._config.discovery_topic}/device/{naming.node}/probe", "doctor"))
            self._check(link.publish(probes, self._config.timeout_s))
        finally:
            link.leave()
        said = "" if self._broker.says_refusals else "; its MQTT 3.1.1 would not say if it refused something"
        return f"{where}, topics {topic}/…{said}"

    # The connection.

    def _linked(self) -> MqttConnection:
        if self._link is not None and self._link.lost:
            if self._rivals is not None:
                self._rivals.lost(self._link)
            self._drop()
        if self._link is None:
            naming = self._names()
            if self._rivals is None:
                self._rivals = Rivals(naming.topic, installation_id(self._context.state), self._clock)
            self._link = self._broker.connect(self._client_id(), will=f"{naming.topic}/status")
            self._rivals.linked(self._broker.says_refusals)
            self._link.wake = self._attachment.wake
            self._link.listen(self._topics_heard())
            self._tell_all(self._link)
        return self._link

    def _topics_heard(self) -> list[str]:
        topic = self._names().topic
        heard = [f"{topic}/status", f"{topic}/owner"]
        if self._questions is not None:
            heard.append(f"{topic}/answer/set")
        if self._config.home_assistant:
            heard += [f"{self._config.discovery_topic}/status", LATEST_VERSION_TOPIC]
        return heard

    def _tell_all(self, link: MqttConnection) -> None:
        """Say all that the broker is to keep: it may be another one, or have lost its memory."""
        naming = self._names()
        assert self._rivals is not None
        snapshot = self._attachment.snapshot()
        told = [Message(f"{naming.topic}/status", "online", retain=True), self._rivals.claim]
        told.append(self._about())
        told += messages.last(naming.topic, snapshot)
        told += messages.counters(naming.topic, snapshot, self._context.facts.streams)
        if self._health is not None:
            told.append(self._health)
        if self._questions is not None:
            told.append(self._questions.now(naming.topic))
        self._figures_ns = None
        self._publish(link, told + self._figures())
        self._discover(link, snapshot)

    def _about(self) -> Message:
        """Describe the station, with the model that it uses now."""
        self._told_model = self._attachment.latest.model
        return messages.about(self._names().topic, self._context.station, self._context.facts, self._told_model)

    def _discover(self, link: MqttConnection, snapshot: Snapshot) -> None:
        """Announce the station to Home Assistant, and take back what it announced before and is not so any more."""
        naming, state = self._names(), self._context.state
        device = DeviceFacts(
            self._context.station, installation_id(state), read_model(Path("/")) or "", self._context.facts.page_url
        )
        discovery = Discovery(self._config.discovery_topic, self._config.discovery, naming, device)
        before = self._memory.announced
        if not before and naming.node != naming_of(installation_id(state)).node:
            before = discovery.from_names([topic_part(stream) for stream in snapshot.stream_items])
        entities = entities_of(self._features()) if self._config.home_assistant else []
        announcement = discovery.announce(entities, before)
        self._memory.announce({**before, **announcement.announced})
        denied = self._link_publish(link, announcement.first)
        if announcement.first and announcement.then:
            self._clock.sleep(SETTLE_S)
        denied |= self._link_publish(link, announcement.then)
        self._undiscovered = self._refusal(denied) if denied else ""
        if not denied:
            self._memory.announce(announcement.announced)

    def _features(self) -> Features:
        facts = self._context.facts
        return Features(
            topic=self._names().topic,
            streams=tuple(stream for stream in facts.streams if stream != ASK),
            counted=facts.streams,
            asks=self._questions is not None,
            image=self._config.image,
            update=bool(self._latest_version),
        )

    def _answers(self, link: MqttConnection) -> list[Message]:
        """Reply to what others said since the last look, and to answers that were handed in."""
        assert self._rivals is not None
        heard = link.heard()
        topic = self._names().topic
        for one in heard:
            if one.topic == f"{topic}/answer/set" and self._questions is not None:
                self._questions.take(one)
        if self._must_announce(heard):
            self._tell_all(link)
        asked = [] if self._questions is None else self._questions.news(topic)
        return [*self._rivals.answers_to(heard), *asked]

    def _must_announce(self, heard: Sequence[Heard]) -> bool:
        """Return whether Home Assistant has started, or what there is to announce has changed."""
        newest = [one.payload for one in heard if one.topic == LATEST_VERSION_TOPIC]
        changed = bool(newest) and bool(newest[-1]) != bool(self._latest_version)
        self._latest_version = newest[-1] if newest else self._latest_version
        birth = f"{self._config.discovery_topic}/status"
        return changed or any(one.topic == birth and one.payload == "online" and not one.retained for one in heard)

    def _figures(self) -> list[Message]:
        now_ns = self._clock.now_ns()
        if self._figures_ns is not None and now_ns - self._figures_ns < _FIGURES_EVERY_S * NS_PER_S:
            return []
        self._figures_ns = now_ns
        waiting = self._attachment.snapshot().waiting
        return [messages.figures(self._names().topic, self._attachment.latest.numbers(), waiting)]

    def _image(self) -> list[Message]:
        if not self._config.image:
            return []
        count, picture = self._attachment.latest.picture()
        if picture is None or count == self._pictures:
            return []
        self._pictures = count
        return list(filter(None, [messages.image(self._names().topic, picture)]))

    def _publish(self, link: MqttConnection, told: Sequence[Message]) -> None:
        """Publish; what the broker refuses is not delivered.

        Raises:
            SinkError: it refuses something, or has not acknowledged everything in time.
        """
        try:
            self._check(self._link_publish(link, told))
        except SinkError:
            self._drop()
            raise

    def _link_publish(self, link: MqttConnection, told: Sequence[Message]) -> dict[str, str]:
        try:
            return link.publish(told, self._config.timeout_s)
        except SinkError:
            if self._rivals is not None and link.lost:
                self._rivals.lost(link)
            self._drop()
            raise

    def _check(self, denied: dict[str, str]) -> None:
        if denied:
            raise SinkError(f"{self._config.host}:{self._broker.port}: {self._refusal(denied)}")

    def _refusal(self, denied: dict[str, str]) -> str:
        topic, reason = next(iter(denied.items()))
        user = f"the user {self._config.username}" if self._config.username else "clients without a username"
        below = topic.split("/")[0] if topic.startswith(f"{self._config.discovery_topic}/") else self._base(topic)
        return f"the broker refuses messages to {topic} ({reason}): let {user} write {below}/# in its access list"

    def _base(self, topic: str) -> str:
        naming = self._memory.look()
        own = self._config.topic or (naming.topic if naming else "")
        return own if own and topic.startswith(f"{own}/") else topic.rpartition("/")[0]

    def _drop(self) -> None:
        if self._link is not None:
            self._link.cut()
            self._link = None

    def _names(self) -> Naming:
        if self._naming is None:
            naming = self._memory.naming(told_before=self._attachment.snapshot().cursor > 0)
            self._naming = Naming(self._config.topic or naming.topic, naming.node)
        return self._naming

    def _client_id(self) -> str:
        return self._config.client_id or f"waste-edge-{installation_id(self._context.state)}"
