"""Discovery messages: the entities of a station as Home Assistant takes them, and what becomes of those from before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from waste_edge import __version__
from waste_edge.device.sinks.mqtt.home_assistant.entities import Entity
from waste_edge.device.sinks.mqtt.link import Message
from waste_edge.device.sinks.mqtt.topics import Naming
from waste_edge.files.strict import encode_json

Announced = Mapping[str, Mapping[str, str]]  # platform by entity, of each discovery topic; "" for a topic of one
SETTLE_S = 3.0
_MIGRATE = '{"migrate_discovery":true}'
_BEFORE = ("sensor/last_item", "sensor/last_stream", "sensor/items", "sensor/health", "binary_sensor/problem")


@dataclass(frozen=True)
class DeviceFacts:
    """A station as a device.

    Attributes:
        name: shown.
        installation: its id.
        board: the machine's model; empty if it does not tell.
        page_url: of its own page; empty if it has none.
    """

    name: str
    installation: str
    board: str = ""
    page_url: str = ""


@dataclass(frozen=True)
class Announcement:
    """Messages, all retained, that leave Home Assistant with a station's entities and no others.

    Attributes:
        first: what is taken back, or moves to another topic with its history. Home Assistant needs `SETTLE_S` for it:
            a message for an entity that still moves is dropped, with those beside it.
        then: what there is.
        announced: by then.
    """

    first: list[Message]
    then: list[Message]
    announced: Announced


@dataclass(frozen=True)
class Discovery:
    """Discovery of one station: its topics, and the number of messages.

    Attributes:
        prefix: where Home Assistant listens, `homeassistant`.
        style: one message for the `device`, or one for each of its `entities`.
        naming: the station's.
        device: what is shown of it.
    """

    prefix: str
    style: Literal["device", "entities"]
    naming: Naming
    device: DeviceFacts

    def announce(self, entities: Sequence[Entity], before: Announced) -> Announcement:
        """Announce what there is.

        Args:
            entities: all of it.
            before: what was announced last time.
        """
        current = self._topics(entities)
        kept = {(platform, key) for platform, key, _ in entities}
        stale = sorted(before.keys() - current.keys())
        moved = [topic for topic in stale if kept & {(platform, key) for key, platform in before[topic].items()}]
        first = [Message(topic, _MIGRATE, retain=True) for topic in moved]
        first += [Message(topic, "", retain=True) for topic in stale]
        then = [
            Message(topic, self._payload(topic, parts, entities, before.get(topic, {})), retain=True)
            for topic, parts in current.items()
        ]
        return Announcement(first, then, current)

    def from_names(self, streams: Sequence[str]) -> Announced:
        """List what a station announced before its installation had an id, by the streams it has counted."""
        found = [*_BEFORE, *(f"sensor/stream_{stream}" for stream in streams)]
        node = self.naming.node
        parts = [kind.split("/") for kind in found]
        return {f"{self.prefix}/{platform}/{node}/{key}/config": {key: platform} for platform, key in parts}

    def _topics(self, entities: Sequence[Entity]) -> dict[str, dict[str, str]]:
        prefix, node = self.prefix, self.naming.node
        if self.style == "device" and entities:
            return {f"{prefix}/device/{node}/config": {key: platform for platform, key, _ in entities}}
        return {f"{prefix}/{platform}/{node}/{key}/config": {key: platform} for platform, key, _ in entities}

    def _payload(
        self, topic: str, parts: Mapping[str, str], entities: Sequence[Entity], before: Mapping[str, str]
    ) -> str:
        configs = {key: self._config(platform, key, config) for platform, key, config in entities if key in parts}
        about = {"device": self._device(), "origin": {"name": "waste-edge", "sw_version": __version__}}
        if self.style == "entities":
            ((key, _),) = parts.items()
            return _encoded({**configs[key], **about})
        components = {key: {"platform": parts[key], **config} for key, config in configs.items()}
        removed = {key: {"platform": platform} for key, platform in before.items() if parts.get(key) != platform}
        return _encoded({**about, "components": {**components, **{k: v for k, v in removed.items() if k not in parts}}})

    def _config(self, platform: str, key: str, config: Mapping[str, Any]) -> dict[str, Any]:
        status = {} if "availability" in config else {"availability_topic": f"{self.naming.topic}/status"}
        return {**config, **status, "unique_id": f"{self.naming.node}_{key}"}

    def _device(self) -> dict[str, Any]:
        facts = self.device
        device = {
            "identifiers": [self.naming.node],
            "name": facts.name,
            "manufacturer": "waste-edge",
            "model": "Sorting station",
            "sw_version": __version__,
            "serial_number": facts.installation,
            "hw_version": facts.board,
            "configuration_url": facts.page_url,
        }
        return {key: value for key, value in device.items() if value}


def _encoded(value: object) -> str:
    return encode_json(value).decode()
